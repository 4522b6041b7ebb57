package pipeline

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"weir/protocol/http1"
)

// hijacked is the net.Conn that a net/http handler gets for the connection of its client: the tunnel of
// a Blocking handler. What is written first must be the head of a response, as if the connection were
// bare: a 101, or a 2xx to CONNECT, starts the tunnel, any other head a response like any other. The
// handler's run keeps the Context until the connection is closed, also when ServeHTTP has returned.
//
// Its methods may be called from any goroutine.
type hijacked struct {
	r           *run
	local, peer net.Addr

	writing sync.Mutex     // around Write and Close: who holds it, and has found the run alive, may use r.c
	head    []byte         // guarded by writing: of the response, until it is whole
	resp    http1.Response // guarded by writing
	kind    http1.Body     // guarded by writing: BodyTunnel, or that of a response like any other
	chunk   http1.ChunkDecoder
	begun   bool // guarded by writing: the head was whole
	parted  bool // guarded by writing: the run is over

	// guarded by r.mu
	closed bool // Close was called
	over   bool // and has returned
	half   bool // CloseWrite was called
	reads  hijackDeadline
	writes hijackDeadline
}

// hijackDeadline is guarded by run.mu.
type hijackDeadline struct {
	timer *time.Timer
	late  bool
}

// Hijack implements http.Hijacker for requests that offer protocols to switch to, as WebSocket
// libraries need it, and for CONNECT: others cannot be taken from the exchange (http.ErrNotSupported).
// Nor can any within Inline: a loop never waits for a client.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c := w.c
	switch {
	case c == nil:
		return nil, nil, errHandlerDone
	case c.run == nil || !c.mayTunnel():
		return nil, nil, http.ErrNotSupported
	case c.Started() || len(c.out) > 0 || w.wrote && w.switching == 0:
		return nil, nil, ErrStarted
	}
	h := newHijacked(c)
	if w.switching != 0 {
		if err := h.begin(c, w.switching, w.header.Get("Upgrade")); err != nil {
			return nil, nil, err
		}
	}
	w.c = nil
	c.run.setHijacked(h)
	return h, bufio.NewReadWriter(bufio.NewReader(h), bufio.NewWriter(h)), nil
}

func newHijacked(c *Context) *hijacked {
	h := &hijacked{r: c.run}
	h.local, h.peer = c.addrs()
	return h
}

func (r *run) setHijacked(h *hijacked) {
	r.mu.Lock()
	r.hijacked = h
	r.request() // a head that is there goes out
	r.mu.Unlock()
}

// await waits until the connection is closed, or its client gone.
func (h *hijacked) await() {
	r := h.r
	r.mu.Lock()
	for !h.over && r.err == nil {
		r.wake.Wait()
	}
	r.mu.Unlock()
}

// part says that the run ends: who writes still has written, and nobody touches the Context any more.
func (h *hijacked) part() {
	r := h.r
	r.mu.Lock()
	h.closed = true
	r.wake.Broadcast()
	r.mu.Unlock()
	h.writing.Lock()
	h.parted = true
	h.writing.Unlock()
}

// begin starts the tunnel, or the response, whose fields are set. writing is held, or h new.
func (h *hijacked) begin(c *Context, status int, protocol string) error {
	h.begun = true
	if c.asTunnel(status) {
		h.kind = http1.BodyTunnel
		if status != 101 {
			c.status, protocol = status, ""
		}
		return c.startTunnel(protocol)
	}
	kind, length := h.resp.BodyKind(c.IsHead(), false)
	h.kind = kind
	if kind != http1.BodyLength && (kind != http1.BodyNone || h.resp.ContentLength != 0) {
		length = LengthUnknown
	}
	if err := c.SetStatus(status); err != nil {
		return err
	}
	return c.StartResponse(length)
}

// takeHead looks for a whole head in what was written.
func (h *hijacked) takeHead(b []byte) error {
	c := h.r.c
	h.head = append(h.head, b...)
	n, err := h.resp.Parse(h.head, 0, nil)
	if err != nil || n == 0 {
		return err
	}
	for i := range h.resp.NumFields() {
		if !h.resp.HopByHop(i) && h.resp.KnownOf(i) != http1.ContentLength {
			if err := c.fields.AddBytes(h.resp.FieldName(i), h.resp.FieldValue(i)); err != nil {
				return err
			}
		}
	}
	if err := h.begin(c, h.resp.Status, string(h.resp.Protocol())); err != nil {
		return err
	}
	rest := h.head[n:]
	h.head = nil
	if h.kind == http1.BodyTunnel {
		_, err = h.send(rest)
		return err
	}
	return h.body(rest)
}

// Write implements net.Conn.
func (h *hijacked) Write(b []byte) (int, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := h.usable(); err != nil {
		return 0, err
	}
	var err error
	switch {
	case !h.begun:
		err = h.takeHead(b)
	case h.kind == http1.BodyTunnel:
		return h.send(b)
	default:
		err = h.body(b)
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// usable says why nothing can be written.
func (h *hijacked) usable() error {
	r := h.r
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case h.closed || h.parted:
		return net.ErrClosed
	case h.half:
		return io.ErrClosedPipe
	case h.writes.late:
		return os.ErrDeadlineExceeded
	}
	return r.err
}

// body takes bytes of a response that is no tunnel.
func (h *hijacked) body(b []byte) error {
	c := h.r.c
	for len(b) > 0 && h.kind != http1.BodyNone {
		data := b
		used := len(b)
		if h.kind == http1.BodyChunked {
			var err error
			if data, used, err = h.chunk.Next(b); err != nil || used == 0 {
				return err
			}
		}
		b = b[used:]
		c.SendBody(data) // a client that is gone shows in usable
	}
	return h.r.flush()
}

// send queues bytes of the tunnel; it waits while the queue is full.
func (h *hijacked) send(b []byte) (n int, err error) {
	r := h.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(b) > 0 {
		for len(r.out) >= runQueueMax && r.err == nil && !h.closed && !h.writes.late {
			r.wake.Wait()
		}
		switch {
		case r.err != nil:
			return n, r.err
		case h.closed:
			return n, net.ErrClosed
		case len(r.out) >= runQueueMax:
			return n, os.ErrDeadlineExceeded
		}
		k := min(len(b), runQueueMax-len(r.out))
		r.out = append(r.out, b[:k]...)
		b, n = b[k:], n+k
		r.request()
	}
	r.request()
	return n, r.err
}

// Read implements net.Conn. There is nothing to read before the 101 was written.
func (h *hijacked) Read(p []byte) (int, error) {
	r := h.r
	r.mu.Lock()
	defer r.mu.Unlock()
	in := &r.in
	for len(p) > 0 && in.off == len(in.buf) && !in.ended && !r.done && r.err == nil && !h.closed &&
		!h.reads.late {
		r.wake.Wait()
	}
	switch {
	case h.closed || r.done:
		return 0, net.ErrClosed
	case h.reads.late:
		return 0, os.ErrDeadlineExceeded
	case in.off < len(in.buf):
		return r.readSome(p), nil
	case len(p) == 0:
		return 0, nil
	case r.err != nil:
		return 0, r.err
	case in.readErr != nil:
		return 0, in.readErr
	}
	return 0, io.EOF
}

// CloseWrite sends FIN behind what was written.
func (h *hijacked) CloseWrite() error {
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := h.usable(); err != nil {
		return err
	}
	if h.kind != http1.BodyTunnel {
		return http.ErrNotSupported
	}
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	h.half = true
	h.r.request()
	return nil
}

// Close implements net.Conn: what was written goes out, then FIN. A connection on which no head was
// written ends by an error.
func (h *hijacked) Close() error {
	r := h.r
	r.mu.Lock()
	if h.closed {
		r.mu.Unlock()
		return net.ErrClosed
	}
	h.closed, h.half = true, true
	r.wake.Broadcast() // who waits to write holds writing
	r.request()
	r.mu.Unlock()
	h.setDeadline(&h.reads, time.Time{})
	h.setDeadline(&h.writes, time.Time{})

	h.writing.Lock()
	defer h.writing.Unlock()
	var err error
	switch {
	case h.parted:
	case !h.begun:
		r.c.Abort(http.StatusInternalServerError, HandlerError)
	case h.kind != http1.BodyTunnel:
		err = r.c.EndResponse(nil)
	}
	r.mu.Lock()
	h.over = true
	r.wake.Broadcast()
	r.mu.Unlock()
	return err
}

// LocalAddr implements net.Conn.
func (h *hijacked) LocalAddr() net.Addr { return h.local }

// RemoteAddr implements net.Conn.
func (h *hijacked) RemoteAddr() net.Addr { return h.peer }

// SetDeadline implements net.Conn.
func (h *hijacked) SetDeadline(t time.Time) error {
	h.setDeadline(&h.reads, t)
	h.setDeadline(&h.writes, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (h *hijacked) SetReadDeadline(t time.Time) error {
	h.setDeadline(&h.reads, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (h *hijacked) SetWriteDeadline(t time.Time) error {
	h.setDeadline(&h.writes, t)
	return nil
}

// setDeadline sets a deadline anew; zero: none.
func (h *hijacked) setDeadline(d *hijackDeadline, t time.Time) {
	r := h.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.late = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.late = true
		r.wake.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if d.timer == timer { // not set anew meanwhile
			d.late = true
			r.wake.Broadcast()
		}
	})
	d.timer = timer
}
