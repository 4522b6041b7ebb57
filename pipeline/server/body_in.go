package server

import (
	"errors"

	"weir/pipeline"
	"weir/protocol/http1"
)

// ErrBodyCut: the client closed before its request body was complete.
var ErrBodyCut = errors.New("server: request body cut short")

const continueHead = "HTTP/1.1 100 Continue\r\n\r\n"

// ReceiveBody implements pipeline.Exchange.
func (x *exchange) ReceiveBody(sink pipeline.BodySink) {
	x.sink = sink
	switch {
	case x.s == nil: // the cancellation tells the sink
	case x.bodyDone:
		x.bodyEnd(nil)
	default:
		if x.expecting {
			x.expecting = false
			x.s.conn.Write([]byte(continueHead))
		}
		x.s.halfAt = 0 // until reading comes to the FIN
		x.queuePump()
	}
}

// PauseBody implements pipeline.Exchange.
func (x *exchange) PauseBody() {
	x.paused = true
	if x.s != nil && x.pinned {
		x.s.conn.Pause()
		x.s.rate.at = 0
	}
}

// ResumeBody implements pipeline.Exchange. Delivery goes on at the end of the turn.
func (x *exchange) ResumeBody() {
	if x.paused {
		x.paused = false
		x.queuePump()
	}
}

// queuePump has the body delivered from outside any user code: at the end of the turn.
func (x *exchange) queuePump() {
	if x.s != nil && x.pinned && !x.pumping {
		x.pumping = true
		x.ls.pumps = append(x.ls.pumps, x.s)
		x.ls.loop.Hurry()
	}
}

// reading says that the body has a taker, now or when it goes on.
func (x *exchange) reading() bool { return x.sink != nil && !x.bodyDone }

// wanting says that body bytes have a taker now.
func (x *exchange) wanting() bool {
	return x.sink != nil && !x.paused && !x.bodyDone && !x.ended && !x.cancelled
}

// pump delivers what is here of the body and reads on if more is wanted. x has been pinned.
func (x *exchange) pump() {
	s := x.s
	n := x.feed(x.rest)
	if s.x != x || s.state != stateOpen {
		return // complete, discarding or gone
	}
	if x.rest = x.rest[n:]; x.tunnel != nil {
		x.freeInput()
	}
	if x.wanting() && len(x.rest) == 0 {
		if x.tunnel != nil && s.conn.Ended() { // by the FIN behind a request before this one
			x.tunnelEOF()
			return
		}
		s.conn.Bulk(true)
		s.conn.Resume()
		s.arm()
	}
	s.maybeHalfClosed()
}

// readBody takes body bytes that were read after the exchange was pinned.
func (x *exchange) readBody(b []byte) int {
	if x.s.state == stateDiscard {
		return x.discard(b)
	}
	s := x.s
	n := x.feed(b)
	if s.x == x && s.state == stateOpen && !x.wanting() {
		s.conn.Pause()
		if x.bodyDone {
			s.conn.Bulk(false)
		}
	}
	return n
}

// feed decodes from b and passes on, as long as the bytes are wanted; it returns the bytes used. What
// user code decides is carried out when it returns, so x may be over and reused then.
func (x *exchange) feed(b []byte) (n int) {
	x.enter()
	for n < len(b) && x.wanting() {
		data, used, err := x.decode(b[n:])
		n += used
		if err != nil {
			x.badBody(err)
			break
		}
		if len(data) > 0 {
			x.body(data)
		}
		if x.bodyDone && x.sink != nil {
			x.takeTrailers()
			x.bodyEnd(nil)
		}
	}
	if x.ended && !x.over && len(x.rest) > 0 && n <= len(x.rest) {
		x.rest = x.rest[n:] // settle looks at what is left
	}
	if x.exit() {
		x.settle()
	}
	return n
}

// errBodyTooLarge: a chunked body passed the route's limit.
var errBodyTooLarge = errors.New("server: request body too large")

// decode takes the next piece of body off b.
func (x *exchange) decode(b []byte) (data []byte, used int, err error) {
	switch {
	case x.tunnel != nil:
		data, used = b, len(b)
	case x.req.Chunked:
		data, used, err = x.chunk.Next(b)
		x.bodyDone = x.chunk.Done()
	default:
		used = int(min(int64(len(b)), x.bodyLeft))
		data = b[:used]
		x.bodyLeft -= int64(used)
		x.bodyDone = x.bodyLeft == 0
	}
	x.bytesIn += int64(len(data))
	if err == nil && x.bodyMax >= 0 && x.tunnel == nil && x.bytesIn > x.bodyMax {
		err = errBodyTooLarge
	}
	return data, used, err
}

func (x *exchange) takeTrailers() {
	if !x.req.Chunked {
		return
	}
	trailers := x.tr.RequestTrailers()
	for name, value := range x.chunk.Trailers() {
		_ = trailers.AddBytes(name, value) // parsed as fields already; a full list drops the rest
	}
}

// badBody ends x because its request body is malformed or too large: nothing behind it can be read.
func (x *exchange) badBody(err error) {
	status, reason := 400, pipeline.BadRequest
	switch {
	case errors.Is(err, errBodyTooLarge):
		status, reason = 413, pipeline.EntityTooLarge
	case http1.StatusOf(err) != 0:
		status, reason = http1.StatusOf(err), reasonOf(err)
	}
	x.refuseBody(status, reason, err)
}

// refuseBody tells the sink, then answers if the response has not begun, else resets.
func (x *exchange) refuseBody(status int, reason pipeline.Reason, err error) {
	x.close, x.linger, x.bodyDone = true, true, true
	x.note, x.reason = err, reason
	if x.sink != nil {
		x.bodyEnd(err)
	}
	switch {
	case x.ended:
	case x.tr.Running(): // a Blocking handler answers: it has the error
	case x.headSent:
		x.giveUp(reason)
	case x.tr.Ended(): // the Context left the answer to us when it was told
		x.shortAnswer(status, reason)
	default:
		x.failWith(status, reason)
	}
}

// cutBody: the client's FIN came before the body's end. There is nobody to answer to but a half-closed
// client that broke its promise: the exchange is cancelled.
func (x *exchange) cutBody() {
	x.cause = ErrBodyCut
	x.s.leave(false)
}

// beginDiscard reads on, so that a client that is still sending its body gets the answer and keeps
// the connection: bounded by discardBytesMax and discardTimeout.
func (x *exchange) beginDiscard() {
	s := x.s
	s.since = s.ls.loop.Now()
	s.arm()
	if x.buf == nil {
		return // inside OnData, which goes on with discard
	}
	n := x.discard(x.rest)
	if s.x != x {
		return
	}
	x.rest = x.rest[n:]
	x.ls.loop.ReleaseBuffer(x.buf)
	x.buf, x.rest = nil, nil
	s.conn.Bulk(true)
	s.conn.Resume()
}

// discard drops body bytes; at their end the session waits for the next head.
func (x *exchange) discard(b []byte) (n int) {
	s := x.s
	for n < len(b) && !x.bodyDone {
		data, used, err := x.decode(b[n:])
		n += used
		x.discarded += len(data)
		if err != nil || x.discarded > discardBytesMax {
			s.leave(true)
			return len(b)
		}
	}
	if x.bodyDone {
		if x.buf != nil {
			x.rest = x.rest[n:]
		}
		s.setState(stateIdle)
		s.next(x)
	}
	return n
}
