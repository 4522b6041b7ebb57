package netpoll

import "io"

// coldReads are files' pages that are to be read off the loop and for which Config.ReadFile has no room
// yet: each connection's place in line, tried again by a timer. One per connection, because nothing
// else is sent meanwhile.
type coldReads struct {
	loop  *Loop
	timer Timer
	line  []coldRead
}

// coldRead is n bytes of the file at the head of c's queue.
type coldRead struct {
	c *Conn
	b *Buffer
	n int64
}

// wanted: the connection has not been closed meanwhile.
func (r *coldRead) wanted() bool { return r.c.fd >= 0 && r.c.head == r.b }

// start has the pages read; false: there is no room. What was read once is not asked for again: under
// memory pressure the answer could stay no. The file may be closed under the job, which then reads
// nothing.
func (r coldRead) start() bool {
	l, file, off := r.c.loop, r.b.file, r.b.off
	job := func() {
		_, err := io.Copy(io.Discard, io.NewSectionReader(file, off, r.n))
		l.Post(func() { r.done(err) })
	}
	if l.ReadFile == nil {
		go job()
		return true
	}
	return l.ReadFile(job)
}

// done goes on sending.
func (r coldRead) done(err error) {
	if !r.wanted() {
		return
	}
	r.c.flags &^= flagWarming
	if err != nil {
		r.c.sendFailed(err)
		return
	}
	r.b.warm = r.b.off + r.n
	r.c.flush()
}

// add starts r, or puts it in line.
func (w *coldReads) add(r coldRead) {
	if len(w.line) == 0 && r.start() {
		return
	}
	w.line = append(w.line, r)
	if !w.timer.Scheduled() {
		w.loop.wheel.schedule(&w.timer, w.loop.now+int64(coldRetry))
	}
}

// OnExpire starts what has room now, in order, and forgets what nobody waits for any more.
func (w *coldReads) OnExpire(_ *Timer, now int64) {
	kept, full := 0, false
	for _, r := range w.line {
		if !r.wanted() {
			continue
		}
		if full = full || !r.start(); full {
			w.line[kept] = r
			kept++
		}
	}
	clear(w.line[kept:])
	w.line = w.line[:kept]
	if kept > 0 {
		w.loop.wheel.schedule(&w.timer, now+int64(coldRetry))
	}
}
