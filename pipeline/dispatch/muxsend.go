package dispatch

import (
	"strconv"

	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// frameRoom is what the small frames need at most.
const frameRoom = 64

// writeRequest writes the REQUEST of j on its stream. false: the head is too large for a frame, and j
// has been answered.
//
// Hot path: once per request. No allocation: TestMuxAllocs.
func (j *job) writeRequest(u *upstream) bool {
	s, r := j.s, j.c.Request()
	id := j.requestID()
	room := r.Size() + 3*len(r.Host()) + len(id) + len(j.c.PathBase()) + headRoomBytes +
		16*(r.NumFields()+outlineRoom)
	dst := u.conn.Reserve(room)
	s.lines, s.outlining = s.lines[:0], true
	b := frame.OpenRequest(dst)
	h := frame.RequestHead{Length: j.bodyLength(), Method: len(r.Method())}
	b = append(append(b, r.Method()...), ' ')
	from := len(b)
	b = j.appendTarget(b)
	h.Target = len(b) - from
	if h.Path = h.Target; r.Query() != nil {
		h.Path -= len(r.Query()) + 1
	}
	b = append(b, " HTTP/1.1\r\n"...)
	b = j.appendHost(b)
	trusted := j.trusted()
	b = j.appendFields(b, trusted)
	if v := r.Get(http1.ContentLength); v != nil {
		b = s.line(b, "Content-Length", view(v))
	} else if n := j.bodyLength(); n >= 0 {
		b = s.line(b, "Content-Length", strconv.FormatInt(n, 10))
	}
	offers := r.Upgrade && r.Offers("")
	if offers {
		at := len(b)
		b = r.AppendOffer(append(b, "Upgrade: "...))
		s.noteLine(b, at, len("Upgrade"))
		b = append(b, "\r\n"...)
	}
	b = j.appendForwarded(b, trusted)
	b = s.line(b, "X-Request-Id", id)
	b = append(b, "\r\n"...)
	s.outlining = false
	h.Flags = j.flags()
	if offers {
		h.Flags |= frame.FlagUpgrade
	}
	b, err := frame.CloseRequest(b, 0, u.id, !r.HasBody() && !offers && !j.connects(), &h, s.lines)
	if err != nil {
		j.fail(431, pipeline.ReasonRequestLength, "")
		return false
	}
	if cap(b) != cap(dst) { // the estimate was too low: append moved it
		u.conn.Write(b)
	} else {
		u.conn.Commit(b)
	}
	return true
}

// outlineRoom is how many lines are added to the client's at most.
const outlineRoom = 12

func (j *job) flags() (f uint16) {
	r := j.c.Request()
	if j.chunks() {
		f |= frame.FlagBody
	}
	if r.ExpectContinue && !j.receiving {
		f |= frame.FlagContinue
	}
	if r.Minor == 0 {
		f |= frame.FlagOld
	}
	if r.Has(http1.TE) && listsTrailers(r) {
		f |= frame.FlagTrailers
	}
	return f
}

// writeData writes body bytes as DATA; the worker's window shrinks. Beyond it one piece is allowed.
func (u *upstream) writeData(b []byte) {
	for len(b) > 0 {
		n := min(len(b), dataBytesMax)
		u.conn.Commit(frame.AppendHeader(u.conn.Reserve(frame.HeaderSize), frame.Data, false, u.id, n))
		if n < throughMin {
			u.conn.Write(b[:n])
		} else {
			u.conn.WriteThrough(b[:n])
		}
		u.window -= int64(n)
		b = b[n:]
	}
}

// writeBodyEnd ends the request's body, with the client's trailers.
func (j *job) writeBodyEnd(u *upstream) {
	r := j.c.Request()
	if !r.HasBody() {
		return // REQUEST had END
	}
	s, t := j.s, j.c.RequestTrailers()
	if t.Len() > 0 {
		s.lines, s.outlining = s.lines[:0], true
		var text []byte
		for name, value := range t.All() {
			if http1.TrailerAllowed(http1.KnownName(name)) && !aliases([]byte(name), false) {
				text = s.line(text, name, value)
			}
		}
		s.outlining = false
		if b, err := frame.AppendTrailers(nil, u.id, text, s.lines); err == nil && len(s.lines) > 0 {
			u.conn.Write(b)
			return
		}
	}
	u.conn.Commit(frame.AppendHeader(u.conn.Reserve(frame.HeaderSize), frame.Data, true, u.id, 0))
}

// writeEnd ends what is sent on a tunnel.
func (u *upstream) writeEnd() {
	u.conn.Commit(frame.AppendHeader(u.conn.Reserve(frame.HeaderSize), frame.Data, true, u.id, 0))
}

// cancel tells the worker that nobody waits for the answer.
func (u *upstream) cancel() {
	if u.id != 0 && !u.conn.Closed() {
		u.conn.Commit(frame.AppendCancel(u.conn.Reserve(frameRoom), u.id, frame.Over))
	}
}

// credit gives the worker room for what the client has taken, when it is worth a frame.
func (u *upstream) credit() {
	if u.owed >= frame.Window/2 && !u.conn.Closed() {
		u.conn.Commit(frame.AppendCredit(u.conn.Reserve(frameRoom), u.id, uint32(u.owed)))
		u.owed = 0
	}
}

// room reports whether more of the request's body may be written.
func (u *upstream) room() bool { return u.conn.Room() && (u.mux == nil || u.window > 0) }
