package worker

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"weir/pipeline"
	"weir/protocol/frame"
)

// outPart is a piece of a response that waits: for what is before it, for credit, or to be read from its
// file.
type outPart struct {
	f      *os.File // nil: b
	off, n int64
	b      []byte
}

// SendInformational implements pipeline.Exchange.
func (x *muxStream) SendInformational(status int, fields *pipeline.Fields) {
	if x.ss != nil && !x.headSent {
		x.writeHead(status, fields, frame.LengthUnknown)
	}
}

// SendHead implements pipeline.Exchange.
//
// Hot path: once per response. No allocation: TestMuxAllocs.
func (x *muxStream) SendHead(status int, fields *pipeline.Fields, length int64) {
	x.headSent, x.status, x.left = true, status, length
	x.noBody = !x.mayHaveBody(status)
	if length == pipeline.LengthTunnel {
		x.startTunnel()
		length = frame.LengthUnknown
	}
	if x.ss != nil {
		x.writeHead(status, fields, length)
	}
}

// writeHead writes a RESPONSE.
func (x *muxStream) writeHead(status int, fields *pipeline.Fields, length int64) {
	conn, room := x.ss.conn, headRoom
	x.lines = x.lines[:0]
	if fields != nil {
		room += fields.WireLen() + 6*fields.Len()
	}
	dst := conn.Reserve(room)
	b := frame.OpenResponse(dst)
	server := status < 200
	if fields != nil {
		b = fields.AppendTo(b)
		for i := range fields.Len() {
			name, value := fields.At(i)
			server = server || len(name) == len("Server") && strings.EqualFold(name, "Server")
			x.lines = append(x.lines, frame.Line{Name: uint16(len(name)), Value: uint32(len(value))})
		}
	}
	if !server { // it tells a worker's answers from the front's own
		b = append(b, "Server: "+serverName+"\r\n"...)
		x.lines = append(x.lines, frame.Line{Name: uint16(len("Server")), Value: uint32(len(serverName))})
	}
	b, err := frame.CloseResponse(b, 0, x.id, false, &frame.ResponseHead{Status: status, Length: length}, x.lines)
	if err != nil { // fields are bounded far below a frame's size
		panic("worker: mux: " + err.Error())
	}
	x.bytesOut += int64(len(b))
	if cap(b) != cap(dst) {
		conn.Write(b)
	} else {
		conn.Commit(b)
	}
}

// SendBody implements pipeline.Exchange.
//
// Hot path: once per piece of a body. No allocation: TestMuxAllocs.
func (x *muxStream) SendBody(b []byte) (room bool) {
	switch {
	case x.noBody || x.ss == nil || x.halfDone:
		return true
	case len(x.parts) > 0 || x.window <= 0: // handed over before we said that there is no room
		x.parts = append(x.parts, outPart{b: append([]byte(nil), b...)})
		x.stalled = true
		return false
	}
	x.write(b)
	x.stalled = x.window <= 0 || !x.ss.conn.Room()
	return !x.stalled
}

// write writes body bytes as DATA.
func (x *muxStream) write(b []byte) {
	conn := x.ss.conn
	if x.left >= 0 {
		x.left -= int64(len(b))
	}
	x.bytesOut += int64(len(b))
	for len(b) > 0 {
		n := min(len(b), dataBytesMax)
		conn.Commit(frame.AppendHeader(conn.Reserve(frame.HeaderSize), frame.Data, false, x.id, n))
		if n < throughMin {
			conn.Write(b[:n])
		} else {
			conn.WriteThrough(b[:n])
		}
		x.window -= int64(n)
		b = b[n:]
	}
}

// SendFile implements pipeline.Exchange. The file is read on a goroutine, a piece at a time.
func (x *muxStream) SendFile(f *os.File, off, n int64) {
	if x.noBody || x.ss == nil {
		_ = f.Close() // only read
		return
	}
	x.parts = append(x.parts, outPart{f: f, off: off, n: n})
	switch {
	case len(x.parts) > 1:
	case x.window <= 0:
		x.stalled = true
	default:
		x.nextPart()
	}
}

// nextPart sends the first part, or has its next piece read.
func (x *muxStream) nextPart() {
	p := &x.parts[0]
	if p.f == nil {
		x.pieceRead(p.b, nil)
		return
	}
	f, off := p.f, p.off
	size := min(p.n, fileChunk)
	generation := x.t.Generation()
	go func() {
		b := make([]byte, size)
		n, err := f.ReadAt(b, off)
		if int64(n) == size {
			err = nil
		}
		x.Post(generation, func(*pipeline.Context) { x.pieceRead(b[:n], err) })
	}()
}

// pieceRead sends a piece, then sees to the next.
func (x *muxStream) pieceRead(b []byte, err error) {
	if x.ss == nil || len(x.parts) == 0 {
		return
	}
	x.write(b)
	p := &x.parts[0]
	p.off += int64(len(b))
	p.n -= int64(len(b))
	switch {
	case err != nil && err != io.EOF || err == io.EOF && p.n > 0:
		x.cause = io.ErrUnexpectedEOF // the file became shorter, or cannot be read
		x.dropParts()
		x.cut()
		return
	case p.n <= 0:
		if p.f != nil {
			_ = p.f.Close() // only read
		}
		x.parts = append(x.parts[:0], x.parts[1:]...)
	}
	switch {
	case len(x.parts) > 0 && x.window > 0 && x.ss.conn.Room():
		x.nextPart()
	case len(x.parts) > 0:
		x.stalled = true
	case x.ending:
		x.finish()
	case x.halfDone:
		x.writeEnd()
	default:
		x.stalled = false
		x.call(streamWritable, nil)
	}
}

func (x *muxStream) dropParts() {
	for i := range x.parts {
		if x.parts[i].f != nil {
			_ = x.parts[i].f.Close() // only read
		}
	}
	x.parts = nil
}

// SendEnd implements pipeline.Exchange.
//
// Hot path: once per response. No allocation: TestMuxAllocs.
func (x *muxStream) SendEnd(trailers *pipeline.Fields) {
	x.ended = true
	if x.ss == nil {
		return
	}
	if trailers != nil && trailers.Len() > 0 {
		x.trailers = trailers.AppendTo(nil)
		x.lines = x.lines[:0]
		for i := range trailers.Len() {
			name, value := trailers.At(i)
			x.lines = append(x.lines, frame.Line{Name: uint16(len(name)), Value: uint32(len(value))})
		}
	}
	if len(x.parts) > 0 {
		x.ending = true
		return
	}
	x.finish()
}

// finish writes the end of the response; one that is not what it promised to be is cut.
func (x *muxStream) finish() {
	conn := x.ss.conn
	switch {
	case x.tunnel:
		x.endTunnel()
		return
	case x.left > 0 && !x.noBody || x.left < frame.LengthUnknown:
		x.cut()
		return
	case x.trailers != nil:
		b, err := frame.AppendTrailers(nil, x.id, x.trailers, x.lines)
		if err != nil { // trailers are optional
			b = frame.AppendHeader(nil, frame.Data, true, x.id, 0)
		}
		conn.Write(b)
	default:
		x.writeEnd()
	}
	x.settle()
}

// writeEnd writes an empty DATA with END.
func (x *muxStream) writeEnd() {
	conn := x.ss.conn
	conn.Commit(frame.AppendHeader(conn.Reserve(frameRoom), frame.Data, true, x.id, 0))
	x.endSent = true
}

// cut ends the response so that nobody takes it for whole.
func (x *muxStream) cut() {
	x.ended = true
	if x.ss != nil {
		x.ss.conn.Commit(frame.AppendCancel(x.ss.conn.Reserve(frameRoom), x.id, frame.Over))
	}
	x.settle()
}

// Abort implements pipeline.Exchange. A response of which nothing has left becomes an error.
func (x *muxStream) Abort(status int, _ pipeline.Reason) {
	if x.ss == nil || x.headSent {
		x.dropParts()
		x.cut()
		return
	}
	text := strconv.Itoa(status) + " " + http.StatusText(status) + "\n"
	var fields pipeline.Fields
	_ = fields.Add("Content-Type", "text/plain; charset=utf-8") // well-formed
	x.SendHead(status, &fields, int64(len(text)))
	x.SendBody([]byte(text))
	x.SendEnd(nil)
}
