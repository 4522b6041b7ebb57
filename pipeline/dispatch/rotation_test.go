package dispatch

import (
	"strings"
	"testing"
	"time"

	"weir/pipeline"
)

// held is a worker whose requests wait until the test lets them go.
func held(t *testing.T) (*testWorker, chan struct{}) {
	t.Helper()
	release := make(chan struct{})
	w := startWorker(t, func(c *workerConn) {
		for c.request() != nil {
			if _, ok := <-release; !ok {
				return
			}
			c.respond("done")
		}
	})
	t.Cleanup(func() { close(release) }) // runs before the worker is killed
	return w, release
}

// TestRevive: a worker that was drained, as one that is suspended, comes back under its number.
func TestRevive(t *testing.T) {
	f := startFront(t, 2, Options{})
	w := startWorker(t, serveHello)
	f.add(7, w, 2)
	for range 3 {
		f.dial().get("/").want("in rotation", 200, "")
		f.DrainWorker(7)
		if n := <-f.told.drained; n != 7 {
			t.Fatalf("drained %d; want 7", n)
		}
		c := f.dial().get("/")
		f.eventually("queued", func() bool { return f.Snapshot().Waiting == 1 })
		f.add(7, w, 2)
		c.want("back again", 200, "")
	}
	if err := f.AddWorker(7, Endpoint{Network: "unix", Address: w.path, Concurrency: 2}); err == nil {
		t.Error("a worker in rotation was added twice")
	}
	f.audit()
}

// TestFailWorker: a worker given up from outside is out at once, and its report names what it held.
func TestFailWorker(t *testing.T) {
	f := startFront(t, 2, Options{})
	w, _ := held(t)
	f.add(1, w, 8)
	post := f.dial().write("POST /a/long/job HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
	f.eventually("taken", func() bool { return f.Snapshot().Workers[0].InFlight == 1 && w.open.Load() == 1 })
	f.FailWorker(1, "no answer to pings")
	got := <-f.told.hung
	for _, want := range []string{"1: no answer to pings; 1 in flight: POST \"/a/long/job\" id=", " sent for "} {
		if !strings.Contains(got, want) {
			t.Errorf("told %q; want in it %q", got, want)
		}
	}
	post.wantReason("given up", 504, pipeline.WorkerHung)
	f.FailWorker(2, "never heard of")
	if got := <-f.told.hung; got != "2: never heard of" {
		t.Errorf("told %q; want an answer for a worker that is not there", got)
	}
	f.audit()
}

// TestDemand: that a request waits for a first worker is told once, and again when the last has gone.
func TestDemand(t *testing.T) {
	f := startFront(t, 2, Options{})
	w := startWorker(t, serveHello)
	for n := range uint64(2) {
		a, b := f.dial().get("/a"), f.dial().get("/b")
		<-f.told.waiting
		f.eventually("both wait", func() bool { return f.Snapshot().Waiting == 2 })
		f.add(n, w, 1)
		a.want("a", 200, "")
		b.want("b", 200, "")
		if len(f.told.waiting) > 0 {
			t.Error("told twice")
		}
		f.RemoveWorker(n)
	}
	f.audit()
}

// TestSlowStart: a fresh worker gets its share, and more only when nobody else has a slot.
func TestSlowStart(t *testing.T) {
	f := startFront(t, 1, Options{})
	w, release := held(t)
	f.add(1, w, 3)
	c := f.dial().get("/")
	f.eventually("the old one has one", func() bool { return f.Snapshot().Workers[0].InFlight == 1 })
	fresh := Endpoint{Network: "unix", Address: w.path, Concurrency: 4, SlowStart: time.Hour}
	if err := f.AddWorker(2, fresh); err != nil {
		t.Fatal(err)
	}
	clients := []*client{c}
	for i, want := range [][2]int{{2, 0}, {2, 1}, {3, 1}, {3, 2}, {3, 3}} {
		clients = append(clients, f.dial().get("/"))
		f.eventually("taken", func() bool {
			s := f.Snapshot().Workers
			return s[0].InFlight+s[1].InFlight == i+2
		})
		s := f.Snapshot().Workers
		if got := [2]int{s[0].InFlight, s[1].InFlight}; got[0]+got[1] != want[0]+want[1] ||
			i >= 2 && got != want || i < 2 && got[1] > 1 {
			t.Errorf("request %d: in flight %v; want %v", i+2, got, want)
		}
	}
	for range clients {
		release <- struct{}{}
	}
	for _, c := range clients {
		c.want("answered", 200, "done")
	}
	f.audit()
}

// TestWorkerErrors: answers of 500 and above and broken exchanges are the worker's errors.
func TestWorkerErrors(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			switch r.URL.Path {
			case "/500":
				c.write("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
			case "/404":
				c.write("HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n")
			case "/nonsense":
				c.write("nonsense\r\n\r\n")
			default:
				return
			}
		}
	}), 4)
	for _, tc := range []struct {
		path   string
		status int
		errors uint64
	}{{"/404", 404, 0}, {"/500", 500, 1}, {"/nonsense", 502, 2}, {"/dies", 502, 5}} {
		f.dial().get(tc.path).want(tc.path, tc.status, "")
		if n := f.Snapshot().Workers[0].Errors; n != tc.errors {
			t.Errorf("after %s: %d errors; want %d", tc.path, n, tc.errors)
		}
	}
	f.audit()
}
