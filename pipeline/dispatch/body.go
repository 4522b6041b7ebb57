package dispatch

import (
	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/http1"
)

// receive starts the request body. The exchange may call OnBody and OnBodyEnd before it returns,
// and j may be over by then.
func (j *job) receive() {
	j.expecting = false
	j.receiving = true
	j.c.ReceiveBody(j)
}

// resend writes what is held of the body to another worker and goes on with the rest.
func (j *job) resend(u *upstream) {
	j.writeBody(u, j.body)
	if j.bodyDone {
		j.writeEnd(u)
		return
	}
	j.resumeBody()
}

// OnBody implements pipeline.BodySink.
func (j *job) OnBody(c *pipeline.Context, b []byte) {
	if j.c != c || j.stopped {
		return
	}
	if j.stage == stageSpool {
		j.onSpool(b)
		return
	}
	u := j.up
	if u == nil || j.stage < stageSent {
		j.body = append(j.body, b...) // between two workers: the exchange is paused, this was under way
		j.pauseBody()
		return
	}
	if j.stage == stageTunnel {
		j.moved = j.s.loop.Now()
	}
	if j.keep {
		j.hold(u, b)
	}
	j.writeBody(u, b)
	if !u.room() {
		j.pauseBody()
	}
}

// hold keeps b for a replay, as long as the body is small. Beyond that it is seen to first that the
// worker has a byte: until then the request is unconsumed, and nothing of it may be lost.
func (j *job) hold(u *upstream, b []byte) {
	if len(j.body)+len(b) > heldBodyMax {
		u.conn.Flush()
		if u.conn.Sent() > j.base {
			j.keep = false
			j.body = j.body[:0]
			return
		}
		j.pauseBody() // broken, which OnClose will say, or full: until it takes something
	}
	j.body = append(j.body, b...)
}

// OnBodyEnd implements pipeline.BodySink.
func (j *job) OnBodyEnd(c *pipeline.Context, err error) {
	switch {
	case j.c != c:
	case err != nil:
		j.drop() // the exchange answers by itself
	case j.stage == stageSpool:
		j.onSpoolEnd()
	case j.stage == stageTunnel:
		j.clientEnded()
	default:
		j.bodyDone = true
		if j.up != nil && j.stage >= stageSent && !j.stopped {
			j.writeEnd(j.up)
		}
	}
}

// writeBody writes body bytes in the framing of the head.
func (j *job) writeBody(u *upstream, b []byte) {
	if len(b) == 0 {
		return
	}
	if u.mux != nil {
		u.writeData(b)
		j.moved = j.s.loop.Now()
		return
	}
	if u.records() {
		u.writeStdin(b)
		return
	}
	c := u.conn
	switch {
	case !j.chunks() && len(b) < throughMin:
		c.Write(b)
	case !j.chunks():
		c.WriteThrough(b)
	case len(b) < throughMin:
		c.Commit(http1.AppendChunk(c.Reserve(len(b)+chunkRoom), b))
	default:
		c.Commit(http1.AppendChunkHeader(c.Reserve(chunkRoom), int64(len(b))))
		c.WriteThrough(b)
		c.Write(crlf)
	}
}

// chunkRoom is what a chunk has beside its data: size, and two line ends.
const chunkRoom = 24

var crlf = []byte("\r\n")

// writeEnd ends a chunked body, with the client's trailers.
func (j *job) writeEnd(u *upstream) {
	if u.mux != nil {
		j.writeBodyEnd(u)
		return
	}
	if u.records() {
		u.endStdin()
		return
	}
	if !j.chunks() {
		return
	}
	t := j.c.RequestTrailers()
	if t.Len() == 0 {
		u.conn.Commit(http1.AppendLastChunk(u.conn.Reserve(chunkRoom)))
		return
	}
	dst, trusted := http1.AppendTrailerStart(nil), j.trusted()
	for name, value := range t.All() {
		if !http1.TrailerAllowed(http1.KnownName(name)) || aliases([]byte(name), trusted) {
			continue // some applications see trailers among the fields
		}
		if with, err := http1.AppendField(dst, name, value); err == nil {
			dst = with
		}
	}
	u.conn.Write(append(dst, crlf...))
}

func (j *job) pauseBody() {
	if !j.paused && !j.bodyDone {
		j.paused = true
		j.c.PauseBody()
	}
}

// resumeBody goes on reading the client; bytes may come before it returns.
func (j *job) resumeBody() {
	if !j.paused || j.stopped {
		return
	}
	j.paused = false
	switch {
	case !j.inFile() || !j.bodyDone:
		j.c.ResumeBody()
	case j.up.mux != nil:
		j.sendFrames(j.up)
	case j.up.records():
		j.sendRecords(j.up)
	}
}

// stopBody wants no more of the body: the worker has answered without.
func (j *job) stopBody() {
	if !j.bodyDone && !j.stopped {
		if j.receiving {
			j.pauseBody()
		}
		j.stopped = true
	}
}

var _ pipeline.BodySink = (*job)(nil)
var _ pipeline.Source = (*job)(nil)
var _ netpoll.Expirer = (*job)(nil)
