package worker

import (
	"net"
	"net/http"
	"sync"

	"weir/pipeline"
	"weir/protocol/http1"
)

// hostTunnel is an exchange behind fasthttp whose response begins a tunnel. The connection is taken from
// fasthttp; the goroutine that it is given to is the exchange's loop, another one sends, and a third
// reads, so that neither direction waits for the other.
type hostTunnel struct {
	x      *exchange
	conn   net.Conn // nil until it was taken
	sink   pipeline.BodySink
	paused bool

	mu      sync.Mutex
	wake    sync.Cond // for the sender
	out     []byte    // guarded by mu: to be sent
	stalled bool      // guarded by mu: the handler was told that there is no room
	closing bool      // guarded by mu: FIN follows
	sent    chan struct{}
}

// startTunnel notes the head; the connection is still fasthttp's.
func (x *exchange) startTunnel(status int, fields *pipeline.Fields) {
	t := &hostTunnel{x: x, sent: make(chan struct{})}
	t.wake.L = &t.mu
	t.out = fields.AppendTo(http1.AppendStatusLine(t.out, status))
	if status == http.StatusSwitchingProtocols {
		t.out = append(t.out, "Connection: Upgrade\r\n"...)
	}
	t.out = append(t.out, "\r\n"...)
	x.tunnel = t
}

// hijack takes the connection from fasthttp, which has sent nothing on it.
func (x *exchange) hijack() {
	x.home.tunnels.Add(1)
	inFlight.Add(1)
	x.ctx.HijackSetNoResponse(true)
	x.ctx.Hijack(func(c net.Conn) {
		defer x.home.tunnels.Done()
		defer inFlight.Add(-1)
		x.tunnel.run(c)
	})
}

// run is the exchange's loop until the tunnel ends; then the connection is closed.
func (t *hostTunnel) run(c net.Conn) {
	x := t.x
	t.conn = c
	go t.sending()
	if t.sink != nil {
		t.read()
	}
	for !x.ended {
		x.turn()
	}
	t.close()
	if x.cut != nil {
		_ = c.Close() // wakes the sender; nobody is there
	}
	<-t.sent
	x.finish()
}

// send queues bytes.
func (t *hostTunnel) send(b []byte) (room bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return true
	}
	t.x.bytesOut += int64(len(b))
	t.out = append(t.out, b...)
	t.stalled = len(t.out) >= outHigh
	t.wake.Signal()
	return !t.stalled
}

// close sends FIN behind what is queued.
func (t *hostTunnel) close() {
	t.mu.Lock()
	t.closing = true
	t.wake.Signal()
	t.mu.Unlock()
}

// CloseWrite implements pipeline.Exchange.
func (x *exchange) CloseWrite() {
	if x.tunnel != nil {
		x.tunnel.close()
	}
}

// sending is the goroutine that sends.
func (t *hostTunnel) sending() {
	defer close(t.sent)
	var spare []byte
	for {
		b, ok := t.next(spare)
		if !ok {
			break
		}
		if _, err := t.conn.Write(b); err != nil {
			t.x.Post(t.x.t.Generation(), func(*pipeline.Context) { t.x.cancel(errHangup) })
			return
		}
		spare = b[:0]
	}
	if u, ok := underlying(t.conn).(interface{ CloseWrite() error }); ok {
		_ = u.CloseWrite() // a connection that has ended has ended
	}
}

// next is what is to be sent; false: FIN. spare is what the next one is collected in.
func (t *hostTunnel) next(spare []byte) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.out) == 0 && !t.closing {
		t.wake.Wait()
	}
	b := t.out
	t.out = spare
	if t.stalled {
		t.stalled = false
		t.x.Post(t.x.t.Generation(), func(*pipeline.Context) { t.x.t.Writable() })
	}
	return b, len(b) > 0
}

// receive delivers what the client sends from here on.
func (t *hostTunnel) receive(sink pipeline.BodySink) {
	t.sink = sink
	if t.conn != nil {
		t.read()
	}
}

// read reads on a goroutine of its own, as a request's body is read.
func (t *hostTunnel) read() {
	x := t.x
	x.body = &bodyReader{x: x, src: t.conn, sink: t.sink, quit: make(chan struct{}), paused: t.paused,
		done: make(chan struct{}), taken: make(chan struct{}), deadline: t.conn.SetReadDeadline}
	x.body.gate.L = &x.body.mu
	go x.body.run(x.t.Generation())
}

// underlying is the connection that fasthttp has wrapped.
func underlying(c net.Conn) net.Conn {
	if w, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
		return w.UnsafeConn()
	}
	return c
}
