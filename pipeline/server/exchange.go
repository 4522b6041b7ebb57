package server

import (
	"errors"
	"net/netip"
	"runtime/debug"
	"time"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/http1"
)

// exchange is one request and its response: the implementation of pipeline.Exchange. It belongs to a
// loop, which reuses it.
type exchange struct {
	tr   pipeline.Transport
	req  http1.Request
	memo memo // survives reset, as req does
	ls   *loopServer
	s    *session // nil once the client is gone and a Blocking handler still runs
	app  *app     // nil until routed

	buf    *netpoll.Buffer // holds the head's bytes once the exchange outlives OnData; else nil
	rest   []byte          // behind the head, in buf: body bytes and pipelined requests
	pinned bool            // the exchange outlives OnData; a tunnel has no buffer then

	// request body
	sink      pipeline.BodySink
	chunk     http1.ChunkDecoder
	bodyLeft  int64 // of a Content-Length body
	bodyMax   int64 // bytes; < 0 none
	bytesIn   int64
	bodyDone  bool
	paused    bool // by PauseBody, until ResumeBody
	delegated bool // to a pool, by a handler
	pumping   bool // on loopServer.pumps
	discarded int
	expecting bool // the client waits for 100

	// response
	left      int64 // bytes promised and not written; LengthUnknown
	taking    rateWindow
	bytesOut  int64
	headOut   int64 // of bytesOut, those of heads
	status    int
	headSent  bool
	chunked   bool
	noBody    bool
	close     bool    // close the connection behind the response
	resetting bool    // reset it: the response is cut
	linger    bool    // the client may still be sending
	ended     bool    // the response is complete or given up
	worker    bool    // the answer is a worker's: Server is not ours
	tunnel    *tunnel // not nil once the response begins one

	depth     int  // entries into user code on the stack
	cancelled bool // the client is gone; told says that user code knows
	told      bool
	over      bool            // completion callbacks ran
	cause     error           // what Outcome.Err will say
	reason    pipeline.Reason // of a cut or answer made without the Context
	note      error           // detail of an answer that Weir makes itself; see refuse.go
	start     int64           // ns: first byte of the head
}

// Errors of Outcome.Err and of cancelled contexts.
var (
	// ErrClientGone: the client closed or reset the connection, or its grace after a FIN ran out.
	ErrClientGone = errors.New("server: client closed the connection")
	// ErrShortBody: the response had fewer or more bytes than its Content-Length; reset.
	ErrShortBody = errors.New("server: response body differs from its Content-Length")
	// ErrTimeout: a clock of the client connection ran out.
	ErrTimeout = errors.New("server: client too slow")
	// ErrDrained: the drain deadline came before the response was complete.
	ErrDrained = errors.New("server: drain deadline passed")
)

// begin prepares x for a request of s. The head is parsed.
func (x *exchange) begin(s *session, start, now int64) {
	x.s, x.start = s, start
	x.bodyMax = -1
	x.expecting = x.req.ExpectContinue
	x.close = !x.req.KeepAlive || s.ls.draining || s.ln.removed || s.ln.once
	switch {
	case x.req.Chunked:
		x.chunk.Reset()
	case x.req.ContentLength > 0:
		x.bodyLeft = x.req.ContentLength
	default:
		x.bodyDone = true
	}
	s.ls.count(CounterRequests, 1)
}

// serve runs the handler and settles what it leaves. x may be over and reused when it returns.
func (x *exchange) serve(h pipeline.Handler) { x.call(opServe, h) }

// op says what call runs.
type op uint8

const (
	opServe op = iota
	opPost
	opWritable
	opCancel
	opComplete
	opBody
	opFail
)

// call is the one entry into user code on a loop, and left behind it the one recover for panics there
// and the place where what user code decided is carried out, from the outermost frame.
//
// Hot path: once per exchange. No allocation: TestPlaintextAllocs.
func (x *exchange) call(what op, f func(*pipeline.Context)) (done bool) {
	x.enter()
	defer x.leave(what)
	switch what {
	case opServe:
		x.tr.Serve(f)
	case opPost:
		f(&x.tr.Context)
	case opWritable:
		x.tr.Writable()
	case opCancel:
		return x.tr.Cancel(x.cause)
	case opComplete:
		x.tr.Complete(x.outcome())
	}
	return true
}

func (x *exchange) leave(what op) {
	if v := recover(); v != nil {
		x.panicked(what, v, debug.Stack())
	}
	if x.exit() {
		x.settle()
	}
}

// body passes body bytes to the sink.
func (x *exchange) body(b []byte) {
	x.enter()
	defer x.leave(opBody)
	x.sink.OnBody(&x.tr.Context, b)
}

// bodyEnd passes the body's end to the sink; its last call.
func (x *exchange) bodyEnd(err error) {
	sink := x.sink
	x.sink = nil
	x.enter()
	defer x.leave(opBody)
	sink.OnBodyEnd(&x.tr.Context, err)
}

// panicked answers 500 when the head is unsent, else resets the connection. A panic in a completion
// callback costs the callbacks nothing: the others run.
func (x *exchange) panicked(what op, v any, stack []byte) {
	x.ls.count(CounterPanics, 1)
	x.ls.opt.Logger.Error("handler panic", "panic", v, "method", x.tr.Method(),
		"path", x.tr.Path(), "request_id", x.tr.RequestID(), "stack", string(stack))
	switch what {
	case opComplete:
		if x.tr.Completing() {
			x.call(opComplete, nil)
		}
	case opCancel, opFail: // the client is gone, or even the error page panicked
		x.giveUp(pipeline.HandlerPanic)
	default:
		if !x.ended {
			x.failWith(500, pipeline.HandlerPanic)
		}
	}
}

// failWith is Transport.Fail under a recover of its own.
func (x *exchange) failWith(status int, reason pipeline.Reason) {
	x.enter()
	defer x.leave(opFail)
	x.tr.Fail(status, reason)
}

// Panicked implements pipeline.Exchange.
func (x *exchange) Panicked(v any, stack []byte) { x.panicked(opPost, v, stack) }

// Loop is the loop of the exchange's connection; pipeline/dispatch asks for it.
func (x *exchange) Loop() *netpoll.Loop { return x.ls.loop }

// Request is the parsed head; pipeline/dispatch serialises it anew for a worker.
func (x *exchange) Request() *http1.Request { return &x.req }

// FromWorker says that the answer is a worker's own: Weir adds no Server field.
func (x *exchange) FromWorker() { x.worker = true }

// LocalAddr is the address that the client has connected to; pipeline/dispatch asks for it.
func (x *exchange) LocalAddr() netip.AddrPort {
	if x.s == nil {
		return netip.AddrPort{}
	}
	return x.s.conn.Local()
}

// Call runs f at once, under the recover for user code; pipeline/dispatch asks for it.
func (x *exchange) Call(f func(*pipeline.Context)) { x.call(opPost, f) }

// Generation implements pipeline.Exchange.
func (x *exchange) Generation() uint64 { return x.tr.Generation() }

// Hold implements pipeline.Exchange.
func (x *exchange) Hold(pipeline.Source) {} // the Context tells its Source; pin keeps the rest

// Post implements pipeline.Exchange.
func (x *exchange) Post(generation uint64, f func(*pipeline.Context)) bool {
	if x.tr.Generation() != generation {
		return false
	}
	return x.ls.loop.Post(func() {
		if x.tr.Generation() == generation {
			x.call(opPost, f)
		}
	})
}

// Blocking implements pipeline.Exchange.
func (x *exchange) Blocking(f func()) bool { return x.ls.opt.Blocking(f) }

// cancel ends x because its client is gone or its time is up. The connection is closed already.
func (x *exchange) cancel(err error) {
	x.s = nil
	x.cancelled = true
	if x.cause == nil {
		x.cause = err
	}
	x.settle()
}

// tellCancelled lets user code know. A Blocking handler keeps x until it has noticed.
func (x *exchange) tellCancelled() {
	x.told = true
	x.enter()
	if x.sink != nil && !x.ended {
		x.bodyEnd(x.cause)
	}
	if !x.ended && x.call(opCancel, nil) {
		x.ended = true
	}
	x.exit()
}

// settle moves on when the response is complete or the client is gone; no-op inside user code.
//
// Hot path: once per exchange. No allocation: TestPlaintextAllocs.
func (x *exchange) settle() {
	if x.depth > 0 || x.over {
		return
	}
	if x.cancelled && !x.told {
		x.tellCancelled()
	}
	if !x.ended {
		return
	}
	s := x.s
	switch {
	case s == nil:
		x.complete()
		x.release()
	case x.resetting:
		s.part(x)
		s.conn.Reset()
		x.complete()
		x.release()
	case x.close || x.expecting && !x.bodyDone:
		s.part(x)
		linger := x.linger || !x.bodyDone || len(x.rest) > 0
		x.complete()
		x.release()
		s.conn.Finish(linger)
	case x.bodyDone:
		s.setState(stateIdle)
		x.complete()
		if s.ln.guest != nil {
			s.ln.guest.answered(x)
		}
		s.next(x)
	default:
		s.setState(stateDiscard)
		x.complete()
		if s.ln.guest != nil {
			s.ln.guest.answered(x)
		}
		x.beginDiscard()
	}
}

// part takes x off s, whose connection is about to be closed.
func (s *session) part(x *exchange) {
	s.setState(stateGone)
	s.x = nil
	s.ls.ended()
	x.s = nil
	if g := s.ln.guest; g != nil {
		g.answered(x) // before the front is told
		g.Home.Left(g, false)
	}
}

// next gives x back and waits for the next head. The state is stateIdle.
//
// Hot path: once per exchange. No allocation: TestPlaintextAllocs.
func (s *session) next(x *exchange) {
	s.x = nil
	s.since = s.ls.loop.Now()
	s.seen, s.parsed = 0, 0
	s.rate.at, s.halfAt = 0, 0
	x.unpin()
	x.release()
	s.arm()
	if g := s.ln.guest; g != nil && g.home {
		g.queue()
	}
}

// complete logs and runs the completion callbacks.
func (x *exchange) complete() {
	x.over = true
	x.ls.countOutcome(x)
	if x.ls.log != nil {
		x.ls.log.add(x)
	}
	if x.tr.Completing() {
		x.call(opComplete, nil)
		return
	}
	x.tr.Complete(pipeline.Outcome{}) // runs no user code: nobody asked for the outcome
}

// pin keeps x's head when OnData returns: the buffer is taken from the connection. rest is what lies
// behind the head. Reading goes on only for a body that is wanted.
func (x *exchange) pin(rest []byte) {
	x.buf = x.s.conn.TakeInput()
	x.rest, x.pinned = rest, true
	x.s.conn.Pause()
	x.s.arm()
	if x.sink != nil {
		x.pump()
		return
	}
	x.s.maybeHalfClosed()
}

// unpin gives the buffer back; pipelined requests in it are read next.
func (x *exchange) unpin() {
	conn := x.s.conn
	conn.Bulk(false)
	if x.buf != nil {
		buf := x.buf
		x.buf = nil
		if n := len(x.rest); n > 0 {
			conn.RestoreInput(buf, n)
		} else {
			conn.ReleaseInput(buf)
		}
	}
	if conn.Paused() {
		conn.Resume()
	}
}

// release gives x back to its loop.
func (x *exchange) release() {
	if x.buf != nil {
		x.ls.loop.ReleaseBuffer(x.buf)
		x.buf = nil
	}
	x.ls.putBack(x)
}

// reset forgets everything but memory worth keeping.
func (x *exchange) reset() {
	x.s, x.app, x.sink, x.rest = nil, nil, nil, nil
	x.note, x.cause, x.reason = nil, nil, pipeline.ReasonNone
	x.bodyLeft, x.bytesIn, x.left, x.discarded = 0, 0, 0, 0
	x.bytesOut, x.headOut, x.taking = 0, 0, rateWindow{}
	x.bodyDone, x.paused, x.pumping, x.expecting = false, false, false, false
	x.status, x.depth, x.delegated = 0, 0, false
	x.headSent, x.chunked, x.noBody, x.close = false, false, false, false
	x.resetting, x.linger, x.ended, x.worker = false, false, false, false
	x.tunnel, x.pinned = nil, false
	x.cancelled, x.told, x.over = false, false, false
}

func (x *exchange) outcome() pipeline.Outcome {
	return pipeline.Outcome{
		Status: x.status, BytesIn: x.bytesIn, BytesOut: x.bytesOut, Reason: x.why(),
		Err: x.cause, Duration: time.Duration(x.ls.loop.Now() - x.start),
	}
}

// why is the reason of an answer or cut that Weir made itself.
func (x *exchange) why() pipeline.Reason {
	switch r := x.tr.Reason(); {
	case r != pipeline.ReasonNone:
		return r
	case x.reason != pipeline.ReasonNone:
		return x.reason
	case x.cause != nil:
		return pipeline.ClientDropped
	}
	return pipeline.ReasonNone
}

var _ pipeline.Exchange = (*exchange)(nil)
