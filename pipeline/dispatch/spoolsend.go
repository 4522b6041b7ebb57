package dispatch

import (
	"os"

	"golang.org/x/sys/unix"

	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// bodyLength is how many bytes of body the worker is told of; < 0: not known, or none.
func (j *job) bodyLength() int64 {
	if j.spooled != nil && !j.chunks() {
		return j.spooled.size
	}
	return j.c.Request().ContentLength
}

// chunks says whether the worker gets the body in chunks: also one that is whole, where trailers follow.
func (j *job) chunks() bool {
	return j.c.Request().Chunked && (j.lane == nil || j.lane.w.protocol == HTTP) && (j.spooled == nil || j.c.RequestTrailers().Len() > 0)
}

// inFile says whether the body lies in a file.
func (j *job) inFile() bool { return j.spooled != nil && j.spooled.file != nil }

// fileSent says whether the body that lies in a file has been handed to the kernel.
func (j *job) fileSent() bool {
	switch {
	case !j.inFile():
		return true
	case j.up.mux != nil:
		return j.spooled.sent == j.spooled.size
	case j.up.records() && j.spooled.sent < j.spooled.size:
		return false
	}
	return !j.up.conn.Pending()
}

// sendFile writes the body from its file: to a connection all at once, which takes it as it can; on a
// stream as much as the worker's window allows, and the rest with its credit.
func (j *job) sendFile(u *upstream) {
	b := j.spooled
	if u.mux != nil {
		b.sent, j.paused = 0, false // an earlier attempt may have waited for credit
		j.sendFrames(u)
		return
	}
	if u.records() {
		b.sent, j.paused = 0, false
		j.sendRecords(u)
		return
	}
	if j.chunks() {
		u.conn.Commit(http1.AppendChunkHeader(u.conn.Reserve(chunkRoom), b.size))
	}
	if !j.sendPiece(u, 0, b.size) {
		return
	}
	if j.chunks() {
		u.conn.Write(crlf)
	}
	j.writeEnd(u)
}

// sendFrames goes on with a body in a file, as DATA.
func (j *job) sendFrames(u *upstream) {
	b := j.spooled
	for b.sent < b.size {
		if u.window <= 0 {
			j.paused = true
			return
		}
		n := min(b.size-b.sent, dataBytesMax, max(u.window, frame.EarlyWindow))
		u.conn.Commit(frame.AppendHeader(u.conn.Reserve(frame.HeaderSize), frame.Data, false, u.id, int(n)))
		if !j.sendPiece(u, b.sent, n) {
			return
		}
		b.sent += n
		u.window -= n
	}
	j.writeBodyEnd(u)
}

// sendPiece queues [off, off+n) of the file. false: there is no descriptor for it, and j is over.
func (j *job) sendPiece(u *upstream, off, n int64) bool {
	fd, err := unix.FcntlInt(j.spooled.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		j.fail(503, pipeline.FdLimit, "")
		return false
	}
	u.conn.SendFile(os.NewFile(uintptr(fd), j.spooled.file.Name()), off, n)
	return true
}
