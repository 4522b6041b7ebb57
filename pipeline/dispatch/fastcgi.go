package dispatch

import (
	"weir/pipeline"
	"weir/protocol/cgi"
	"weir/protocol/fastcgi"
	"weir/protocol/http1"
)

// This file is one request over FastCGI, once its head is written: the body in STDIN records, and what
// comes back. The connection is kept only when END_REQUEST has ended an answer in order, and we have sent
// all of the request. An answer that ends otherwise, or with less than it promised, is cut.

// records says whether u's worker speaks FastCGI.
func (u *upstream) records() bool { return u.lane.w.protocol == FastCGI }

// writeStdin writes body bytes as STDIN.
func (u *upstream) writeStdin(b []byte) {
	for len(b) > 0 {
		n := min(len(b), stdinMax)
		u.conn.Commit(fastcgi.AppendStdin(u.conn.Reserve(fastcgi.HeaderSize), n))
		if n < throughMin {
			u.conn.Write(b[:n])
		} else {
			u.conn.WriteThrough(b[:n])
		}
		b = b[n:]
	}
}

// endStdin ends the body.
func (u *upstream) endStdin() {
	u.conn.Commit(fastcgi.AppendStdin(u.conn.Reserve(fastcgi.HeaderSize), 0))
}

// sendRecords goes on with a body in a file, as STDIN, for as long as there is room. Each record needs a
// header, so the file is read: sendfile would need a descriptor for each.
func (j *job) sendRecords(u *upstream) {
	b := j.spooled
	switch {
	case b.sent == b.size:
		u.endStdin()
	case !u.room():
		j.paused = true
	case !b.read(u):
		j.fail(503, pipeline.BlockingFull, "")
	}
}

// read has the next piece for u read, by the pool for blocking work. false: that is full.
func (b *spooled) read(u *upstream) bool {
	loop, file, off := b.j.s.loop, b.file, b.sent
	piece := b.spare
	b.spare = nil
	if cap(piece) < stdinMax {
		piece = make([]byte, stdinMax)
	}
	piece = piece[:min(b.size-off, stdinMax)]
	return b.j.x.Blocking(func() {
		_, err := file.ReadAt(piece, off) // it may be closed meanwhile: then nobody waits for it
		loop.Post(func() { b.wasRead(u, piece, err) })
	})
}

// wasRead sends a piece, unless its request has gone elsewhere meanwhile. On the loop.
func (b *spooled) wasRead(u *upstream, piece []byte, err error) {
	b.spare = piece
	j := b.j
	if j == nil || u.job != j || j.up != u {
		return
	}
	defer j.guard(j.c)
	if err != nil {
		b.sp.fail(err)
		j.fail(500, pipeline.SpoolFailed, "")
		return
	}
	b.sent += int64(len(piece))
	u.writeStdin(piece)
	j.sendRecords(u)
}

// takeRecords takes what the worker says and returns how many bytes it consumed. j may be over when it
// returns.
//
// Hot path: once per read from a worker. No allocation: TestGatewayAllocs.
func (j *job) takeRecords(u *upstream, b []byte) (n int) {
	for u.job == j {
		p, used, err := u.decoder.Next(b[n:])
		if n += used; err != nil {
			j.fail(502, reasonProtocol, "")
			break
		}
		switch p.Kind {
		case fastcgi.More:
			u.conn.Grow()
			j.pauseChoked(u)
			return n
		case fastcgi.Stdout:
			j.gotByte = true
			j.onStdout(u, p.Content, b[n:])
		case fastcgi.Stderr:
			j.lane.w.reports(p.Content)
		case fastcgi.End:
			j.onEndRequest(u, p.Status, n == len(b))
		}
	}
	return len(b)
}

// reports tells of what the worker says on STDERR.
func (w *worker) reports(b []byte) {
	for len(b) > 0 {
		n := min(len(b), reportMax)
		w.pool.ev.Reported(w.pool.name, w.n, string(b[:n]))
		b = b[n:]
	}
}

// onStdout takes bytes of the answer, behind which rest has come.
func (j *job) onStdout(u *upstream, b, rest []byte) {
	if j.stage == stageRelay {
		j.relay(u, b)
		return
	}
	if len(j.held) > 0 {
		j.held = append(j.held, b...)
		b = j.held
	}
	switch {
	case len(b) < j.need: // a small answer that is awaited
		return
	case j.need == 0:
		j.headEnd = cgi.HeadEnd(b, j.seen)
	}
	switch {
	case j.headEnd > responseLimits.HeadBytes, j.headEnd == 0 && len(b) > responseLimits.HeadBytes:
		j.fail(502, reasonProtocol, "")
	case j.headEnd == 0:
		j.seen = len(b)
		j.keepHead(b)
	default:
		more, behind, whole := u.decoder.Rest(rest)
		j.startCGI(u, b, more, whole, behind == 0)
	}
}

// keepHead keeps the beginning of an answer.
func (j *job) keepHead(b []byte) {
	if len(j.held) == 0 {
		j.held = append(j.held, b...)
	}
}

// startCGI hands the answer over that b begins, whose head is whole. whole says that all of it has come,
// more bytes behind b, and alone that nothing follows it. A small one that is not whole is awaited.
func (j *job) startCGI(u *upstream, b []byte, more int, whole, alone bool) {
	s, r := j.s, &j.s.resp
	head, err := cgi.AppendHead(s.gateway.text[:0], b[:j.headEnd])
	s.gateway.text = head[:0]
	n := 0
	if err == nil {
		n, err = r.Parse(head, 0, &responseLimits)
	}
	if err != nil || n != len(head) {
		j.fail(502, reasonProtocol, "")
		return
	}
	body := b[j.headEnd:]
	j.kind, j.left = r.BodyKind(j.c.IsHead(), false)
	switch {
	case j.kind == http1.BodyUntilClose && whole: // it has not said so itself
		j.kind, j.left = http1.BodyLength, int64(len(body)+more)
		r.ContentLength = j.left
	case j.kind == http1.BodyUntilClose && !j.late && len(body) <= smallBodyMax:
		j.awaitHeld(b, smallBodyMax+1) // most end soon
		return
	case j.kind == http1.BodyUntilClose:
		j.left = -1
	case j.kind == http1.BodyLength && whole && int64(len(body)+more) < j.left: // it would be cut
		j.fail(502, reasonProtocol, "")
		return
	case j.kind == http1.BodyLength && j.left <= smallBodyMax && !j.late && !whole && int64(len(body)) < j.left:
		j.awaitHeld(b, int(j.left))
		return
	}
	j.reuse = true
	if path, named := j.namedBy(r); named {
		j.sendNamed(u, r, whole && alone, path)
		return
	}
	if !j.takeHead(r) {
		return
	}
	if !j.bodyDone && r.Status >= 300 {
		j.stopBody()
	}
	if len(body) > 0 {
		j.relay(u, body)
	}
}

// awaitHeld keeps a small answer until it has so many bytes of body, or ends, or for a moment; see
// awaitSmall.
func (j *job) awaitHeld(b []byte, body int) {
	if j.need == 0 {
		now := j.s.loop.Now()
		j.wakeAt = now + int64(smallWait)
		j.arm(now)
	}
	j.need = j.headEnd + body
	j.keepHead(b)
}

// relay passes body bytes on. What is more than the answer promised is dropped, and so is the connection.
func (j *job) relay(u *upstream, b []byte) {
	switch j.kind {
	case http1.BodyNone:
		return
	case http1.BodyLength:
		if int64(len(b)) > j.left {
			b, j.reuse = b[:j.left], false
		}
		j.left -= int64(len(b))
	}
	room := len(b) == 0 || j.c.SendBody(b)
	switch {
	case u.job != j: // the client went away meanwhile
	case j.c.Ended(): // a filter gave the exchange up
		j.drop()
	case !room:
		j.choked = true // see pauseChoked: the end may have come, too
	}
}

// pauseChoked reads no more of the worker while the client has no room.
func (j *job) pauseChoked(u *upstream) {
	if j.choked {
		u.conn.Pause()
	}
}

// onEndRequest takes END_REQUEST; clean says that nothing came behind it.
func (j *job) onEndRequest(u *upstream, status fastcgi.Status, clean bool) {
	if status == fastcgi.Complete && j.stage == stageSent && j.need > 0 {
		if j.startCGI(u, j.held, 0, true, clean); u.job != j {
			return
		}
	}
	switch {
	case status == fastcgi.Overloaded && j.stage == stageSent && !j.gotByte:
		j.lost(false, 503, reasonRefused)
	case status != fastcgi.Complete || j.stage == stageSent || j.kind == http1.BodyLength && j.left > 0:
		j.fail(502, reasonProtocol, "") // no answer, or one that is cut
	default:
		j.finish(u, clean)
	}
}

// hasWhole says whether the answer is whole by what it promised, although END_REQUEST has not come.
func (j *job) hasWhole() bool {
	return j.stage == stageRelay && (j.kind == http1.BodyNone || j.kind == http1.BodyLength && j.left == 0)
}
