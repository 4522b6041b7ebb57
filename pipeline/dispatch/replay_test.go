package dispatch

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/pipeline"
)

// TestReplay: which requests are sent again after a worker took them and died without an answer.
func TestReplay(t *testing.T) {
	for _, tc := range []struct {
		desc, request string
		dies          int32 // so many connections end after the request was read
		answer        string
		status        int
		attempts      int32
	}{
		{"GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1, "", 200, 2},
		{"GET twice", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2, "", 200, 3},
		{"GET three times", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 3, "", 502, 3},
		{"part of a small response", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1,
			"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 200, 2},
		{"after 103", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1, "HTTP/1.1 103 Early Hints\r\n\r\n", 502, 1},
		{"POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", 1, "", 502, 1},
		{"PUT with a small body", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", 1, "", 200, 2},
		{"PUT in chunks", "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
			1, "", 200, 2},
		{"PUT with a large body", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" +
			strings.Repeat("x", 100000), 1, "", 502, 1},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{})
			var attempts atomic.Int32
			var bodies atomic.Value
			f.add(1, startWorker(t, func(c *workerConn) {
				for {
					_, body, ok := c.drainRequest()
					if !ok {
						return
					}
					bodies.Store(body)
					if attempts.Add(1) <= tc.dies {
						c.write(tc.answer)
						return
					}
					c.respond("fine")
				}
			}), 4)
			c := f.dial().write(tc.request)
			resp, _ := c.response("GET")
			if resp.StatusCode == 103 {
				resp, _ = c.response("GET")
			}
			if resp.StatusCode != tc.status || attempts.Load() != tc.attempts {
				t.Errorf("status %d after %d attempts; want %d after %d", resp.StatusCode,
					attempts.Load(), tc.status, tc.attempts)
			}
			if _, want, _ := strings.Cut(tc.request, "Content-Length: 4\r\n\r\n"); want != "" && bodies.Load() != want {
				t.Errorf("body %q; want %q", bodies.Load(), want)
			}
			f.audit()
		})
	}
}

// TestReplayElsewhere: a request goes to another worker than the one that lost it, though that one
// holds the fewest and takes connections.
func TestReplayElsewhere(t *testing.T) {
	f := startFront(t, 1, Options{ReplayRate: 1000, Circuit: Circuit{Failures: -1}})
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			if r.URL.Path == "/hold" {
				<-release
			}
			c.respond("good")
		}
	}), 8)
	held := f.dial().get("/hold")
	f.eventually("one held", func() bool { return f.Snapshot().Workers[0].InFlight == 1 })
	f.add(2, startWorker(t, func(c *workerConn) { c.request() }), 8) // dies at each request
	c := f.dial()
	for range 20 {
		c.get("/").want("not lost", 200, "good")
	}
	free()
	held.want("held", 200, "good")
	if n := f.Snapshot().Replays; n != 20 {
		t.Errorf("%d replays; want 20: the dying worker holds the fewest", n)
	}
	f.audit()
}

// TestQueuedAfterDeath: a request whose only worker died waits in the queue as any other does, longer
// than a dead worker's connections are given.
func TestQueuedAfterDeath(t *testing.T) {
	f := startFront(t, 1, Options{QueueTimeout: goneGrace + 200*time.Millisecond, ReadyTimeout: Off})
	dead := make(chan struct{})
	w := startWorker(t, func(c *workerConn) {
		c.request()
		<-dead
	})
	f.add(1, w, 4)
	c := f.dial().get("/")
	f.eventually("taken", func() bool { return f.Snapshot().Workers[0].InFlight == 1 && w.open.Load() == 1 })
	f.RemoveWorker(1)
	f.eventually("gone", func() bool { return len(f.Snapshot().Workers) == 0 })
	close(dead)
	f.eventually("queued", func() bool { return f.Snapshot().Waiting == 1 })
	c.wantReason("no worker came", 503, pipeline.QueueTimeout)
	f.audit()
}

// TestReplayUnavailable: what loses its worker while the pool is taken offline is not left waiting.
func TestReplayUnavailable(t *testing.T) {
	f := startFront(t, 1, Options{})
	dead := make(chan struct{})
	w := startWorker(t, func(c *workerConn) {
		c.request()
		<-dead
	})
	f.add(1, w, 4)
	c := f.dial().get("/")
	f.eventually("taken", func() bool { return f.Snapshot().Workers[0].InFlight == 1 && w.open.Load() == 1 })
	f.DrainWorker(1)
	f.SetAvailable(Stopped)
	close(dead)
	c.wantReason("stopped meanwhile", 503, pipeline.AppShutdown)
	f.audit()
}

func TestReplayBudget(t *testing.T) {
	f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: 0.5})
	var attempts atomic.Int32
	f.add(1, startWorker(t, func(c *workerConn) {
		if _, _, ok := c.drainRequest(); ok {
			attempts.Add(1)
		}
	}), 4)
	c := f.dial()
	for range 10 { // each is worth half a replay, and uses what there is
		c.get("/").wantReason("dies always", 502, pipeline.AbandonedByWorker)
	}
	if n := f.Snapshot().Replays; n != 5 || attempts.Load() != 15 {
		t.Errorf("%d replays, %d attempts; want 5 and 15", n, attempts.Load())
	}
	f.audit()
}

// TestClosedWhileIdle: the worker closes a connection that we may be about to use. A request of
// which it took nothing is never lost, whatever its method.
func TestClosedWhileIdle(t *testing.T) {
	f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: -1})
	w := startWorker(t, func(c *workerConn) {
		if _, body, ok := c.drainRequest(); ok {
			c.respond("got " + body)
		}
	})
	f.add(1, w, 4)
	c := f.dial()
	for i := range 300 {
		body := fmt.Sprint(i)
		c.write(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		resp, got := c.response("POST")
		if resp.StatusCode == 502 { // taken by the socket before the worker closed it
			continue
		}
		if got != "got "+body {
			t.Fatalf("request %d: %d %q", i, resp.StatusCode, got)
		}
	}
	f.audit()
}

// TestStrayBytes: what comes when nobody asked is not taken for the next response.
func TestStrayBytes(t *testing.T) {
	f := startFront(t, 1, Options{})
	w := startWorker(t, func(c *workerConn) {
		for {
			r, _, k := c.drainRequest()
			if !k {
				return
			}
			if r.URL.Path == "/behind" {
				c.write(ok("right") + ok("smuggled"))
				continue
			}
			c.respond("right")
		}
	})
	f.add(1, w, 4)
	c := f.dial()
	for range 5 {
		c.get("/behind").want("with bytes behind", 200, "right")
		c.get("/").want("next", 200, "right")
	}
	if n := w.total.Load(); n < 5 {
		t.Errorf("%d connections: one with stray bytes was used again", n)
	}
	f.audit()
}

func TestEarlyResponse(t *testing.T) {
	f := startFront(t, 1, Options{})
	w := startWorker(t, func(c *workerConn) {
		r := c.request()
		if r == nil {
			return
		}
		if r.URL.Path == "/refused" {
			c.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
			c.waitClosed()
			return
		}
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				c.write(fmt.Sprintf("%x\r\n%s\r\n", n, buf[:n]))
			}
			if err != nil {
				break
			}
		}
		c.write("0\r\n\r\n")
	})
	f.add(1, w, 4)
	c := f.dial()
	c.write("POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc").want("413 before the body", 413, "big")
	f.eventually("upstream closed", func() bool { return f.Snapshot().Workers[0].Connections == 0 })
	c.Close()
	c = f.dial()
	go io.WriteString(c, fmt.Sprintf("POST /duplex HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(longText), longText))
	c.want("answers while it takes the body", 200, longText)
	f.audit()
}

func TestContinue(t *testing.T) {
	const head = "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
	f := startFront(t, 1, Options{})
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			if r.Header.Get("Expect") != "100-continue" {
				c.respond("no Expect")
				continue
			}
			switch r.URL.Path {
			case "/yes":
				c.write("HTTP/1.1 100 Continue\r\n\r\n")
			case "/no":
				c.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
				c.waitClosed()
				return
			}
			body, _ := io.ReadAll(r.Body)
			c.respond(string(body))
		}
	}), 4)
	for _, path := range []string{"yes", "silent"} {
		c := f.dial().write(fmt.Sprintf(head, path))
		if line, err := c.r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%s: got %q, %v; want 100", path, line, err)
		}
		c.r.ReadString('\n')
		c.write("body").want(path, 200, "body")
		c.get("/").want("next", 200, "no Expect")
	}
	c := f.dial().write(fmt.Sprintf(head, "no"))
	c.want("refused before the body", 401, "no")
	f.audit()
}

func TestRequestTrailers(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.add(1, startWorker(t, func(c *workerConn) {
		r, body, k := c.drainRequest()
		if k {
			c.respond(fmt.Sprint(body, r.Trailer, r.Header["Te"], r.Header["Connection"]))
		}
		c.waitClosed()
	}), 4)
	f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"+
		"TE: gzip, trailers\r\nConnection: TE\r\n\r\n"+
		"3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Forwarded-For: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\n"+
		"X-Forwarded-Port: 1\r\nX_Real_IP: 1.2.3.4\r\n\r\n").want("trailers", 200, "abcmap[X-Sum:[7]] [trailers] [TE]")
	f.audit()
}

// TestRefusalBehindBrokenSend: a worker answers 413 and closes while the body is still being sent.
// The send fails, and the answer must not go with it.
func TestRefusalBehindBrokenSend(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.add(1, startWorker(t, func(c *workerConn) {
		if c.request() != nil {
			c.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
		}
	}), 4)
	for range 50 {
		c := f.dial()
		go io.WriteString(c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(longText), longText))
		c.want("the worker's answer", 413, "big")
		c.Close()
	}
	f.audit()
}

// TestSmallResponseInPieces: what is there of a small response is forwarded after a moment, also when
// the client still waits for 100.
func TestSmallResponseInPieces(t *testing.T) {
	f := startFront(t, 1, Options{})
	rest := make(chan struct{})
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			c.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
			<-rest
			c.write("def")
		}
	}), 4)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
	} {
		c := f.dial().write(request)
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 3)
		if _, err := io.ReadFull(resp.Body, part); err != nil || string(part) != "abc" {
			t.Fatalf("got %q, %v; want abc while the worker holds the rest", part, err)
		}
		rest <- struct{}{}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "def" {
			t.Errorf("got %q, %v; want def", b, err)
		}
	}
	f.audit()
}

// TestInterimIsNoAnswer: after an informational response the worker has the time for a first byte,
// not the time between two.
func TestInterimIsNoAnswer(t *testing.T) {
	f := startFront(t, 1, Options{Timeouts: Timeouts{FirstByte: 10 * time.Second, Idle: 30 * ms}})
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			interim := "HTTP/1.1 103 Early Hints\r\n\r\n"
			if r.Header.Get("Expect") != "" {
				interim = "HTTP/1.1 100 Continue\r\n\r\n"
			}
			c.write(interim)
			_, _ = io.Copy(io.Discard, r.Body) // a cut one shows in the test
			<-time.After(150 * ms)
			c.respond("late")
		}
	}), 4)
	c := f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	c.want("100 comes", 100, "")
	c.write("body").want("long after 100", 200, "late")
	c.get("/").want("103 comes", 103, "")
	c.want("long after 103", 200, "late")
	f.audit()
}
