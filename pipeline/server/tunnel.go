package server

import (
	"bytes"
	"strings"

	"weir/pipeline"
	"weir/protocol/http1"
)

// tunnel is what an exchange has beside once its response is a 101, or a 2xx to CONNECT: from then on
// the body, both ways, is every byte until a FIN.
type tunnel struct {
	frames *frames // of what is sent to the client of a WebSocket; nil for other protocols
	leave  bool    // the client is to be told between two frames that we go
	silent bool    // FIN, or a Close frame of ours, was sent: nothing may follow
}

// ownHead copies the head of a request that asks for a tunnel, before anybody has a view of it: a
// tunnel may last for days, and the buffer that the head came in is for others meanwhile.
func (x *exchange) ownHead() {
	if x.req.Verb == http1.VerbConnect || x.req.Upgrade && x.req.Offers("") {
		x.req.Rebase(bytes.Clone(x.req.Bytes()))
	}
}

// freeInput gives the buffer of a tunnel's head back when the tunnel's bytes in it have gone.
func (x *exchange) freeInput() {
	if x.buf != nil && len(x.rest) == 0 {
		x.s.conn.ReleaseInput(x.buf)
		x.buf, x.rest = nil, nil
	}
}

// startTunnel sends its head. Bytes of the client that came with the request's head, or since, are the
// tunnel's: they were kept back.
func (x *exchange) startTunnel(status int, fields *pipeline.Fields) {
	x.tunnel = &tunnel{}
	if status == 101 && strings.EqualFold(fields.Get("Upgrade"), "websocket") {
		x.tunnel.frames = &frames{}
	}
	x.left, x.close, x.linger = pipeline.LengthUnknown, true, true
	x.sink, x.bodyDone, x.paused = nil, false, false
	if x.s == nil {
		return
	}
	x.s.halfAt = 0 // a FIN is passed on when reading comes to it
	conn := x.s.conn
	dst := x.appendOpening(conn.Reserve(headBytes(fields)), status, fields)
	dst = appendFields(dst, fields)
	if status == 101 {
		dst = append(dst, "Connection: Upgrade\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	x.headGoes(len(dst))
	conn.Commit(dst)
	if g := x.s.ln.guest; x.s.ls.draining || x.s.ln.idleAt != 0 || g != nil && g.ends {
		x.GoAway(pipeline.ReasonNone)
	}
}

// sendRaw sends bytes of a tunnel.
func (x *exchange) sendRaw(b []byte) (room bool) {
	t := x.tunnel
	switch {
	case t.silent:
		return true // nobody is to get them
	case t.frames != nil:
		if at, ends := t.frames.advance(b, t.leave); ends && t.leave {
			room = x.write(b[:at])
			x.sayGoingAway()
			return room
		}
	}
	return x.write(b)
}

func (x *exchange) write(b []byte) (room bool) {
	x.bytesOut += int64(len(b))
	if len(b) >= writeThroughBytes {
		return x.s.conn.WriteThrough(b)
	}
	return x.s.conn.Write(b)
}

// goingAway is a Close frame, status 1001. RFC 6455 sections 5.5.1 and 7.4.1.
var goingAway = []byte{0x88, 2, 1001 >> 8, 1001 & 0xff}

// sayGoingAway ends what is sent to the client of a WebSocket, which answers with a Close frame of its
// own; the worker gets that, and ends the tunnel.
func (x *exchange) sayGoingAway() {
	x.tunnel.silent = true
	x.bytesOut += int64(len(goingAway))
	x.s.conn.Write(goingAway)
}

// GoAway ends a tunnel gently, for why: the client of a WebSocket gets a Close frame (1001) as soon as
// the frame that is being sent is whole, that of another protocol FIN. No effect on other exchanges.
func (x *exchange) GoAway(why pipeline.Reason) {
	t := x.tunnel
	if t == nil || x.s == nil || x.ended {
		return
	}
	if x.reason == pipeline.ReasonNone {
		x.reason = why
	}
	switch {
	case t.silent || t.leave:
	case t.frames == nil:
		x.CloseWrite()
	case t.frames.closed:
	case t.frames.between():
		x.sayGoingAway()
	default:
		t.leave = true
	}
}

// CloseWrite implements pipeline.Exchange.
func (x *exchange) CloseWrite() {
	if x.tunnel == nil || x.s == nil {
		return
	}
	x.tunnel.silent = true
	x.s.conn.ShutdownWrite()
}

// tunnelEOF passes the client's FIN on.
func (x *exchange) tunnelEOF() {
	x.bodyDone = true
	if x.sink == nil {
		return // ReceiveBody tells
	}
	x.bodyEnd(nil)
}
