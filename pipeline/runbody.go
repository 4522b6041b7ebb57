package pipeline

import "io"

// runBody is the request body between the loop and a Blocking handler. Guarded by run.mu.
type runBody struct {
	buf     []byte
	off     int // buf[off:] is unread
	asked   bool
	paused  bool
	ended   bool
	readErr error // why the body is cut
}

// BodyReader returns the request body as a stream; the first Read asks the client for it (100
// Continue). It works in a Blocking handler only and panics on a loop, where reading would stop
// everybody: use ReadBody there. After the handler returned it gives ErrEnded.
func (c *Context) BodyReader() io.Reader {
	if c.run == nil {
		panic("pipeline: BodyReader on a loop: wrap the handler in Blocking, or use ReadBody")
	}
	return (*runReader)(c.run)
}

// runReader is a run seen as the reader of its request body.
type runReader run

// Read waits for body bytes. io.EOF is the end of a whole body, any other error says why it is cut.
func (rr *runReader) Read(p []byte) (int, error) {
	r := (*run)(rr)
	r.mu.Lock()
	defer r.mu.Unlock()
	in := &r.in
	if !in.asked && !r.done && r.err == nil {
		in.asked = true
		r.ask(func(c *Context) { c.x.ReceiveBody((*runSink)(r)) })
	}
	for len(p) > 0 && in.off == len(in.buf) && !in.ended && !r.done && r.err == nil {
		r.wake.Wait()
	}
	switch {
	case r.done:
		return 0, ErrEnded
	case in.off < len(in.buf):
		return r.readSome(p), nil
	case r.err != nil:
		return 0, r.err
	case len(p) == 0:
		return 0, nil
	case in.readErr != nil:
		return 0, in.readErr
	}
	return 0, io.EOF
}

func (r *run) readSome(p []byte) int {
	in := &r.in
	n := copy(p, in.buf[in.off:])
	in.off += n
	if in.off == len(in.buf) {
		in.buf, in.off = in.buf[:0], 0
	}
	if in.paused && len(in.buf)-in.off <= runBodyLow {
		in.paused = false
		r.ask(func(c *Context) { c.x.ResumeBody() })
	}
	return n
}

// ask runs f on the loop unless the run is over by then. mu is held.
func (r *run) ask(f func(*Context)) {
	g := func(c *Context) {
		if c.run == r && c.Err() == nil {
			f(c)
		}
	}
	if !r.x.Post(r.gen, g) && r.err == nil {
		r.err = ErrCancelled // the loop is gone
	}
}

// runSink is a run seen as the sink of its request body. On the loop.
type runSink run

// OnBody keeps body bytes for the reader and pauses the client when many wait.
func (rs *runSink) OnBody(c *Context, b []byte) {
	r := (*run)(rs)
	r.mu.Lock()
	defer r.mu.Unlock()
	in := &r.in
	if r.done {
		return
	}
	if in.off > 0 && len(in.buf)+len(b) > cap(in.buf) {
		in.buf, in.off = append(in.buf[:0], in.buf[in.off:]...), 0
	}
	in.buf = append(in.buf, b...)
	if !in.paused && len(in.buf)-in.off >= runBodyHigh {
		in.paused = true
		c.x.PauseBody()
	}
	r.wake.Broadcast() // the reader of a hijacked connection may not be the only one who waits
}

// OnBodyEnd ends the body for the reader.
func (rs *runSink) OnBodyEnd(_ *Context, err error) {
	r := (*run)(rs)
	r.mu.Lock()
	r.in.ended, r.in.readErr = true, err
	r.wake.Broadcast()
	r.mu.Unlock()
}
