package dispatch

import (
	"bytes"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/http1"
)

// onData takes bytes of a worker and returns how many it consumed. j may be over when it returns.
//
// Hot path: once per read from a worker. No allocation: TestProxyAllocs.
func (j *job) onData(u *upstream, b []byte) int {
	j.moved = j.s.loop.Now()
	n := 0
	if u.records() {
		n = j.takeRecords(u, b)
	} else {
		j.gotByte = true
		n = j.take(u, b)
	}
	if u.job == j {
		j.armIdle()
	}
	return n
}

// take takes heads and body of the response.
func (j *job) take(u *upstream, b []byte) int {
	n := 0
	for j.stage == stageSent {
		if n > 0 && n == len(b) { // informational responses and no more
			return n
		}
		used, ok := j.onHead(u, b[n:])
		n += used
		if u.job != j {
			return len(b) // given up, or on another connection: this one is closed
		}
		j.gotByte = j.gotByte || n < len(b)
		if !ok {
			return n
		}
	}
	j.onBody(u, b[n:])
	return len(b)
}

// onHead takes one head from the start of b. ok is false when more bytes are needed.
func (j *job) onHead(u *upstream, b []byte) (n int, ok bool) {
	if len(b) < j.need {
		u.conn.Grow()
		return 0, false
	}
	if !j.worthParsing(b) {
		u.conn.Grow()
		return 0, false
	}
	r := &j.s.resp
	size, err := r.Parse(b, 0, &responseLimits)
	switch {
	case err != nil:
		j.fail(502, reasonProtocol, "")
		return 0, false
	case size == 0:
		j.seen = len(b)
		u.conn.Grow()
		return 0, false
	case r.Status == 101 && u.lane.w.protocol == HTTP:
		return size, j.onSwitch(r)
	case j.connects() && r.Status/100 == 2 && u.lane.w.protocol == HTTP:
		return size, j.onConnect(r)
	case r.Status == 101: // nobody has offered it that
		j.fail(502, reasonProtocol, "")
		return 0, false
	case r.Status < 200:
		j.seen = 0
		return size, j.onInterim(u, r)
	}
	kind, length := r.BodyKind(j.c.IsHead(), false)
	if kind == http1.BodyLength && length <= smallBodyMax && !j.late &&
		int64(len(b)-size) < length {
		j.awaitSmall(u, size+int(length))
		return 0, false
	}
	j.kind, j.left = kind, length
	j.reuse = u.lane.w.protocol == HTTP && r.KeepAlive && kind != http1.BodyUntilClose && !announcesMore(r, kind)
	if kind == http1.BodyChunked {
		j.left = -1
	}
	if path, named := j.namedBy(r); named {
		j.sendNamed(u, r, j.isWhole(b[size:]), path)
		return 0, false
	}
	if !j.takeHead(r) {
		return 0, false
	}
	if !j.bodyDone && (r.Status >= 300 || j.expecting) { // one below 300 may go on reading while it answers
		j.stopBody()
	}
	j.expecting = false
	return size, true
}

// announcesMore says whether a response that has no body, as to HEAD, tells of one. A worker that sends
// it all the same, perhaps a moment later, would have it taken for the next answer on its connection.
func announcesMore(r *http1.Response, kind http1.Body) bool {
	return kind == http1.BodyNone && (r.ContentLength > 0 || r.Chunked)
}

// worthParsing keeps a head that comes in small pieces from being parsed at each: the first bytes
// are looked at for what is no HTTP, then the end must have come.
func (j *job) worthParsing(b []byte) bool {
	if j.seen == 0 || len(b) >= responseLimits.HeadBytes {
		return true
	}
	from := max(min(j.seen, len(b))-3, 0)
	j.seen = len(b)
	return bytes.Contains(b[from:], []byte("\r\n\r\n"))
}

// awaitSmall leaves a small response with the connection until it is whole, or for a moment: it
// then leaves in one send, and until then the request may be replayed.
func (j *job) awaitSmall(u *upstream, need int) {
	if j.need == 0 {
		now := j.s.loop.Now()
		j.wakeAt = now + int64(smallWait)
		j.arm(now)
	}
	j.need = need
	j.seen = 0
	j.expecting = false // this is the answer: no 100 will come
	u.conn.Grow()
}

// onInterim passes an informational response on. It is progress, but not yet the answer: the clock
// for that begins anew.
func (j *job) onInterim(u *upstream, r *http1.Response) bool {
	if !j.passesOn(r.Status) {
		return u.job == j
	}
	f := &j.s.fields
	f.Reset()
	for i := range r.NumFields() {
		if !r.HopByHop(i) && !isOurs(r.FieldName(i)) {
			_ = f.AddBytes(r.FieldName(i), r.FieldValue(i)) // hints: one that does not fit is left out
		}
	}
	j.informed = true
	_ = j.c.Inform(r.Status, f) // not started yet, and the status is 102 to 199
	return u.job == j
}

// passesOn counts an informational response and says whether the client gets it; j may be over
// afterwards.
func (j *job) passesOn(status int) bool {
	if j.interims++; j.interims > interimsMax {
		j.fail(502, reasonProtocol, "")
		return false
	}
	j.gotByte = false
	j.heldFrom = j.moved
	if j.sentAll != 0 {
		j.sentAll = j.moved
	}
	if status == 100 && j.expecting {
		j.wakeAt = 0
		j.receive()
	}
	return status != 100
}

// isOurs says whether a response field is one that only the front may send, or that is for the front
// alone: no client learns where a worker's files lie.
func isOurs(name []byte) bool {
	if len(name) < len(fieldSendfile) || name[0]|0x20 != 'x' {
		return false
	}
	return foldIs(name, "x-weir-reason") || foldIs(name, fieldAccel) || foldIs(name, fieldSendfile)
}

// takeHead takes a final head over. false: j is over.
func (j *job) takeHead(r *http1.Response) bool {
	err := j.c.SetStatus(r.Status)
	f := j.c.Fields()
	for i := 0; i < r.NumFields() && err == nil; i++ {
		k := r.KnownOf(i)
		if r.HopByHop(i) && !j.challenges(r, i) || k == http1.ContentLength ||
			k == http1.Server && j.set.HideServer || k == http1.Unknown && isOurs(r.FieldName(i)) {
			continue
		}
		err = f.AddBytes(r.FieldName(i), r.FieldValue(i))
	}
	if err != nil {
		j.fail(502, reasonProtocol, "")
		return false
	}
	return j.startAnswer(r.Status, r.ContentLength)
}

// challenges says whether field i asks the client of CONNECT who it is: the worker is its proxy.
func (j *job) challenges(r *http1.Response, i int) bool {
	return r.KnownOf(i) == http1.ProxyAuthenticate && !r.ConnectionListed(i) && j.connects()
}

// startAnswer hands the head over, whose status and fields are set. false: j is over.
func (j *job) startAnswer(status int, length int64) bool {
	c := j.c
	j.need, j.wakeAt = 0, 0
	switch {
	case length >= 0:
	case j.kind == http1.BodyNone && status == 204:
		length = 0
	default:
		length = pipeline.LengthUnknown
	}
	if status >= 500 {
		bump(&j.lane.errors)
	}
	j.x.FromWorker()
	j.observe()
	j.stage = stageRelay
	u := j.up
	if c.StartResponse(length) != nil || c.Ended() {
		if u.job == j { // a callback has given the exchange up
			j.drop()
		}
		return false
	}
	return u.job == j
}

// onBody takes body bytes; the response is complete when the last has come.
func (j *job) onBody(u *upstream, b []byte) {
	room, n := true, 0
	switch j.kind {
	case http1.BodyNone:
	case http1.BodyLength:
		n = int(min(j.left, int64(len(b))))
		j.left -= int64(n)
		room = n == 0 || j.c.SendBody(b[:n])
	case http1.BodyChunked:
		for n < len(b) && !j.chunk.Done() {
			data, used, err := j.chunk.Next(b[n:])
			if err != nil {
				j.fail(502, reasonProtocol, "")
				return
			}
			n += used
			if len(data) > 0 {
				room = j.c.SendBody(data)
			}
			if u.job != j || j.c.Ended() {
				break
			}
		}
		if j.chunk.Done() {
			j.left = 0
		}
	case http1.BodyTunnel:
		if n = len(b); n > 0 {
			room = j.c.SendBody(b)
		}
	case http1.BodyUntilClose:
		n, j.left = len(b), -1
		room = n == 0 || j.c.SendBody(b)
	}
	switch {
	case u.job != j: // the client went away meanwhile
	case j.c.Ended(): // a filter gave the exchange up
		j.drop()
	case j.left == 0 || j.kind == http1.BodyNone:
		j.finish(u, n == len(b))
	case !room:
		j.choked = true
		u.conn.Pause()
	}
}

// finish ends a whole response: the connection is free before the client's next request can come.
func (j *job) finish(u *upstream, clean bool) {
	c, x := j.c, j.x
	if j.kind == http1.BodyChunked {
		t := c.Trailers()
		for name, value := range j.chunk.Trailers() {
			if !isOurs(name) {
				_ = t.AddBytes(name, value) // trailers are optional: one that does not fit is left out
			}
		}
	}
	j.part(u, clean)
	end(c, x)
}

// part ends j, whose worker has answered; the connection is free for the next request where it is
// clean: where nothing else was on it.
func (j *job) part(u *upstream, clean bool) {
	s, l := j.s, j.lane
	sent := u.mux != nil || j.fileSent() // of STDIN, a piece may be under way from the file
	l.removeBusy(j)
	j.lane, j.up, u.job = nil, nil, nil
	reuse := j.reuse && sent && clean && l.w.proxy == 0 && j.bodyDone && !j.expecting && !u.conn.Pending() && !u.conn.EOF()
	s.release(j)
	l.w.completed()
	if reuse && workerState(l.w.state.Load()) == workerReady && !s.stopped {
		u.conn.SetTimer(s.loop.Now() + int64(idleKeep))
		l.push(u)
	} else {
		u.close()
	}
	if s.pool.waiters.Load() > 0 {
		s.serve()
	}
}

// end completes the response.
func end(c *pipeline.Context, x exchange) {
	defer guarded(x)
	_ = c.EndResponse(nil) // its error has already ended the exchange
}

// onEOF is the end of what the worker sends.
func (j *job) onEOF(u *upstream) {
	if j.stage == stageTunnel {
		j.workerEnded()
		return
	}
	if j.stage == stageRelay && j.kind == http1.BodyUntilClose && !u.records() {
		j.finish(u, true)
		return
	}
	j.onBroken(u)
}

// onBroken is the end of a connection that should go on.
func (j *job) onBroken(u *upstream) {
	if u.records() && j.hasWhole() {
		j.finish(u, false)
		return
	}
	j.lost(j.consumed(), 502, reasonAbandoned)
}

var _ netpoll.Handler = (*upstream)(nil)
