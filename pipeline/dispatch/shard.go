package dispatch

import (
	"math"
	"sync/atomic"
	"time"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/http1"
)

// noTicket is the published ticket of a shard without waiters.
const noTicket = math.MaxUint64

// shard is the part of a pool that one loop owns.
type shard struct {
	pool  *Pool
	loop  *netpoll.Loop
	index int

	waiting jobList
	free    *job // released ones, linked by next
	frees   int
	rotate  int // where pick begins, so that ties rotate
	serving bool
	again   bool          // serve was called within serve
	stopped bool          // the loop ends: nothing is begun
	retry   netpoll.Timer // a worker that refused may be tried again
	onWake  func()        // bound once, as onDrained

	drained   []*upstream // with room again for a body that is paused
	onDrained func()

	resp   http1.Response  // scratch of one OnData
	fields pipeline.Fields // of an informational response

	_ cacheLine
	// head is the ticket of the oldest waiter and since its pool time, for other loops.
	head  atomic.Uint64
	since atomic.Int64
	woken atomic.Bool // onWake is posted
	_     cacheLine
	counts
	_ cacheLine
}

// counts are a shard's totals: one writer, any reader.
type counts struct {
	requests, replays, refused, queued atomic.Uint64
	queueFull, queueTimeout, timeouts  atomic.Uint64
}

// bump adds one to a counter that only this loop writes: no locked instruction.
func bump(c *atomic.Uint64) { c.Store(c.Load() + 1) }

func newShard(p *Pool, l *netpoll.Loop, index int) *shard {
	s := &shard{pool: p, loop: l, index: index, rotate: index}
	s.retry.Owner = s
	s.head.Store(noTicket)
	s.onDrained = s.resumeDrained
	s.onWake = func() {
		s.woken.Store(false) // before serve looks: what comes later posts again
		s.serve()
	}
	return s
}

// OnExpire is the retry timer: a worker that refused may take connections again.
func (s *shard) OnExpire(*netpoll.Timer, int64) { s.serve() }

// wake makes the shard's loop run serve. Any goroutine.
func (s *shard) wake() {
	if s.woken.CompareAndSwap(false, true) {
		s.loop.Post(s.onWake)
	}
}

// enter begins a request: on a worker when one has a slot and nobody waits, else in the queue.
//
// Hot path: once per request. No allocation: TestProxyAllocs.
func (s *shard) enter(j *job) {
	bump(&s.requests)
	p := s.pool
	if p.waiters.Load() == 0 {
		if l, u := s.pick(); l != nil {
			s.launch(j, l, u)
			return
		}
	}
	if p.waiters.Add(1) > int64(j.set.QueueLength) {
		p.waiters.Add(-1)
		bump(&s.queueFull)
		j.overload()
		return
	}
	bump(&s.queued)
	p.audits.wake()
	j.ticket = p.tickets.Add(1)
	j.wait(j.set.QueueTimeout)
	s.waiting.pushBack(j)
	s.publish()
	p.demand()
	s.serve()
}

// retryElsewhere gives a request that w lost to another worker. A worker that is dying has the fewest
// requests, and its socket may take connections to the end: without another one the request waits a
// little, in nobody's way, until it is known whether w has gone.
func (s *shard) retryElsewhere(j *job, w *worker) {
	if l, u := s.pickBut(w); l != nil {
		s.launch(j, l, u)
		return
	}
	if w.usable() {
		j.park()
		return
	}
	s.reenter(j)
}

// reenter gives a request that lost its worker another one, or the first place of this loop's
// queue.
func (s *shard) reenter(j *job) {
	p := s.pool
	if a := Availability(p.avail.Load()); a != Available {
		j.unavailable(a)
		return
	}
	if l, u := s.pick(); l != nil {
		s.launch(j, l, u)
		return
	}
	p.waiters.Add(1) // it was accepted once: the bound does not count again
	j.ticket = min(p.tickets.Load(), s.head.Load())
	j.wait(j.set.QueueTimeout)
	s.waiting.pushFront(j)
	s.publish()
	p.demand()
}

// leave takes a waiter out of the queue.
func (s *shard) leave(j *job) {
	s.waiting.remove(j)
	s.pool.waiters.Add(-1)
	s.publish()
}

// publish tells other loops how long this one's oldest waiter has waited.
func (s *shard) publish() {
	j := s.waiting.first
	switch {
	case j == nil:
		s.head.Store(noTicket)
	case s.head.Load() != j.ticket:
		s.since.Store(j.waitSince)
		s.head.Store(j.ticket)
	}
}

// serve gives slots to waiters in the order of their tickets: this loop's own while its oldest is
// the oldest of all, then it wakes the loop whose turn it is.
func (s *shard) serve() {
	if s.serving {
		s.again = true
		return
	}
	s.serving = true
	for {
		s.again = false
		for s.serveOne() {
		}
		if !s.again {
			break
		}
	}
	s.serving = false
}

func (s *shard) serveOne() bool {
	if s.pool.waiters.Load() == 0 {
		return false
	}
	oldest := s.pool.oldest()
	switch {
	case oldest == nil: // being published: its loop looks for slots itself
		return false
	case oldest != s:
		if s.pool.anyFree() || s.closeIdle() {
			oldest.wake()
		}
		return false
	}
	l, u := s.pick()
	if l == nil {
		s.ask()
		s.armRetry()
		return false
	}
	j := s.waiting.first
	s.leave(j)
	s.launch(j, l, u)
	return true
}

// pick takes a slot of the usable worker with the fewest requests in flight: with an idle
// connection of this loop, or without one (u is nil) for a new connection. l is nil when there is
// none.
//
// Hot path: once per request. No allocation: TestProxyAllocs.
func (s *shard) pick() (l *lane, u *upstream) { return s.pickBut(nil) }

// pickBut is pick of any worker but one.
func (s *shard) pickBut(not *worker) (l *lane, u *upstream) {
	if s.stopped {
		return nil, nil
	}
	workers := *s.pool.workers.Load()
	for range len(workers) {
		best := s.leastLoaded(workers, not)
		if best == nil {
			return nil, nil
		}
		if u = best.pop(); u != nil || best.w.take() {
			return best, u
		}
	}
	return nil, nil // other loops were faster; they see to us when they are done
}

// leastLoaded is the usable worker with the fewest requests. One that starts slowly counts as if it
// had those of a full one, and gets more than its share only when no other has a slot.
func (s *shard) leastLoaded(workers []*worker, not *worker) (best *lane) {
	var fresh *lane
	i, load := s.rotate, 0
	for range workers {
		if i++; i >= len(workers) {
			i = 0
		}
		w := workers[i]
		l := &w.lanes[s.index]
		if w == not || l.idle == nil && w.free.Load() <= 0 || !w.usable() {
			continue
		}
		n := w.inFlight()
		if w.slowFrom.Load() != 0 {
			if share := w.share(); n < share {
				n = n * int(w.slots) / share
			} else {
				fresh = l
				continue
			}
		}
		if best == nil || n < load {
			best, load = l, n
			s.rotate = i
		}
	}
	if best == nil {
		return fresh
	}
	return best
}

// closeIdle gives up a connection for another loop's waiter.
func (s *shard) closeIdle() bool {
	for _, w := range *s.pool.workers.Load() {
		if w.usable() && w.lanes[s.index].closeOldest() {
			return true
		}
	}
	return false
}

// armRetry has serve run when a worker that refused may be tried again.
func (s *shard) armRetry() {
	now, first := s.pool.clock(), int64(math.MaxInt64)
	for _, w := range *s.pool.workers.Load() {
		until := w.refused.Load()
		if until > now && workerState(w.state.Load()) == workerReady {
			first = min(first, until)
		}
	}
	if first < math.MaxInt64 {
		s.loop.Schedule(&s.retry, s.loop.Now()+first-now+int64(time.Millisecond))
	}
}

// ask wakes loops with idle connections: they give one up for the oldest waiter.
func (s *shard) ask() {
	for _, w := range *s.pool.workers.Load() {
		if !w.usable() {
			continue
		}
		for i := range w.lanes {
			if i != s.index && w.lanes[i].s != nil && w.lanes[i].idleCount.Load() > 0 {
				w.lanes[i].s.wake()
			}
		}
	}
}

// launch puts j on a worker; the caller has taken the slot.
func (s *shard) launch(j *job, l *lane, u *upstream) {
	j.doneAt = uint32(l.w.load.Add(1) >> 32)
	j.lane, j.deadAt = l, 0
	l.addBusy(j)
	if u == nil {
		s.pool.audits.wake()
		j.dial()
		return
	}
	j.send(u)
}

// acquire takes a job from the free list.
func (s *shard) acquire() *job {
	j := s.free
	if j == nil {
		j = &job{s: s}
		j.timer.Owner = j
		j.chunk.OfResponse = true
		return j
	}
	s.free = j.next
	s.frees--
	j.next = nil
	return j
}

// release gives j back. Nothing may refer to it but a stale callback, which it recognises.
func (s *shard) release(j *job) {
	s.loop.Cancel(&j.timer)
	j.reset()
	if s.frees < jobsFreeMax {
		s.frees++
		j.next, s.free = s.free, j
	}
}

// rejectWaiters answers everybody in this loop's queue: the pool is not available any more.
func (s *shard) rejectWaiters() {
	for s.waiting.first != nil && Availability(s.pool.avail.Load()) != Available {
		j := s.waiting.first
		s.leave(j)
		j.unavailable(Availability(s.pool.avail.Load()))
	}
}

// jobList is a queue of waiters, linked by next and prev.
type jobList struct{ first, last *job }

func (q *jobList) pushBack(j *job) {
	j.next, j.prev = nil, q.last
	if q.last == nil {
		q.first = j
	} else {
		q.last.next = j
	}
	q.last = j
	j.queued = true
}

func (q *jobList) pushFront(j *job) {
	j.next, j.prev = q.first, nil
	if q.first == nil {
		q.last = j
	} else {
		q.first.prev = j
	}
	q.first = j
	j.queued = true
}

func (q *jobList) remove(j *job) {
	if j.prev == nil {
		q.first = j.next
	} else {
		j.prev.next = j.next
	}
	if j.next == nil {
		q.last = j.prev
	} else {
		j.next.prev = j.prev
	}
	j.next, j.prev = nil, nil
	j.queued = false
}

// demand tells, once, that requests wait and no worker is in rotation.
func (p *Pool) demand() {
	if !p.demanded.Load() && !p.anyReady() && p.demanded.CompareAndSwap(false, true) {
		p.ev.Waiting(p.name)
	}
}

// clock is the pool's time in ns: one for all loops, whose own clocks begin when they do.
func (p *Pool) clock() int64 { return int64(time.Since(p.start)) }

// oldest is the shard whose oldest waiter has waited longest; nil when nobody waits.
func (p *Pool) oldest() (oldest *shard) {
	best := uint64(noTicket)
	for _, s := range p.shards {
		if s == nil {
			continue
		}
		if t := s.head.Load(); t < best {
			best, oldest = t, s
		}
	}
	return oldest
}

// anyFree says whether a usable worker has a slot that no connection holds.
func (p *Pool) anyFree() bool {
	for _, w := range *p.workers.Load() {
		if w.free.Load() > 0 && w.usable() {
			return true
		}
	}
	return false
}
