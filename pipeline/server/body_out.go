package server

import (
	"os"

	"weir/pipeline"
	"weir/protocol/http1"
)

// SendInformational implements pipeline.Exchange. To a client that takes nothing none is sent: it is
// only a hint, and nobody waits for room before the next.
func (x *exchange) SendInformational(status int, fields *pipeline.Fields) {
	if x.s == nil || x.req.Minor == 0 || !x.s.conn.Room() {
		return
	}
	conn := x.s.conn
	dst := http1.AppendStatusLine(conn.Reserve(headBytes(fields)), status)
	dst = append(appendFields(dst, fields), "\r\n"...)
	x.headGoes(len(dst))
	conn.Commit(dst)
}

// SendHead implements pipeline.Exchange.
//
// Hot path: once per exchange. No allocation: TestPlaintextAllocs.
func (x *exchange) SendHead(status int, fields *pipeline.Fields, length int64) {
	x.headSent, x.status = true, status
	if length == pipeline.LengthTunnel {
		x.startTunnel(status, fields)
		return
	}
	x.noBody = status < 200 || status == 204 || status == 304 || x.req.Verb == http1.VerbHead
	x.left = length
	x.chunked = length < 0 && !x.noBody && x.req.Minor == 1
	x.decideClose(length)
	if x.s == nil {
		return
	}
	conn := x.s.conn
	dst := x.appendOpening(conn.Reserve(headBytes(fields)), status, fields)
	dst = appendFields(dst, fields)
	dst = x.appendFraming(dst, status, length)
	if r := x.why(); r != pipeline.ReasonNone && x.s.local() {
		dst = append(append(append(dst, "X-Weir-Reason: "...), r.String()...), "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	x.headGoes(len(dst))
	conn.Commit(dst)
}

// headGoes counts a head of n bytes.
func (x *exchange) headGoes(n int) {
	x.bytesOut += int64(n)
	x.headOut += int64(n)
}

// appendOpening appends status line, Server and Date. That of a usual 200 is made once a second.
func (x *exchange) appendOpening(dst []byte, status int, fields *pipeline.Fields) []byte {
	ls := x.ls
	server := !x.worker && !fields.Has("Server")
	date := !fields.Has("Date")
	if status == 200 && server && date {
		return append(dst, ls.usual.at(ls)...)
	}
	dst = http1.AppendStatusLine(dst, status)
	if server {
		dst = append(dst, ls.serverLine...)
	}
	if date {
		dst = ls.date.Append(dst, ls.unix())
	}
	return dst
}

// opening is the start of a 200 response for one second and one Server line.
type opening struct {
	second int64
	server string
	text   []byte
}

// at is the opening for now.
//
// Hot path: once per response. No allocation: TestPlaintextAllocs.
func (o *opening) at(ls *loopServer) []byte {
	if now := ls.unix(); now != o.second || o.server != ls.serverLine || o.text == nil {
		o.second, o.server = now, ls.serverLine
		o.text = append(http1.AppendStatusLine(o.text[:0], 200), ls.serverLine...)
		o.text = ls.date.Append(o.text, now)
	}
	return o.text
}

// decideClose settles whether the connection outlives the response.
func (x *exchange) decideClose(length int64) {
	switch {
	case x.req.Verb == http1.VerbConnect, x.req.Upgrade && x.req.Offers(""):
		// A client that does not wait for the answer may have sent bytes of the tunnel, and more may be
		// under way: they must not be taken for a request.
		x.close, x.linger = true, true
	case x.tr.CloseRequested() || x.ls.draining:
		x.close = true
	case length < 0 && !x.noBody && x.req.Minor == 0:
		x.close = true // the end of the body is the end of the connection
	case x.expecting && !x.bodyDone:
		x.close = true // the client may or may not send the body that nobody asked for
	}
}

func (x *exchange) appendFraming(dst []byte, status int, length int64) []byte {
	switch {
	case status < 200 || status == 204:
		// No length at all. RFC 9110 section 8.6
	case x.chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case length >= 0:
		dst = http1.AppendContentLength(dst, length)
	}
	switch {
	case x.close:
		dst = append(dst, "Connection: close\r\n"...)
	case x.req.Minor == 0:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// appendFields appends fields that were checked when they were added.
func appendFields(dst []byte, fields *pipeline.Fields) []byte {
	if fields == nil {
		return dst
	}
	return fields.AppendTo(dst)
}

// headBytes is room enough for a head with these fields.
func headBytes(fields *pipeline.Fields) int {
	if fields == nil {
		return headOverheadBytes
	}
	return headOverheadBytes + fields.WireLen()
}

// SendBody implements pipeline.Exchange.
//
// Hot path: once per body piece. No allocation: TestPlaintextAllocs.
func (x *exchange) SendBody(b []byte) (room bool) {
	if len(b) == 0 || x.s == nil || x.resetting {
		return x.s != nil && x.s.conn.Room()
	}
	if x.noBody {
		return true
	}
	if x.tunnel != nil {
		return x.sendRaw(b)
	}
	conn := x.s.conn
	if x.chunked {
		dst := http1.AppendChunkHeader(conn.Reserve(chunkHeadBytes), int64(len(b)))
		conn.Commit(dst)
		x.bytesOut += int64(len(dst)) + 2
	} else if x.left >= 0 {
		if int64(len(b)) > x.left {
			x.cutResponse()
			return false
		}
		x.left -= int64(len(b))
	}
	x.bytesOut += int64(len(b))
	if len(b) >= writeThroughBytes {
		room = conn.WriteThrough(b)
	} else {
		room = conn.Write(b)
	}
	if x.chunked && x.s != nil {
		room = conn.Write(crlf)
	}
	return room
}

var crlf = []byte("\r\n")

// SendFile implements pipeline.Exchange.
func (x *exchange) SendFile(f *os.File, off, n int64) {
	if x.s == nil || x.noBody || n == 0 || x.resetting {
		_ = f.Close() // only read from
		return
	}
	if x.left >= 0 && n > x.left {
		_ = f.Close()
		x.cutResponse()
		return
	}
	conn := x.s.conn
	if x.chunked {
		dst := http1.AppendChunkHeader(conn.Reserve(chunkHeadBytes), n)
		conn.Commit(dst)
	} else if x.left >= 0 {
		x.left -= n
	}
	x.bytesOut += n
	conn.SendFile(f, off, n)
	if x.chunked {
		conn.Write(crlf)
	}
}

// SendEnd implements pipeline.Exchange.
//
// Hot path: once per exchange. No allocation: TestPlaintextAllocs.
func (x *exchange) SendEnd(trailers *pipeline.Fields) {
	x.ended = true
	switch {
	case x.s == nil || x.resetting:
	case x.noBody:
	case x.chunked:
		x.endChunks(trailers)
	case x.left > 0:
		x.cutResponse()
	}
	x.settle()
}

func (x *exchange) endChunks(trailers *pipeline.Fields) {
	conn := x.s.conn
	dst := http1.AppendTrailerStart(conn.Reserve(headBytes(trailers)))
	if trailers != nil {
		for i := range trailers.Len() {
			name, value := trailers.At(i)
			if http1.TrailerAllowed(http1.KnownName(name)) {
				dst = append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
			}
		}
	}
	dst = append(dst, "\r\n"...)
	x.bytesOut += int64(len(dst))
	conn.Commit(dst)
}

// cutResponse gives up a response that broke its own Content-Length: the client must not take it for
// whole.
func (x *exchange) cutResponse() {
	x.resetting, x.ended = true, true
	x.cause = ErrShortBody
}

// Abort implements pipeline.Exchange. Status and reason before the head, a reset after it.
func (x *exchange) Abort(status int, reason pipeline.Reason) {
	switch {
	case x.ended:
	case x.s == nil:
		x.ended = true
	case x.headSent || status == 0:
		x.resetting, x.ended = true, true
		x.cutFor(reason)
	default:
		x.shortAnswer(status, reason)
	}
	x.settle()
}

// giveUp resets the connection, or forgets a client that is gone.
func (x *exchange) giveUp(reason pipeline.Reason) {
	x.ended, x.resetting = true, x.s != nil
	x.cutFor(reason)
}

func (x *exchange) cutFor(reason pipeline.Reason) {
	x.reason = reason
	if x.cause == nil {
		x.cause = abortError(reason)
	}
}

// abortError is the Outcome.Err of an exchange cut for a reason.
type abortError pipeline.Reason

func (e abortError) Error() string { return "server: cut: " + pipeline.Reason(e).String() }
