package dispatch

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"weir/pipeline"
)

const (
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
	asks      = "GET /t HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
)

// tunnelTo is a worker whose every request becomes a tunnel to protocol, and is then script's.
func tunnelTo(t *testing.T, protocol string, script func(c *workerConn)) *testWorker {
	return startWorker(t, func(c *workerConn) {
		if c.request() != nil {
			c.write(switching + protocol + "\r\n\r\n")
			script(c)
		}
	})
}

// echoTunnel sends everything back, FIN included.
func echoTunnel(c *workerConn) {
	_, _ = io.Copy(c.Conn, c.r) // what is missing shows in the test
}

// switched opens a tunnel.
func (f *front) switched(protocol, early string) *client {
	f.t.Helper()
	c := f.dial().write(asks + protocol + "\r\n\r\n" + early)
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != protocol ||
		resp.Header.Get("Connection") != "Upgrade" || resp.Header.Get("Content-Length") != "" {
		f.t.Fatalf("switch to %s: %+v, %v", protocol, resp, err)
	}
	return c
}

// reads wants exactly these bytes next.
func (c *client) reads(desc, want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
		c.t.Fatalf("%s: got %.60q, %v; want %.60q", desc, got[:n], err, want)
	}
}

// ends wants FIN, and nothing before it.
func (c *client) ends(desc string) {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Fatalf("%s: got %.60q, %v; want FIN", desc, rest, err)
	}
}

// TestTunnelEcho: bytes go both ways as they are, those sent before the 101 included; FIN is passed on
// and the other direction goes on; then slot and connection are free.
func TestTunnelEcho(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.add(1, tunnelTo(t, "echo/1", echoTunnel), 1)
	c := f.switched("echo/1", "early\r\n\r\n")
	c.reads("what came with the request", "early\r\n\r\n")
	for _, s := range []string{"a", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x00\xff", longText} {
		go c.write(s)
		c.reads("echo", s)
	}
	if n := (*f.workers.Load())[0].inFlight(); n != 1 {
		t.Errorf("%d requests in flight; want the tunnel", n)
	}
	c.write("last").CloseWrite()
	c.reads("behind FIN", "last")
	c.ends("the worker's FIN")
	f.audit()
}

// TestTunnelHalfClosed: each side may end first, and gets the rest of the other.
func TestTunnelHalfClosed(t *testing.T) {
	f, done := startFront(t, 1, Options{}), make(chan struct{})
	f.add(1, tunnelTo(t, "x", func(c *workerConn) {
		defer close(done)
		c.write("mine")
		_ = c.Conn.(*net.UnixConn).CloseWrite()
		rest, err := io.ReadAll(c.r)
		if string(rest) != "yours" || err != nil {
			t.Errorf("the worker got %q, %v; want the client's rest", rest, err)
		}
	}), 1)
	c := f.switched("x", "")
	c.reads("worker's", "mine")
	c.ends("worker's FIN")
	c.write("yours").CloseWrite()
	<-done
	f.audit()
}

// TestTunnelRefused: what a worker must not switch to, and what becomes of bytes that a client sent too
// early.
func TestTunnelRefused(t *testing.T) {
	for _, tc := range []struct {
		desc, request, answer string
		status                int
		closes                bool
	}{
		{"not offered", asks + "websocket\r\n\r\n", switching + "irc\r\n\r\n", 502, true},
		{"nothing offered", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", switching + "websocket\r\n\r\n", 502, false},
		{"h2c", asks + "h2c\r\n\r\n", switching + "h2c\r\n\r\n", 502, false},
		{"two", asks + "a, b\r\n\r\n", switching + "a, b\r\n\r\n", 502, true},
		{"names none", asks + "a\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", 502, true},
		{"answered in 1.0", asks + "a\r\n\r\n", "HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n", 502, true},
		{"without Connection", asks + "a\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n", 502, true},
		{"with a length", asks + "a\r\n\r\n", switching + "a\r\nContent-Length: 5\r\n\r\nhello", 502, true},
		{"after 1.0", "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: a\r\n\r\n", switching + "a\r\n\r\n", 502, true},
		{"request with a body", "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: a\r\n" +
			"Content-Length: 1\r\n\r\nz", switching + "a\r\n\r\n", 502, false},
		{"refused by the worker", asks + "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", ok("no"), 200, true},
		{"ignored by the worker, h2c", asks + "h2c\r\n\r\n", ok("no"), 200, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: -1})
			f.add(1, startWorker(t, func(c *workerConn) {
				for {
					r, _, alive := c.drainRequest()
					if !alive {
						return
					}
					if r.URL.Path == "/smuggled" {
						t.Error("bytes of another protocol were taken for a request")
					}
					c.write(tc.answer)
				}
			}), 2)
			c := f.dial().write(tc.request)
			resp := c.want(tc.desc, tc.status, "")
			if tc.status == 502 && resp.Header.Get("X-Weir-Reason") != pipeline.WorkerProtocol.String() {
				t.Errorf("reason %q", resp.Header.Get("X-Weir-Reason"))
			}
			if resp.Close != tc.closes {
				t.Errorf("Connection: close is %v; want %v", resp.Close, tc.closes)
			}
			if tc.closes {
				c.ends("connection")
			}
			f.audit()
		})
	}
}

// TestTunnelEnds: when one side is gone the other hears of it, and the slot is free.
func TestTunnelEnds(t *testing.T) {
	for _, tc := range []struct {
		desc string
		end  func(f *front, w *testWorker, c *client)
	}{
		{"client resets", func(_ *front, _ *testWorker, c *client) {
			_ = c.SetLinger(0)
			_ = c.Close()
		}},
		{"client closes", func(_ *front, _ *testWorker, c *client) { _ = c.Close() }},
		{"worker dies", func(f *front, w *testWorker, c *client) {
			go w.kill()
			f.RemoveWorker(1)
			c.ends("the dead worker's tunnel")
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{})
			gone := make(chan struct{})
			w := tunnelTo(t, "websocket", func(c *workerConn) {
				c.waitClosed()
				close(gone)
			})
			f.add(1, w, 1)
			tc.end(f, w, f.switched("websocket", ""))
			<-gone
			f.audit()
		})
	}
}

// TestTunnelBackpressure: a side that does not read stops the other, and nothing is lost.
func TestTunnelBackpressure(t *testing.T) {
	const size = 32 << 20 // far above what all buffers on the way take
	gate, got := make(chan struct{}), make(chan int64, 1)
	f := startFront(t, 1, Options{})
	f.add(1, tunnelTo(t, "x", func(c *workerConn) {
		go func() {
			<-gate
			n, _ := io.Copy(io.Discard, c.r)
			got <- n
		}()
		for range size / len(longText) {
			c.write(longText)
		}
		_ = c.Conn.(*net.UnixConn).CloseWrite()
		got <- <-got // until all was read
	}), 1)
	c := f.switched("x", "")
	sent := make(chan struct{})
	go func() {
		for range size / len(longText) {
			c.write(longText)
		}
		_ = c.CloseWrite()
		close(sent)
	}()
	held := func() (n int) {
		done := make(chan struct{})
		f.loops[0].Post(func() { n = f.loops[0].BuffersUsed(); close(done) })
		<-done
		return n
	}
	for still, last := 0, -1; still < 50; still++ {
		if now := held(); now != last {
			still, last = 0, now
		}
		if last > 1<<20 {
			t.Fatalf("the front holds %d bytes for a tunnel", last)
		}
	}
	select {
	case <-sent:
		t.Fatal("everything was sent to a worker that does not read")
	default:
	}
	close(gate)
	if n, err := io.Copy(io.Discard, c.r); n != size || err != nil {
		t.Errorf("the client got %d bytes, %v; want %d", n, err, size)
	}
	<-sent
	if n := <-got; n != size {
		t.Errorf("the worker got %d bytes; want %d", n, size)
	}
	f.audit()
}

// TestTunnelIdle: a tunnel in which nothing moves holds no buffer, and what its request was is known to
// the end.
func TestTunnelIdle(t *testing.T) {
	const n = 16
	paths := make(chan string, n)
	f := startWith(t, 1, Options{}, func(p *Pool) pipeline.Handler {
		h := p.Handler()
		return func(c *pipeline.Context) {
			key := c.Path()
			c.OnCompleted(func(c *pipeline.Context, _ pipeline.Outcome) { paths <- key + c.Header("Upgrade") })
			h(c)
		}
	})
	f.add(1, tunnelTo(t, "x", echoTunnel), n)
	var clients []*client
	for range n {
		c := f.switched("x", "early")
		c.reads("echo", "early")
		c.write("late").reads("echo", "late")
		clients = append(clients, c)
	}
	used := make(chan int, 1)
	f.eventually("no buffer is held", func() bool {
		f.loops[0].Post(func() { used <- f.loops[0].BuffersUsed() })
		return <-used == 0
	})
	for _, c := range clients {
		c.write("last").CloseWrite()
		c.reads("echo", "last")
		c.ends("tunnel")
		if got := <-paths; got != "/tx" {
			t.Errorf("the request was %q", got)
		}
	}
	f.audit()
}

// TestTunnelSocketFIN: the worker of a WebSocket hears of its client's FIN, may say goodbye, and does not
// keep the slot by saying nothing, whatever the idle clock is.
func TestTunnelSocketFIN(t *testing.T) {
	for _, tc := range []struct {
		protocol string
		freed    bool
	}{{"websocket", true}, {"x", false}} {
		t.Run(tc.protocol, func(t *testing.T) {
			t.Parallel()
			f := startFront(t, 1, Options{Timeouts: Timeouts{Idle: Off}})
			cut := make(chan struct{})
			gate := make(chan struct{})
			f.add(1, tunnelTo(t, tc.protocol, func(c *workerConn) {
				_, _ = io.Copy(io.Discard, c.r)
				c.write("goodbye")
				<-gate
				if _, err := c.Write([]byte(".")); (err != nil) != tc.freed {
					t.Errorf("afterwards the worker's write says %v", err)
				}
				close(cut)
			}), 1)
			c := f.switched(tc.protocol, "")
			_ = c.CloseWrite()
			c.reads("the worker's goodbye", "goodbye")
			if tc.freed {
				c.ends("WebSocket")
			} else {
				<-time.After(socketEndWait + 500*time.Millisecond)
			}
			close(gate)
			if !tc.freed {
				c.reads("still open", ".")
				c.ends("other protocol")
			}
			<-cut
			f.audit()
		})
	}
}

// TestTunnelClocks: only timeouts.tunnel runs, between any two bytes; a quiet tunnel is no hung worker.
func TestTunnelClocks(t *testing.T) {
	const ms = time.Millisecond
	f := startFront(t, 1, Options{HangAfter: 20 * ms, Timeouts: Timeouts{
		FirstByte: 20 * ms, Idle: 20 * ms, Total: 20 * ms, Tunnel: 150 * ms}})
	f.add(1, tunnelTo(t, "websocket", echoTunnel), 1)
	c := f.switched("websocket", "")
	for range 5 {
		<-time.After(60 * ms)
		c.write("\x82\x01x").reads("echo of a slow client", "\x82\x01x")
	}
	began := time.Now()
	c.reads("Close frame, 1001", "\x88\x02\x03\xe9")
	c.ends("quiet tunnel")
	if took := time.Since(began); took < 100*ms || took > 5*time.Second {
		t.Errorf("quiet for %v; want 150ms", took)
	}
	f.audit()
}

// TestTunnelWorkerDrains: tunnels of a worker that leaves are told to go, and keep it until they have.
func TestTunnelWorkerDrains(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.add(1, tunnelTo(t, "websocket", echoTunnel), 2)
	c := f.switched("websocket", "")
	c.write("\x82\x05he").reads("part of a frame", "\x82\x05he")
	f.DrainWorker(1)
	f.eventually("the worker is out of rotation", func() bool { return !f.anyReady() })
	c.write("llo\x82\x01x").reads("the rest of the frame, and Close", "llo\x88\x02\x03\xe9")
	if len(f.told.drained) > 0 {
		t.Error("drained, with a tunnel open")
	}
	c.write("\x88\x82....").CloseWrite() // the client's Close; the echo of it is not for it any more
	c.ends("the tunnel")
	<-f.told.drained
}

// TestTunnelOutcome: status, bytes and end of a tunnel as OnCompleted sees them.
func TestTunnelOutcome(t *testing.T) {
	done := make(chan pipeline.Outcome, 1)
	f := startWith(t, 1, Options{}, func(p *Pool) pipeline.Handler {
		h := p.Handler()
		return func(c *pipeline.Context) {
			c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) { done <- o })
			h(c)
		}
	})
	f.add(1, tunnelTo(t, "x", echoTunnel), 1)
	c := f.switched("x", "")
	c.write("12345").reads("echo", "12345")
	if len(done) > 0 {
		t.Error("completed before its end")
	}
	_ = c.CloseWrite()
	c.ends("tunnel")
	if o := <-done; o.Status != 101 || o.BytesIn != 5 || o.BytesOut <= 5 || o.Err != nil ||
		o.Reason != pipeline.ReasonNone {
		t.Errorf("outcome %+v", o)
	}
	f.audit()
}
