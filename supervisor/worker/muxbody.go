package worker

import (
	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// onData takes bytes of the request's body.
func (x *muxStream) onData(b []byte, end bool) error {
	if x.bodyDone || x.mayTunnel() && !x.tunnel {
		return frame.ErrOrder
	}
	x.bytesIn += int64(len(b))
	x.bodyDone = end
	switch {
	case x.wanting() && len(x.pending) == 0 && !x.pumping:
		x.deliver(b)
	case x.ended:
	case len(x.pending)+len(b) > frame.Window+frame.PayloadMax:
		return frame.ErrCredit
	default:
		x.pending = append(x.pending, b...)
	}
	return nil
}

// onTrailers takes the trailers of the request, the end of its body.
func (x *muxStream) onTrailers(text []byte, lines *frame.Lines) error {
	if x.bodyDone || x.mayTunnel() {
		return frame.ErrOrder
	}
	t := x.t.RequestTrailers()
	for {
		n, nl, v, vl, ok, err := lines.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		_ = t.AddBytes(text[n:n+nl], text[v:v+vl]) // a full list drops the rest
	}
	x.bodyDone = true
	if x.wanting() && len(x.pending) == 0 && !x.pumping {
		x.deliver(nil)
	}
	return nil
}

// wanting says that body bytes have a taker now.
func (x *muxStream) wanting() bool {
	return x.sink != nil && !x.paused && !x.bodyTold && !x.ended && !x.cancelled
}

// deliver passes bytes to the sink, and the end if it has come.
func (x *muxStream) deliver(b []byte) {
	x.depth++
	defer x.leave(streamOther)
	if len(b) > 0 {
		x.sink.OnBody(&x.t.Context, b)
		x.owed += int64(len(b))
	}
	if x.bodyDone && x.wanting() {
		x.bodyEnd(nil)
		return
	}
	if x.owed >= frame.Window/2 && x.ss != nil && !x.bodyDone {
		x.ss.conn.Commit(frame.AppendCredit(x.ss.conn.Reserve(frameRoom), x.id, uint32(x.owed)))
		x.owed = 0
	}
}

// bodyEnd passes the body's end to the sink; its last call.
func (x *muxStream) bodyEnd(err error) {
	x.bodyTold = true
	x.sink.OnBodyEnd(&x.t.Context, err)
}

// pump delivers what came while nobody wanted it.
func (x *muxStream) pump() {
	if !x.wanting() {
		return
	}
	b := x.pending
	x.pending = nil // what comes meanwhile is kept apart
	x.deliver(b)
	if x.pending == nil && cap(b) <= pendingKept {
		x.pending = b[:0]
	}
}

// ReceiveBody implements pipeline.Exchange.
func (x *muxStream) ReceiveBody(sink pipeline.BodySink) {
	x.sink = sink
	switch {
	case x.ss == nil: // the cancellation tells the sink
	case !x.tunnel && !x.req.HasBody():
		x.bodyEnd(nil)
	default:
		if x.expecting {
			x.expecting = false
			x.SendInformational(100, nil)
		}
		x.queuePump()
	}
}

// PauseBody implements pipeline.Exchange: no credit is given meanwhile.
func (x *muxStream) PauseBody() { x.paused = true }

// ResumeBody implements pipeline.Exchange. Delivery goes on at the end of the turn.
func (x *muxStream) ResumeBody() {
	if x.paused {
		x.paused = false
		x.queuePump()
	}
}

func (x *muxStream) queuePump() {
	if !x.pumping {
		x.pumping = true
		x.ml.pumps = append(x.ml.pumps, x)
		x.ml.loop.Hurry()
	}
}

// mayHaveBody says whether a response of this status to this request has a body.
func (x *muxStream) mayHaveBody(status int) bool {
	return status >= 200 && status != 204 && status != 304 && x.req.Verb != http1.VerbHead
}
