package pipeline

import (
	"net/http"
	"runtime/debug"
	"sync"
)

// run is one Blocking handler at work: what its goroutine and the loop share. The goroutine owns
// the Context from startRun to finish; the loop touches only the run meanwhile. What the handler
// writes collects in out and is posted in batches; the loop takes it while the client has room, and
// a handler that is far ahead waits. A run serves once, so that a body reader kept too long finds
// it done instead of finding another exchange.
type run struct {
	c    *Context
	x    Exchange
	gen  uint64
	h    Handler
	bufs *runBuffers
	take func(*Context) // onTake, bound once

	mu   sync.Mutex
	wake sync.Cond // the goroutine waits here: for room, for body bytes, for the end

	// guarded by mu
	out        []byte // written, not taken
	spare      []byte // taken last and sent: the next out
	headWanted bool
	headLength int64
	ended      bool // the handler ended the response
	aborted    bool // it gave the response up: abortStatus, abortReason
	posted     bool // onTake is on its way to the loop
	full       bool // the client has no room: onWritable takes
	asked      int  // functions of post on their way to the loop
	done       bool // the goroutine will not touch the Context again
	err        error
	in         runBody
	hijacked   *hijacked // the connection that the handler took; nil: none

	abortStatus int
	abortReason Reason
	panicked    any
	stack       []byte

	returned bool // goroutine only: the handler came back, it did not panic
	headSent bool // loop only
	halfSent bool // loop only: CloseWrite of a tunnel
}

// runBuffers are the buffers of a run, which outlive it.
type runBuffers struct{ out, spare, in []byte }

var runBufferPool = sync.Pool{New: func() any { return new(runBuffers) }}

// startRun gives the Context to the pool for blocking work. On the loop.
func (c *Context) startRun() {
	bufs := runBufferPool.Get().(*runBuffers)
	r := &run{c: c, x: c.x, gen: c.gen.Load(), h: c.blocking, bufs: bufs}
	r.out, r.spare, r.in.buf = bufs.out[:0], bufs.spare[:0], bufs.in[:0]
	r.wake.L = &r.mu
	r.take = r.onTake
	r.headWanted = c.phase == phaseStarted
	r.headSent = r.headWanted
	r.full = !c.room
	c.blocking = nil
	c.hold()
	c.run = r
	if !c.x.Blocking(r.execute) {
		c.run = nil
		runBufferPool.Put(bufs)
		c.Fail(503, BlockingFull)
	}
}

// execute is the goroutine's work.
func (r *run) execute() {
	defer r.exit()
	r.h(r.c)
	if r.c.stream != nil {
		r.c.pumpBlocking()
		r.c.stream = nil
	}
	if r.hijacked != nil {
		r.hijacked.await()
	}
	r.returned = true
}

// exit gives the Context back. It recovers, because a panic ends the process unless its own
// goroutine does; the exchange then treats it as one on the loop.
func (r *run) exit() {
	v := recover()
	if r.hijacked != nil {
		r.hijacked.part()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case v == http.ErrAbortHandler: // net/http's way to say Abort without a report
		r.aborted, r.abortStatus, r.abortReason = true, 500, HandlerError
	case !r.returned:
		if v == nil {
			v = "runtime.Goexit in a handler"
		}
		r.panicked, r.stack = v, debug.Stack()
	}
	r.done = true
	r.full = false // what is left is bounded and goes out with the end
	r.wake.Broadcast()
	r.request()
}

// request posts onTake unless it is on its way or the client has no room. mu is held.
func (r *run) request() {
	if r.posted || r.full {
		return
	}
	r.posted = true
	if !r.x.Post(r.gen, r.take) && r.err == nil {
		r.err = ErrCancelled // the loop is gone
	}
}

// post runs f on the loop, in order with what was written before; it waits while the loop has much to
// do for us already.
func (r *run) post(f func(*Context)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.asked >= runPostsMax && r.err == nil {
		r.wake.Wait()
	}
	if r.err != nil {
		return r.err
	}
	r.asked++
	if !r.x.Post(r.gen, func(c *Context) { r.answer(c, f) }) {
		r.err = ErrCancelled // the loop is gone
	}
	return r.err
}

// answer runs what post brought. On the loop.
func (r *run) answer(c *Context, f func(*Context)) {
	r.mu.Lock()
	r.asked--
	r.wake.Broadcast()
	r.mu.Unlock()
	f(c)
}

func (r *run) head(length int64) {
	r.mu.Lock()
	r.headWanted, r.headLength = true, length
	r.mu.Unlock()
}

// write queues body bytes; it waits while the queue is full.
func (r *run) write(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(b) > 0 {
		for len(r.out) >= runQueueMax && r.err == nil {
			r.wake.Wait()
		}
		if r.err != nil {
			return r.err
		}
		n := min(len(b), runQueueMax-len(r.out))
		r.out = append(r.out, b[:n]...)
		b = b[n:]
		if len(r.out) >= runBatch {
			r.request()
		}
	}
	return nil
}

func (r *run) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.request()
	return r.err
}

func (r *run) end() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
}

func (r *run) abort(status int, reason Reason) {
	r.mu.Lock()
	r.aborted, r.abortStatus, r.abortReason = true, status, reason
	r.mu.Unlock()
}

// cancel wakes the goroutine to find the exchange over. On the loop.
func (r *run) cancel(err error) {
	r.mu.Lock()
	r.err = err
	r.wake.Broadcast()
	r.mu.Unlock()
}

// onWritable takes what waited for room. On the loop.
func (r *run) onWritable(c *Context) {
	r.mu.Lock()
	full := r.full
	r.full = false
	r.mu.Unlock()
	if full {
		r.onTake(c)
	}
}

// onTake hands over what the goroutine has written. On the loop.
func (r *run) onTake(c *Context) {
	r.mu.Lock()
	r.posted = false
	if r.full && !r.done {
		r.mu.Unlock()
		return // posted before the client's queue filled up: onWritable comes
	}
	b, done, dead := r.out, r.done, r.err != nil || r.aborted
	r.out, r.spare = r.spare[:0], nil
	wantHead := r.headWanted && !r.headSent
	half := r.hijacked != nil && r.hijacked.half && !r.halfSent
	r.mu.Unlock()
	room := true
	if !dead {
		if wantHead {
			r.headSent = true
			r.x.SendHead(c.status, &c.fields, r.headLength)
			if r.headLength == LengthTunnel {
				r.x.ReceiveBody((*runSink)(r))
			}
		}
		if len(b) > 0 {
			room = r.x.SendBody(b)
		}
		if half && r.headSent && r.headLength == LengthTunnel {
			r.halfSent = true
			r.x.CloseWrite()
		}
	}
	r.mu.Lock()
	r.spare = b[:0]
	r.full = !room && !r.done
	r.wake.Broadcast()
	r.mu.Unlock()
	if done {
		c.room = room
		r.finish(c)
	}
}

// finish takes the Context back to the loop and ends or goes on with the response.
func (r *run) finish(c *Context) {
	c.run = nil
	r.release(c)
	switch {
	case r.err != nil:
		c.phase = phaseEnded
		c.closeFile()
		c.x.Abort(503, ClientDropped)
	case r.panicked != nil:
		switch c.phase { // the handler's view; the exchange has seen neither
		case phaseEnded:
			c.phase = phaseStarted
		case phaseFailed:
			c.phase = phaseOpen
		}
		c.x.Panicked(r.panicked, r.stack)
	case r.aborted:
		c.phase = phaseEnded
		c.closeFile()
		c.x.Abort(r.abortStatus, r.abortReason)
	case r.ended:
		c.handLoopEnd()
	default:
		c.runPosted()
	}
}

// release gives the buffers back.
func (r *run) release(c *Context) {
	r.mu.Lock()
	r.bufs.out, r.bufs.spare, r.bufs.in = r.out, r.spare, r.in.buf
	r.out, r.spare, r.in.buf = nil, nil, nil
	paused := r.in.paused
	r.in.paused = false
	r.mu.Unlock()
	runBufferPool.Put(r.bufs)
	if paused && r.err == nil {
		c.x.ResumeBody() // the rest is dropped by the sink
	}
}

// runPosted settles after a Blocking handler, then runs what Async.Post brought meanwhile.
func (c *Context) runPosted() {
	if len(c.posted) == 0 {
		c.settle()
		return
	}
	posted := c.posted
	for i, f := range posted {
		posted[i] = nil
		if c.phase != phaseEnded {
			c.enter(f)
		}
	}
	c.posted = posted[:0]
}
