package dispatch

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/pipeline"
)

// gate is a worker script that answers each request when it is told to.
type gate struct {
	got     chan *http.Request
	release chan struct{}
}

func newGate() *gate {
	return &gate{got: make(chan *http.Request, 256), release: make(chan struct{}, 256)}
}

func (g *gate) serve(c *workerConn) {
	gone := make(chan struct{})
	defer close(gone)
	for {
		r, _, k := c.drainRequest()
		if !k {
			return
		}
		g.got <- r
		if _, more := <-g.release; !more {
			return
		}
		c.respond(r.URL.Path)
	}
}

func TestDrain(t *testing.T) {
	f := startFront(t, 2, Options{})
	g := newGate()
	f.add(1, startWorker(t, g.serve), 4)
	idle := f.dial().get("/first")
	<-g.got
	g.release <- struct{}{}
	idle.want("first", 200, "/first")
	busy := f.dial().get("/busy")
	<-g.got
	f.DrainWorker(1)
	f.DrainWorker(1)
	f.DrainWorker(99)
	if n := <-f.told.drained; n != 99 {
		t.Errorf("Drained(%d); want 99, which nobody knows", n)
	}
	late := f.dial().get("/late")
	f.eventually("the new one waits", func() bool { return f.Snapshot().Waiting == 1 })
	select {
	case n := <-f.told.drained:
		t.Fatalf("Drained(%d) with a request in flight", n)
	default:
	}
	g.release <- struct{}{}
	busy.want("in flight at the drain", 200, "/busy")
	if n := <-f.told.drained; n != 1 {
		t.Errorf("Drained(%d); want 1", n)
	}
	f.RemoveWorker(1)
	g2 := newGate()
	f.add(2, startWorker(t, g2.serve), 4)
	g2.release <- struct{}{}
	late.want("served by the replacement", 200, "/late")
	f.DrainWorker(2)
	if n := <-f.told.drained; n != 2 {
		t.Errorf("Drained(%d); want 2", n)
	}
	if len(f.told.drained) != 0 {
		t.Error("Drained called twice")
	}
	f.audit()
}

func TestAddErrors(t *testing.T) {
	f := startFront(t, 1, Options{})
	w := startWorker(t, serveHello)
	f.add(1, w, 1)
	for _, tc := range []struct {
		n                uint64
		network, address string
		concurrency      int
	}{{1, "unix", w.path, 1}, {2, "udp", "x", 1}, {2, "tcp", "host:80", 1}, {2, "unix", w.path, 0}} {
		if err := f.AddWorker(tc.n, Endpoint{Network: tc.network, Address: tc.address, Concurrency: tc.concurrency}); err == nil {
			t.Errorf("AddWorker(%v): no error", tc)
		}
	}
}

// TestWorkerDies: its idempotent requests go to another worker, the others get 502, nothing else is
// touched, and waiters are served.
func TestWorkerDies(t *testing.T) {
	f := startFront(t, 2, Options{})
	g := newGate()
	dying := startWorker(t, g.serve)
	f.add(1, dying, 2)
	get := f.dial().get("/get")
	<-g.got
	post := f.dial().write("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
	<-g.got
	waiting := f.dial().write("POST /waiting HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
	f.eventually("one waits", func() bool { return f.Snapshot().Waiting == 1 })
	f.RemoveWorker(1) // first, or the GET could use its replays up on the dying one
	close(g.release)
	dying.kill()
	post.wantReason("POST", 502, pipeline.AbandonedByWorker)
	f.add(2, startWorker(t, serveHello), 2)
	get.want("GET", 200, "GET /get ")
	waiting.want("waiting POST", 200, "POST /waiting a")
	if st := f.Snapshot(); len(st.Workers) != 1 || st.Workers[0].N != 2 {
		t.Errorf("workers %+v", st.Workers)
	}
	f.audit()
}

// TestGoneWithoutEOF: a child of the dead worker holds its connections open.
func TestGoneWithoutEOF(t *testing.T) {
	f := startFront(t, 1, Options{})
	g := newGate()
	f.add(1, startWorker(t, g.serve), 2)
	c := f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
	<-g.got
	f.RemoveWorker(1)
	c.wantReason("after the grace", 502, pipeline.AbandonedByWorker)
	close(g.release)
	f.audit()
}

func TestHang(t *testing.T) {
	f := startFront(t, 1, Options{HangAfter: 300 * time.Millisecond})
	g := newGate()
	f.add(1, startWorker(t, g.serve), 4)
	stuck := f.dial().write("POST /stuck HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
	<-g.got
	replayed := f.dial().get("/replayed")
	<-g.got
	f.add(2, startWorker(t, serveHello), 4)
	stuck.wantReason("held without a byte", 504, pipeline.WorkerHung)
	replayed.want("safe to repeat", 200, "GET /replayed ")
	<-f.told.hung
	for range 5 {
		f.dial().get("/").want("the hung one gets nothing", 200, "GET / ")
	}
	if len(f.told.hung) != 0 {
		t.Error("Hung called twice")
	}
	f.DrainWorker(1)
	if n := <-f.told.drained; n != 1 {
		t.Errorf("Drained(%d); want 1", n)
	}
	close(g.release)
	f.audit()
}

// TestHangOnly: a hung worker is told of and keeps its requests and its place.
func TestHangOnly(t *testing.T) {
	f := startFront(t, 1, Options{HangAfter: 50 * time.Millisecond, HangOnly: true})
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	f.add(1, startWorker(t, func(c *workerConn) {
		for c.request() != nil {
			<-release
			c.respond("late")
		}
	}), 4)
	a, b := f.dial().get("/a"), f.dial().get("/b")
	for range 2 { // it is told again while it lasts
		if got := <-f.told.hung; !strings.HasPrefix(got, "1: GET /") {
			t.Errorf("told %q; want worker and request", got)
		}
	}
	free()
	a.want("a", 200, "late")
	b.want("b", 200, "late")
	f.dial().get("/c").want("still in rotation", 200, "late")
	f.audit()
}

// TestSlowIsNotHung: a worker that holds one request and answers others is not hung.
func TestSlowIsNotHung(t *testing.T) {
	f := startFront(t, 1, Options{HangAfter: 100 * time.Millisecond})
	g := newGate()
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			if r.URL.Path == "/slow" {
				g.got <- r
				<-g.release
			}
			c.respond("x")
		}
	}), 4)
	slow := f.dial().get("/slow")
	<-g.got
	c := f.dial()
	for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); {
		c.get("/quick").want("quick", 200, "x")
	}
	g.release <- struct{}{}
	slow.want("slow", 200, "x")
	if len(f.told.hung) != 0 {
		t.Errorf("Hung(%q)", <-f.told.hung)
	}
	f.audit()
}

// TestHangBehindShortTimeouts: time-outs shorter than HangAfter do not hide a hung worker.
func TestHangBehindShortTimeouts(t *testing.T) {
	f := startFront(t, 1, Options{
		HangAfter: 150 * time.Millisecond, Timeouts: Timeouts{FirstByte: 40 * time.Millisecond},
	})
	f.add(1, startWorker(t, func(c *workerConn) { c.waitClosed() }), 4)
	c := f.dial()
	for range 100 {
		resp := c.write("POST / HTTP/1.1\r\nHost: x\r\n\r\n").want("no answer", 504, "")
		if resp.Header.Get("X-Weir-Reason") == pipeline.WorkerHung.String() {
			<-f.told.hung
			f.audit()
			return
		}
	}
	t.Fatal("never found to hang")
}

func TestRouteTimeouts(t *testing.T) {
	f := startWith(t, 1, Options{}, func(p *Pool) pipeline.Handler {
		return p.Route(RouteOptions{Timeouts: Timeouts{FirstByte: 30 * time.Millisecond}})
	})
	g := newGate()
	f.add(1, startWorker(t, g.serve), 4)
	f.dial().get("/").wantReason("the route's time-out", 504, pipeline.WorkerTimeout)
	f.Update(Options{Timeouts: Timeouts{FirstByte: time.Hour}})
	f.dial().get("/").wantReason("also after Update", 504, pipeline.WorkerTimeout)
	close(g.release)
	f.audit()
}

// TestTotalInQueue: the clock of the whole exchange runs on while a request that its worker refused
// waits for another one.
func TestTotalInQueue(t *testing.T) {
	f := startFront(t, 1, Options{Timeouts: Timeouts{Total: 30 * ms}})
	w := startWorker(t, serveHello)
	w.kill() // its address stays, and refuses
	f.add(1, w, 4)
	f.dial().get("/").wantReason("refused, then queued", 504, pipeline.WorkerTotalTimeout)
	f.audit()
}

// TestCancel: a client that goes away closes the worker's connection and frees the slot.
func TestCancel(t *testing.T) {
	f := startFront(t, 1, Options{})
	ended := make(chan struct{}, 8)
	got := make(chan struct{}, 8)
	f.add(1, startWorker(t, func(c *workerConn) {
		r, _, k := c.drainRequest()
		if !k {
			return
		}
		if r.URL.Path == "/stream" {
			c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
		}
		got <- struct{}{}
		c.waitClosed()
		ended <- struct{}{}
	}), 1)
	for _, path := range []string{"/wait", "/stream"} {
		c := f.dial().get(path)
		<-got
		c.SetLinger(0)
		c.Close()
		<-ended
		f.audit()
		c = f.dial().get(path)
		<-got
		c.CloseWrite() // half-closed, and no bytes flow
		<-ended
		f.audit()
	}
}

// TestSlowPeers: neither a slow client nor a slow worker makes the front hold more than its marks.
func TestSlowPeers(t *testing.T) {
	const size = 64 << 20
	f := startFront(t, 1, Options{})
	piece := strings.Repeat("x", 1<<20)
	f.add(1, startWorker(t, func(c *workerConn) {
		r := c.request()
		if r == nil {
			return
		}
		if r.Method == "GET" {
			c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
			for range size / len(piece) {
				c.write(piece)
			}
			r = c.request()
		}
		if r == nil {
			return
		}
		n, _ := io.CopyBuffer(io.Discard, struct{ io.Reader }{r.Body}, make([]byte, 16<<10))
		c.respond(fmt.Sprint(n))
	}), 4)
	var most atomic.Int64
	watch := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-watch:
				return
			default:
			}
			used := make(chan int, 1)
			f.loops[0].Post(func() { used <- f.loops[0].BuffersUsed() })
			most.Store(max(most.Load(), int64(<-used)))
			runtime.Gosched()
		}
	}()
	c := f.dial().get("/down")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{resp.Body}, make([]byte, 8<<10)); n != size || err != nil {
		t.Fatalf("down: %d bytes, %v", n, err)
	}
	c = f.dial().write(fmt.Sprintf("POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	go func() {
		for range size / len(piece) {
			io.WriteString(c, piece)
		}
	}()
	c.want("up", 200, fmt.Sprint(size))
	close(watch)
	<-watched
	if most.Load() > 1<<20 {
		t.Errorf("%d bytes in buffers; want at most 1 MiB", most.Load())
	}
	t.Logf("at most %d bytes in buffers", most.Load())
	f.audit()
}

// TestSteal: an idle connection of one loop is given up for a waiter of another.
func TestSteal(t *testing.T) {
	f := startFront(t, 4, Options{})
	w := startWorker(t, serveHello)
	f.add(1, w, 1)
	for i := range 40 { // connections spread over the loops, one request at a time
		f.dial().get(fmt.Sprint("/", i)).want("on whatever loop", 200, fmt.Sprintf("GET /%d ", i))
	}
	f.audit()
	if st := f.Snapshot().Workers[0]; st.Connections != 1 || st.Completed != 40 {
		t.Errorf("%+v; want 1 connection, 40 requests", st)
	}
}

func TestLeastInFlight(t *testing.T) {
	f := startFront(t, 2, Options{})
	g := newGate()
	for n := uint64(1); n <= 3; n++ {
		f.add(n, startWorker(t, g.serve), 64)
	}
	var clients []*client
	for i := range 30 {
		clients = append(clients, f.dial().get(fmt.Sprint("/", i)))
		<-g.got
	}
	for _, w := range f.Snapshot().Workers {
		if w.InFlight != 10 {
			t.Errorf("worker %d has %d in flight; want 10", w.N, w.InFlight)
		}
	}
	for range clients {
		g.release <- struct{}{}
	}
	for i, c := range clients {
		c.want("answer", 200, fmt.Sprint("/", i))
	}
	f.audit()
}

// TestPanicInCallback: user code that runs because a worker answered is under a recover, too.
func TestPanicInCallback(t *testing.T) {
	f := startWith(t, 1, Options{}, func(p *Pool) pipeline.Handler {
		next := p.Handler()
		return func(c *pipeline.Context) {
			if strings.HasPrefix(c.Path(), "/panic") {
				c.OnStarting(func(*pipeline.Context) { panic("boom") })
			}
			next(c)
		}
	})
	f.add(1, startWorker(t, serveHello), 1)
	c := f.dial()
	c.get("/panic").wantReason("OnStarting", 500, pipeline.HandlerPanic)
	c.get("/fine").want("next", 200, "GET /fine ")
	f.audit()
}
