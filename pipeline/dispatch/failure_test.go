package dispatch

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"weir/pipeline"
)

const ms = time.Millisecond

// TestAnswers: what the client gets for each way in which a worker can fail a request that may not
// be repeated.
func TestAnswers(t *testing.T) {
	raw := func(answer string) func(*workerConn) {
		return func(c *workerConn) {
			if _, _, ok := c.drainRequest(); ok {
				c.write(answer)
			}
		}
	}
	stay := func(answer string) func(*workerConn) {
		return func(c *workerConn) { raw(answer)(c); c.waitClosed() }
	}
	for _, tc := range []struct {
		desc   string
		script func(*workerConn)
		o      Options
		status int
		reason pipeline.Reason
	}{
		{"closes without a word", raw(""), Options{}, 502, pipeline.AbandonedByWorker},
		{"closes within the head", raw("HTTP/1.1 200 OK\r\nConte"), Options{}, 502, pipeline.AbandonedByWorker},
		{"closes within a small body", raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), Options{},
			502, pipeline.AbandonedByWorker},
		{"speaks no HTTP", stay("hello world"), Options{}, 502, pipeline.WorkerProtocol},
		{"two lengths", stay("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Options{},
			502, pipeline.WorkerProtocol},
		{"bare LF", stay("HTTP/1.1 200 OK\nContent-Length: 1\n\na"), Options{}, 502, pipeline.WorkerProtocol},
		{"switches protocols", stay("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
			Options{}, 502, pipeline.WorkerProtocol},
		{"head without end", stay("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 20000)), Options{},
			502, pipeline.WorkerProtocol},
		{"says nothing", stay(""), Options{Timeouts: Timeouts{FirstByte: 20 * ms}}, 504, pipeline.WorkerTimeout},
		{"stops within the head", stay("HTTP/1.1 200 OK\r\nA"), Options{Timeouts: Timeouts{Idle: 20 * ms}},
			504, pipeline.WorkerIdleTimeout},
		{"takes too long in all", stay(""), Options{Timeouts: Timeouts{Total: 20 * ms}},
			504, pipeline.WorkerTotalTimeout},
		{"hangs", stay(""), Options{HangAfter: 20 * ms}, 504, pipeline.WorkerHung},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, tc.o)
			f.add(1, startWorker(t, tc.script), 4)
			c := f.dial()
			c.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na").wantReason(tc.desc, tc.status, tc.reason)
			f.audit()
			f.SetAvailable(Disabled)
			c.get("/").wantReason("the connection goes on", 503, pipeline.Disabled)
			if tc.reason == pipeline.WorkerHung {
				if got := <-f.told.hung; !strings.HasPrefix(got, "1: POST /: no byte for ") {
					t.Errorf("Hung(%q)", got)
				}
				if st := f.Snapshot().Workers[0].State; st != "hung" {
					t.Errorf("state %q; want hung", st)
				}
			}
		})
	}
}

// TestCutResponses: once the head is out, a broken response resets the client's connection.
func TestCutResponses(t *testing.T) {
	for _, tc := range []struct {
		desc, answer string
		o            Options
		stay         bool
	}{
		{desc: "short body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc"},
		{desc: "no last chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
		{desc: "bad chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX", stay: true},
		{desc: "idle", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", stay: true,
			o: Options{Timeouts: Timeouts{Idle: 20 * ms}}},
		{desc: "small body that stays away", answer: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", stay: true,
			o: Options{Timeouts: Timeouts{Idle: 30 * ms}}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, tc.o)
			f.add(1, startWorker(t, func(c *workerConn) {
				if _, _, ok := c.drainRequest(); ok {
					c.write(tc.answer)
				}
				if tc.stay {
					c.waitClosed()
				}
			}), 4)
			rest, err := io.ReadAll(f.dial().get("/").r)
			if err == nil {
				t.Errorf("got %q and a clean end; want a reset", rest)
			}
			f.audit()
		})
	}
}

func TestUntilClose(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.add(1, startWorker(t, func(c *workerConn) {
		if _, _, ok := c.drainRequest(); ok {
			c.write("HTTP/1.0 200 OK\r\n\r\n" + longText)
		}
	}), 1)
	c := f.dial()
	c.get("/").want("until close", 200, longText)
	c.get("/").want("on another connection", 200, longText)
	f.audit()
}

func TestUnavailable(t *testing.T) {
	f := startFront(t, 1, Options{})
	for a, want := range map[Availability]pipeline.Reason{
		Failed: pipeline.AppOffline, Stopped: pipeline.AppShutdown, Disabled: pipeline.Disabled,
	} {
		f.SetAvailable(Available)
		waiting := f.dial().get("/")
		f.eventually("one waits", func() bool { return f.Snapshot().Waiting == 1 })
		f.SetAvailable(a)
		for _, c := range []*client{waiting, f.dial().get("/")} {
			if got := c.wantReason(want.String(), 503, want).Header.Get("Retry-After"); got != retryAfterOffline {
				t.Errorf("Retry-After %q", got)
			}
		}
	}
	f.audit()
}

func TestQueue(t *testing.T) {
	f := startFront(t, 2, Options{QueueLength: 2, QueueTimeout: 50 * ms, ReadyTimeout: 60 * time.Second})
	a, b := f.dial().get("/a"), f.dial().get("/b")
	f.eventually("two wait", func() bool { return f.Snapshot().Waiting == 2 })
	resp := f.dial().get("/c").wantReason("the third", 503, pipeline.QueueFull)
	if got := resp.Header.Get("Retry-After"); got != retryAfterBusy {
		t.Errorf("Retry-After %q", got)
	}
	a.SetLinger(0)
	a.Close() // one of them gives up
	f.eventually("one waits", func() bool { return f.Snapshot().Waiting == 1 })
	release := make(chan struct{})
	f.add(1, startWorker(t, func(c *workerConn) {
		for {
			r, _, ok := c.drainRequest()
			if !ok {
				return
			}
			<-release
			c.respond(r.URL.Path)
		}
	}), 1)
	f.eventually("b is on the worker", func() bool { return f.Snapshot().Waiting == 0 })
	f.dial().get("/d").wantReason("waits in vain", 503, pipeline.QueueTimeout)
	close(release)
	b.want("b", 200, "/b")
	if st := f.Snapshot(); st.QueueFull != 1 || st.QueueTimeout != 1 || st.OldestAge != 0 {
		t.Errorf("status %+v", st)
	}
	f.audit()
}

func TestOverloadReset(t *testing.T) {
	f := startFront(t, 1, Options{QueueLength: -1, Overload: Reset})
	if b, err := io.ReadAll(f.dial().get("/").r); err == nil || len(b) > 0 {
		t.Errorf("got %q, %v; want a reset", b, err)
	}
	f.audit()
}

func TestOfflineReset(t *testing.T) {
	f := startFront(t, 1, Options{Offline: Reset})
	waiting := f.dial().get("/")
	f.eventually("one waits", func() bool { return f.Snapshot().Waiting == 1 })
	f.SetAvailable(Failed)
	for _, c := range []*client{waiting, f.dial().get("/")} {
		if b, err := io.ReadAll(c.r); err == nil || len(b) > 0 {
			t.Errorf("got %q, %v; want a reset", b, err)
		}
	}
	f.SetAvailable(Stopped)
	f.dial().get("/").wantReason("stopped on purpose", 503, pipeline.AppShutdown)
	f.audit()
}

func TestRefusedThenAnother(t *testing.T) {
	f := startFront(t, 1, Options{})
	if err := f.AddWorker(1, Endpoint{Network: "unix", Address: socketPath(t), Concurrency: 4}); err != nil {
		t.Fatal(err)
	}
	c := f.dial().get("/late")
	if got := <-f.told.refused; !strings.Contains(got, "no such file") {
		t.Errorf("Refused(%q)", got)
	}
	f.eventually("it waits", func() bool { return f.Snapshot().Waiting == 1 })
	f.add(2, startWorker(t, serveHello), 4)
	c.want("served by the other", 200, "GET /late ")
	f.audit()
}

func TestRefusedUntilQueueTimeout(t *testing.T) {
	f := startFront(t, 1, Options{QueueTimeout: 80 * ms})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	if err := f.AddWorker(1, Endpoint{Network: "tcp", Address: addr, Concurrency: 4}); err != nil {
		t.Fatal(err)
	}
	f.dial().get("/").wantReason("refused all the time", 503, pipeline.QueueTimeout)
	if n := f.Snapshot().Refused; n < 2 {
		t.Errorf("%d attempts; want several", n)
	}
	f.audit()
}
