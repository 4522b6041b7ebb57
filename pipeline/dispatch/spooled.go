package dispatch

import (
	"os"

	"weir/pipeline"
)

// spooled is the body of one request that is kept until it is whole. It belongs to the request's loop;
// while a piece is being written, file and piece belong to who writes.
type spooled struct {
	sp       *Spool
	j        *job     // nil once the request is over
	mem      []byte   // what is not in the file
	file     *os.File // nil while all is in memory
	size     int64    // bytes that have come
	reserved int64    // of Spool.disk
	held     int64    // of Spool.held
	writing  bool
	spare    []byte // the piece that was written last
	sent     int64  // of the file, to the present worker, in mux mode and over FastCGI
}

// spool begins to keep the body of j, which has one; the request gets its slot when it is whole.
func (j *job) spool(sp *Spool) {
	b := &spooled{sp: sp, j: j}
	if n := j.c.Request().ContentLength; n > 0 && !sp.fits(n) && !sp.hasRoom(n) {
		j.fail(503, pipeline.SpoolFull, retryAfterOffline) // before a byte of it is asked for
		return
	}
	j.stage, j.spooled = stageSpool, b
	j.c.Hold(j)
	j.receive()
}

// reserve sees to it that n bytes may be in the file.
func (b *spooled) reserve(n int64) bool {
	more := n - b.reserved
	if more <= 0 {
		return true
	}
	if !b.sp.reserve(more) {
		return false
	}
	b.reserved = n
	return true
}

// hold counts the bytes in memory, which change by n.
func (b *spooled) hold(n int) {
	b.held += int64(n)
	b.sp.held.Add(int64(n))
}

// onSpool takes bytes of the body.
func (j *job) onSpool(p []byte) {
	b := j.spooled
	b.mem = append(b.mem, p...)
	b.size += int64(len(p))
	b.hold(len(p))
	if b.file == nil && !b.writing && b.reserved == 0 && b.sp.fits(b.size) {
		return
	}
	if !b.reserve(b.size) {
		j.fail(503, pipeline.SpoolFull, retryAfterOffline)
		return
	}
	if b.due() {
		b.write()
	}
	if b.writing && b.due() && j.c != nil {
		j.pauseBody() // until what is being written is
	}
}

// due says whether what is in memory is to be written now: it is much, or that of all bodies is.
func (b *spooled) due() bool {
	return len(b.mem) >= spoolPiece || len(b.mem) > 0 && b.sp.held.Load() > spoolHeldMax
}

// onSpoolEnd: the body is whole.
func (j *job) onSpoolEnd() {
	b := j.spooled
	j.bodyDone = true
	switch {
	case b.writing: // wrote goes on
	case b.reserved > 0 && len(b.mem) > 0:
		b.write()
	default:
		j.unspool()
	}
}

// write has what is in memory written behind the file's end, by the pool for blocking work.
func (b *spooled) write() {
	if b.writing {
		return
	}
	piece, at := b.mem, b.size-int64(len(b.mem))
	b.mem, b.spare = b.spare[:0], nil
	b.writing = true
	loop, file := b.j.s.loop, b.file
	if !b.j.x.Blocking(func() {
		f, err := b.append(file, piece, at)
		if !loop.Post(func() { b.wrote(f, piece, err) }) && f != nil {
			_ = f.Close() // the loop has ended, and the request with it
		}
	}) {
		b.writing, b.mem = false, piece
		b.j.fail(503, pipeline.BlockingFull, "")
	}
}

// append writes p at off of f, which is made if there is none. In the pool for blocking work.
func (b *spooled) append(f *os.File, p []byte, off int64) (*os.File, error) {
	if f == nil {
		var err error
		if f, err = b.sp.create(); err != nil {
			return nil, err
		}
	}
	_, err := f.WriteAt(p, off)
	return f, err
}

// wrote goes on when a piece is in the file. On the loop.
func (b *spooled) wrote(f *os.File, piece []byte, err error) {
	b.writing, b.file = false, f
	b.hold(-len(piece))
	if b.sp.held.Load() <= spoolHeldMax {
		b.spare = piece[:0]
	}
	if err != nil {
		b.sp.fail(err)
	}
	j := b.j
	if j == nil {
		b.free()
		return
	}
	defer j.guard(j.c)
	switch {
	case err != nil && isFull(err):
		j.fail(503, pipeline.SpoolFull, retryAfterOffline)
	case err != nil && ownShortage(err):
		j.fail(503, pipeline.FdLimit, retryAfterOffline)
	case err != nil:
		j.fail(500, pipeline.SpoolFailed, "")
	case b.due() || len(b.mem) > 0 && j.bodyDone:
		b.write()
		j.resumeSpool()
	case j.bodyDone:
		j.unspool()
	default:
		j.resumeSpool()
	}
}

// resumeSpool reads the client on, unless all has come, or the pool for blocking work has just refused j.
func (j *job) resumeSpool() {
	if j.c != nil && !j.bodyDone {
		j.resumeBody()
	}
}

// unspool begins the request: its body is whole.
func (j *job) unspool() {
	b := j.spooled
	b.spare = nil
	j.paused = false // there is nothing left to read
	j.stage = stageQueued
	if b.file == nil {
		j.body = b.mem
	}
	if a := Availability(j.s.pool.avail.Load()); a != Available {
		j.unavailable(a)
		return
	}
	j.s.enter(j)
}

// release ends the request's part: what is being written is given back when it is.
func (b *spooled) release() {
	b.j = nil
	if !b.writing {
		b.free()
	}
}

// free gives everything back.
func (b *spooled) free() {
	b.sp.disk.Add(-b.reserved)
	b.hold(-int(b.held))
	b.reserved, b.mem, b.spare = 0, nil, nil
	if b.file != nil {
		_ = b.file.Close() // nobody wants what is in it
		b.file = nil
	}
}
