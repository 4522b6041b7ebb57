package dispatch

import (
	"fmt"
	"testing"
	"time"

	"weir/pipeline"
)

// TestOrder: waiters are served in the order of their coming, whatever loop they are on.
func TestOrder(t *testing.T) {
	f := startFront(t, 3, Options{})
	var clients []*client
	for i := range 24 {
		clients = append(clients, f.dial().get(fmt.Sprint("/", i)))
		f.eventually("it waits", func() bool { return f.Snapshot().Waiting == i+1 })
	}
	loops := 0
	for _, s := range f.shards {
		if s.ends[Normal].oldest.Load() != noTicket {
			loops++
		}
	}
	t.Logf("waiters on %d loops", loops)
	g := newGate()
	f.add(1, startWorker(t, g.serve), 1)
	for i, c := range clients {
		r := <-g.got
		if want := fmt.Sprint("/", i); r.URL.Path != want {
			t.Errorf("request %d is %s; want %s", i, r.URL.Path, want)
		}
		g.release <- struct{}{}
		c.want("answer", 200, fmt.Sprint("/", i))
	}
	f.audit()
}

// TestReadyTimeout: while no worker is ready, a request waits for longer than QueueTimeout.
func TestReadyTimeout(t *testing.T) {
	const readyTimeout = 1500 * ms // and so long a busy machine may take for the second answer
	f := startFront(t, 1, Options{QueueTimeout: 10 * ms, ReadyTimeout: readyTimeout})
	began := time.Now()
	f.dial().get("/").wantReason("no worker", 503, pipeline.QueueTimeout)
	if d := time.Since(began); d < readyTimeout {
		t.Errorf("gave up after %v; want ReadyTimeout", d)
	}
	g := newGate()
	f.add(1, startWorker(t, g.serve), 1)
	busy := f.dial().get("/busy")
	<-g.got
	began = time.Now()
	f.dial().get("/").wantReason("a worker, but busy", 503, pipeline.QueueTimeout)
	if d := time.Since(began); d >= readyTimeout {
		t.Errorf("gave up after %v; want QueueTimeout", d)
	}
	g.release <- struct{}{}
	busy.want("busy", 200, "/busy")
	f.audit()
}

// TestIdleConnections: one that the worker closes, or that has been idle for long, gives its slot up.
func TestIdleConnections(t *testing.T) {
	f := startFront(t, 1, Options{})
	closeNow := make(chan struct{})
	f.add(1, startWorker(t, func(c *workerConn) {
		for range 2 {
			if _, _, k := c.drainRequest(); !k {
				return
			}
			c.respond("x")
		}
		<-closeNow
	}), 4)
	c := f.dial()
	c.get("/").want("first", 200, "x")
	c.get("/").want("second", 200, "x")
	if n := f.Snapshot().Workers[0].Connections; n != 1 {
		t.Fatalf("%d connections; want 1", n)
	}
	close(closeNow)
	none := func() bool { return f.Snapshot().Workers[0].Connections == 0 }
	f.eventually("closed by the worker", none)
	c.get("/").want("third", 200, "x")
	f.loops[0].Post(func() {
		u := (*f.workers.Load())[0].lanes[0].idle
		if !u.conn.Connected() {
			t.Error("idle connection does not stand")
		}
		u.OnTimer(u.conn, f.loops[0].Now())
	})
	f.eventually("idle for too long", none)
	f.audit()
}

func TestPrefix(t *testing.T) {
	f := startWith(t, 1, Options{}, func(p *Pool) pipeline.Handler {
		b := pipeline.New()
		b.Map("/shop", func(b *pipeline.Builder) { b.Run(p.Handler()) })
		b.Run(pipeline.NotFoundHandler)
		h, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		return h
	})
	f.add(1, startWorker(t, func(c *workerConn) {
		for r := c.request(); r != nil; r = c.request() {
			c.respond(r.URL.Path + " " + fmt.Sprint(r.Header["X-Forwarded-Prefix"]))
		}
	}), 1)
	c := f.dial()
	c.write("GET /shop/a HTTP/1.1\r\nHost: x\r\nX-Forwarded-Prefix: /mine\r\n\r\n").
		want("prefix", 200, "/shop/a [/shop]")
	c.get("/%73hop/b").want("encoded prefix", 200, "/shop/b [/shop]")
	c.get("/x/../shop/c").want("prefix behind dots", 200, "/shop/c [/shop]")
	c.get("/shop/%2E%2e/shop/./d%2F").want("encoded dots", 200, "/shop/d/ [/shop]")
	c.get("/other").want("outside", 404, "")
	f.audit()
}
