package pipeline

import (
	"net/http"

	"weir/protocol/http1"
)

// Transport is the side of a [Context] that an implementer of [Exchange] drives. It lives with the
// exchange's other state and is reused: Begin, Serve, then Writable, Cancel and what Post brings,
// at last Complete. Every method runs on the loop; only Generation may be called from elsewhere.
//
// Serve, Writable, Cancel, Complete, posted functions and body sinks run user code. Weir's recover
// is around them, in pipeline/server; on a panic it calls Fail(500, HandlerPanic).
type Transport struct {
	Context
}

// Begin starts an exchange for a parsed request. r and the bytes it refers to must stay where they
// are until Complete. now is the loop's time. An error says that the path is malformed
// ([http1.StatusOf] has the status); Path is the raw one then.
//
// Hot path: once per exchange. No allocation: TestTextAllocs.
func (t *Transport) Begin(x Exchange, r *http1.Request, o Origin, now int64) (err error) {
	c := &t.Context
	c.x, c.r, c.origin, c.now = x, r, o, now
	c.status, c.length, c.room = http.StatusOK, LengthUnknown, true
	raw := r.Path()
	c.target = view(raw)
	if len(raw) == 0 || raw[0] != '/' || r.PathPlain() {
		return nil // "*", CONNECT, or nothing to decode
	}
	if c.pathBuf, err = http1.DecodePath(c.pathBuf[:0], raw); err == nil {
		c.target = view(c.pathBuf)
	}
	return err
}

// Generation identifies the exchange among those of this Transport. Complete moves it on, so that
// Exchange.Post can tell a stale caller; it may be read from any goroutine.
func (t *Transport) Generation() uint64 { return t.gen.Load() }

// MovePathBase moves the first n bytes of Path to PathBase: the prefix of the app that was chosen.
func (t *Transport) MovePathBase(n int) { t.base += n }

// Serve runs h and then what it has left to do: the buffered response, a stream, a blocking
// handler. nil is NotFoundHandler.
//
// Hot path: once per exchange. No allocation: TestTextAllocs.
func (t *Transport) Serve(h Handler) {
	if h == nil {
		h = NotFoundHandler
	}
	t.enter(h)
}

// Writable says that the outbound queue fell below its low mark.
func (t *Transport) Writable() {
	c := &t.Context
	if c.run != nil {
		c.run.onWritable(c)
		return
	}
	c.room = true
	switch {
	case c.phase == phaseEnded:
	case c.src != nil:
		c.src.OnWritable(c)
	case c.stream != nil:
		c.pump()
	}
}

// Cancel says that the exchange is over early: client gone, time-out, drain deadline. No Exchange
// method but Generation and Post is called from here on, except as follows.
//
// done false: a Blocking handler still owns the Context. Keep request, Transport and generation,
// and let Post work, until the handler has noticed and the Context calls Abort or SendEnd; then
// Complete.
func (t *Transport) Cancel(err error) (done bool) {
	c := &t.Context
	c.cancelStd(err)
	if c.run != nil {
		c.run.cancel(c.Err())
		return false
	}
	src, then := c.src, c.body.then
	c.phase = phaseEnded
	c.src, c.stream, c.blocking, c.body.then = nil, nil, nil, nil
	c.closeFile()
	if src != nil {
		src.OnCancel(c, c.Err())
	}
	if then != nil {
		then(c, nil, c.Err())
	}
	return true
}

// Complete ends the exchange: it runs the OnCompleted callbacks, makes every Async of the exchange
// stale and forgets all state. Call it once per Begin, also after a panic.
//
// Hot path: once per exchange. No allocation: TestTextAllocs.
func (t *Transport) Complete(o Outcome) {
	c := &t.Context
	if c.run != nil {
		panic("pipeline: exchange completed while a Blocking handler owns it")
	}
	t.gen.Add(1)
	c.phase = phaseEnded
	for n := len(c.completed); n > 0; n = len(c.completed) {
		f := c.completed[n-1]
		c.completed[n-1] = nil
		c.completed = c.completed[:n-1]
		f(c, o)
	}
	if c.std.Load() != nil {
		c.cancelStd(ErrCompleted)
	}
	c.reset()
}

// Completing says whether OnCompleted callbacks are left: false after Complete, true when one of
// them panicked and Complete has to be called again.
func (t *Transport) Completing() bool { return len(t.completed) > 0 }

// Running says that a Blocking handler owns the Context: only Writable and Cancel may be called.
func (t *Transport) Running() bool { return t.run != nil }

// Reason is why Weir itself answered or aborted, ReasonNone for a handler's answer.
func (t *Transport) Reason() Reason { return t.reason }

// CloseRequested says whether the handler asked for Connection: close; read it in SendHead.
func (t *Transport) CloseRequested() bool { return t.close }

// reset forgets the exchange and keeps memory that the next one can use.
func (c *Context) reset() {
	c.closeFile()
	c.x, c.r, c.origin = nil, nil, Origin{}
	c.target, c.base, c.id = "", 0, ""
	c.phase, c.close, c.held, c.async = phaseOpen, false, false, false
	c.entered, c.inline, c.later = false, false, false
	c.reason, c.written = ReasonNone, 0
	c.trailers.Reset()
	c.fields.Reset()
	c.ending.Reset()
	c.out = c.out[:0]
	c.body.reset()
	c.page, c.src, c.stream, c.blocking = nil, nil, nil, nil
	clear(c.posted)
	c.posted = c.posted[:0]
	clear(c.starting)
	c.starting = c.starting[:0]
	clear(c.filters)
	c.filters = c.filters[:0]
	clear(c.slots)
	c.slots = c.slots[:0]
	if c.std.Load() != nil {
		c.std.Store(nil)
	}
	if c.cancel.Load() != nil {
		c.cancel.Store(nil)
	}
}

// enter runs user code on the loop, then settles.
func (c *Context) enter(f func(*Context)) {
	c.entered = true
	f(c)
	c.entered = false
	c.settle()
}

// settle does what user code left to do when it returned.
func (c *Context) settle() {
	switch {
	case c.phase == phaseEnded:
	case c.phase == phaseFailed:
		c.finish()
	case c.blocking != nil:
		c.startRun()
	case c.file.f != nil:
		c.sendFile()
	case c.stream != nil:
		c.pump()
	case c.src != nil || c.body.then != nil:
	case c.async:
		if len(c.out) > 0 {
			_ = c.startBuffered() // its error has already ended the exchange
		}
	default:
		c.finish()
	}
}

// hold keeps the exchange open for what this package does after the handler returned.
func (c *Context) hold() {
	if !c.held {
		c.held = true
		c.x.Hold(held{})
	}
}

// held is the Source of exchanges that this package itself keeps open: Transport.Writable and
// Transport.Cancel see to them.
type held struct{}

func (held) OnWritable(*Context)      {}
func (held) OnCancel(*Context, error) {}

// NotFoundHandler is the end of a chain that nothing in it has answered: 404, reason NotFound.
func NotFoundHandler(c *Context) { c.Fail(http.StatusNotFound, NotFound) }

// Exchange is the transport's half of c, for packages that serve an exchange below the level of
// handlers (pipeline/dispatch); nil after Complete.
func (c *Context) Exchange() Exchange { return c.x }
