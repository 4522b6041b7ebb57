package worker

import (
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// muxStream is one request and its response on a mux connection: the implementation of
// pipeline.Exchange. It belongs to a loop, which reuses it.
type muxStream struct {
	t    pipeline.Transport
	req  http1.Request
	raw  []byte // what req refers to
	ml   *muxLoop
	next *muxStream // of the free list
	streamState
}

// streamState is what a stream forgets when it is over.
type streamState struct {
	ss *muxSession // nil once the request is cancelled, or was answered
	id uint32

	// request body
	sink      pipeline.BodySink
	pending   []byte // came, and was not delivered yet
	bodyDone  bool   // the front has sent all
	bodyTold  bool   // and the sink knows
	paused    bool
	pumping   bool  // on muxLoop.pumps
	expecting bool  // the client waits for 100
	owed      int64 // delivered, and the front not given credit for
	bytesIn   int64

	// response
	window   int64     // bytes that the front takes now
	left     int64     // promised and not written; LengthUnknown
	parts    []outPart // not sent yet
	trailers []byte    // of a response whose parts are not sent yet
	lines    []frame.Line
	ending   bool // SendEnd was called while there were parts
	stalled  bool // SendBody said that there is no room
	status   int
	bytesOut int64
	headSent bool
	noBody   bool
	tunnel   bool // the response begins a tunnel
	halfDone bool // of a tunnel: our side has ended, or will behind the parts
	endSent  bool // END was
	ended    bool // complete, or given up

	depth     int // entries into user code on the stack
	cancelled bool
	told      bool // user code knows
	over      bool // completion callbacks ran
	cause     error
	start     int64
}

var _ pipeline.Exchange = (*muxStream)(nil)

// begin serves the request that was read.
func (x *muxStream) begin(ss *muxSession, id uint32) {
	now := ss.ml.loop.Now()
	x.ss, x.id, x.window, x.start = ss, id, ss.window, now
	if err := x.t.Begin(x, &x.req, x.origin(), now); err != nil {
		x.failWith(http1.StatusOf(err), pipeline.ReasonURL)
		return
	}
	if x.req.Has(http1.XForwardedProto) { // a front always says it, and with it the prefix
		x.t.MovePathBase(prefixOf(&x.req, x.t.Path()))
	}
	x.call(streamServe, ss.ml.srv.handler)
}

type streamOp uint8

const (
	streamServe streamOp = iota
	streamPost
	streamWritable
	streamCancel
	streamComplete
	streamOther
)

// call is the one entry into user code, and left behind it the one recover.
//
// Hot path: once per request. No allocation: TestMuxAllocs.
func (x *muxStream) call(what streamOp, f func(*pipeline.Context)) (done bool) {
	x.depth++
	defer x.leave(what)
	switch what {
	case streamServe:
		x.t.Serve(f)
	case streamPost:
		f(&x.t.Context)
	case streamWritable:
		x.t.Writable()
	case streamCancel:
		return x.t.Cancel(x.cause)
	case streamComplete:
		x.t.Complete(x.outcome())
	}
	return true
}

func (x *muxStream) leave(what streamOp) {
	if v := recover(); v != nil {
		x.panicked(what, v, debug.Stack())
	}
	if x.depth--; x.depth == 0 {
		x.settle()
	}
}

func (x *muxStream) panicked(what streamOp, v any, stack []byte) {
	if v != http.ErrAbortHandler {
		_, _ = os.Stderr.WriteString("worker: panic in a handler: " + panicText(v) + "\n" + string(stack))
	}
	switch {
	case what == streamComplete:
		if x.t.Completing() {
			x.call(streamComplete, nil)
		}
	case what == streamCancel:
		x.ended = true
	case !x.ended:
		x.failWith(http.StatusInternalServerError, pipeline.HandlerPanic)
	}
}

// failWith is Transport.Fail under a recover of its own.
func (x *muxStream) failWith(status int, reason pipeline.Reason) {
	x.depth++
	defer x.leave(streamOther)
	x.t.Fail(status, reason)
}

// settle moves on when the response is complete or the request cancelled; no-op inside user code.
func (x *muxStream) settle() {
	if x.depth > 0 || x.over {
		return
	}
	if x.cancelled && !x.told {
		x.told = true
		x.depth++
		if x.sink != nil && !x.bodyTold && !x.ended {
			x.bodyEnd(x.cause)
		}
		if !x.ended && x.call(streamCancel, nil) {
			x.ended = true
		}
		x.depth--
	}
	if !x.ended || len(x.parts) > 0 || x.t.Running() {
		return
	}
	x.over = true
	if ss := x.ss; ss != nil {
		ss.forget(x.id)
	}
	if x.t.Completing() {
		x.call(streamComplete, nil)
	} else {
		x.t.Complete(pipeline.Outcome{})
	}
	x.req.Reset()
	pending := x.pending[:0]
	if cap(pending) > pendingKept {
		pending = nil
	}
	x.streamState = streamState{pending: pending, lines: x.lines[:0]}
	x.ml.release(x)
}

func (x *muxStream) outcome() pipeline.Outcome {
	return pipeline.Outcome{
		Status: x.status, BytesIn: x.bytesIn, BytesOut: x.bytesOut, Reason: x.t.Reason(), Err: x.cause,
		Duration: time.Duration(x.ml.loop.Now() - x.start),
	}
}

// cancel ends x because nobody waits for its answer any more. A Blocking handler keeps it until it has
// noticed.
func (x *muxStream) cancel(err error) {
	if x.ss == nil {
		return
	}
	ss := x.ss
	x.ss = nil
	ss.forget(x.id)
	x.cancelled, x.cause = true, err
	x.dropParts()
	x.settle()
}

// writable goes on with a response that waited for room.
func (x *muxStream) writable() {
	if !x.stalled || x.window <= 0 || x.ss == nil || !x.ss.conn.Room() {
		return
	}
	x.stalled = false
	if len(x.parts) > 0 {
		x.nextPart()
		return
	}
	x.call(streamWritable, nil)
}

// credited takes a CREDIT.
func (x *muxStream) credited(n int64) error {
	if x.window += n; x.window > frame.WindowMax {
		return frame.ErrCredit
	}
	x.writable()
	return nil
}

// Loop is the loop of the stream's connection.
func (x *muxStream) Loop() *netpoll.Loop { return x.ml.loop }

// Generation implements pipeline.Exchange.
func (x *muxStream) Generation() uint64 { return x.t.Generation() }

// Hold implements pipeline.Exchange.
func (x *muxStream) Hold(pipeline.Source) {} // every stream is held until it has ended

// Post implements pipeline.Exchange.
func (x *muxStream) Post(generation uint64, f func(*pipeline.Context)) bool {
	if x.t.Generation() != generation {
		return false
	}
	return x.ml.loop.Post(func() {
		if x.t.Generation() == generation {
			x.call(streamPost, f)
		}
	})
}

// Blocking implements pipeline.Exchange. The number of streams bounds these goroutines.
func (x *muxStream) Blocking(f func()) bool {
	go f()
	return true
}

// Panicked implements pipeline.Exchange.
func (x *muxStream) Panicked(v any, stack []byte) { x.panicked(streamPost, v, stack) }
