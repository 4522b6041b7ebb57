package dispatch

import (
	"math"
	"sync/atomic"
	"time"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// shard is the part of a pool that one loop owns.
type shard struct {
	pool  *Pool
	loop  *netpoll.Loop
	index int

	waiting         [priorities]jobList
	free            *job // released ones, linked by next
	frees           int
	freeStreams     *upstream // linked by next
	freeStreamCount int

	gateway gateway     // scratch
	scripts scriptCache // of pools that have any
	wanted  Protocol    // of the request that a worker is chosen for

	rotate  int    // where choose begins, so that ties rotate
	seed    uint64 // of random
	sample  sample // of the limiter
	serving bool
	again   bool          // serve was called within serve
	stopped bool          // the loop ends: nothing is begun
	retry   netpoll.Timer // a worker that refused may be tried again
	onWake  func()        // bound once, as onDrained

	drained   []*upstream // with room again for a body that is paused
	onDrained func()

	lines     []frame.Line // scratch: the outline of the head that is being written
	outlining bool

	resp   http1.Response  // scratch of one OnData
	fields pipeline.Fields // of an informational response

	_     cacheLine
	ends  [priorities]ends // of waiting, for other loops
	woken atomic.Bool      // onWake is posted
	_     cacheLine
	counts
	_ cacheLine
}

// counts are a shard's totals: one writer, any reader.
type counts struct {
	requests, replays, refused, queued atomic.Uint64
	queueFull, queueTimeout, timeouts  atomic.Uint64
	granted                            atomic.Uint64 // slots to waiters
	limited                            atomic.Uint64 // that came while the limit was reached
}

// bump adds one to a counter that only this loop writes: no locked instruction.
func bump(c *atomic.Uint64) { c.Store(c.Load() + 1) }

func newShard(p *Pool, l *netpoll.Loop, index int) *shard {
	s := &shard{pool: p, loop: l, index: index, rotate: index, seed: mix(uint64(index) + 1)}
	s.retry.Owner = s
	for i := range s.ends {
		s.ends[i].oldest.Store(noTicket)
	}
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
	if j.set.Limit.Adaptive != AdaptiveOff && p.atLimit() {
		bump(&s.limited)
	}
	if p.waiters.Load() == 0 {
		if l, u := s.pick(j); l != nil {
			s.launch(j, l, u)
			return
		}
	}
	n := p.waiters.Add(1)
	if n == 1 {
		p.drain.begin(p)
	}
	if n > int64(j.set.QueueLength) && !s.displace(j) {
		p.waiters.Add(-1)
		bump(&s.queueFull)
		j.overload()
		return
	}
	bump(&s.queued)
	p.audits.wake()
	j.ticket = p.tickets.Add(1)
	j.wait(j.set.QueueTimeout)
	s.queue(j)
	p.demand()
	s.serve()
}

// retryElsewhere gives a request that w lost to another worker. A worker that is dying has the fewest
// requests, and its socket may take connections to the end: without another one the request waits a
// little, in nobody's way, until it is known whether w has gone.
func (s *shard) retryElsewhere(j *job, w *worker) {
	if l, u := s.pickBut(j, w); l != nil {
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
	if l, u := s.pick(j); l != nil {
		s.launch(j, l, u)
		return
	}
	p.waiters.Add(1) // it was accepted once: the bound does not count again
	j.ticket = min(p.tickets.Load(), s.ends[j.wish.class].oldest.Load())
	j.wait(j.set.QueueTimeout)
	s.queueFirst(j)
	p.demand()
}

// serve gives slots to waiters in the order that Pool.turn says: this loop's own as long as it is
// theirs, then it wakes the loop whose turn it is.
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
	turn := s.pool.turn()
	switch {
	case turn.s == nil: // being published: its loop looks for slots itself
		return false
	case turn.s != s:
		if !s.pool.held() && (s.pool.anyFree() || s.closeIdle()) {
			turn.s.wake()
		}
		return false
	}
	j := s.waiting[turn.class].first
	if turn.newest {
		j = s.waiting[turn.class].last
	}
	if s.pool.held() { // who ends a request, or raises the limit, sees to the next
		return false
	}
	l, u := s.pick(j)
	if l == nil && j.set.Protocol != s.pool.set.Load().Protocol { // no worker will come that it is for
		s.leave(j)
		j.fail(503, pipeline.AppShutdown, retryAfterBusy)
		return true
	}
	if l == nil {
		s.ask()
		s.armRetry()
		return false
	}
	s.leave(j)
	bump(&s.granted)
	s.pool.grants.Add(1)
	s.launch(j, l, u)
	return true
}

// pick takes a slot for j of a worker that choose gives: with an idle connection of this loop, or
// without one (u is nil) for a new connection. l is nil when there is none.
//
// Hot path: once per request. No allocation: TestProxyAllocs.
func (s *shard) pick(j *job) (l *lane, u *upstream) { return s.pickBut(j, nil) }

// pickBut is pick of any worker but one.
func (s *shard) pickBut(j *job, not *worker) (l *lane, u *upstream) {
	if s.stopped || s.pool.held() {
		return nil, nil
	}
	workers := *s.pool.workers.Load()
	s.wanted = j.set.Protocol
	for range len(workers) {
		best := s.choose(j, workers, not)
		if best == nil {
			return nil, nil
		}
		if u = best.pop(); u == nil && !best.w.take() {
			continue // other loops were faster; they see to us when they are done
		}
		if best.w.admit(j.set) {
			return best, u
		}
		if u != nil {
			best.push(u)
		} else {
			best.w.giveBack()
		}
	}
	return nil, nil
}

// closeIdle gives up a connection for another loop's waiter.
func (s *shard) closeIdle() bool {
	for _, w := range *s.pool.workers.Load() {
		if w.usable() && w.lanes[s.index].closeOldest() {
			return true
		}
		w.lanes[s.index].recall()
	}
	return false
}

// armRetry has serve run when a worker that refused, or was ejected, may be tried again.
func (s *shard) armRetry() {
	now, first := s.pool.clock(), int64(math.MaxInt64)
	for _, w := range *s.pool.workers.Load() {
		until := max(w.refused.Load(), w.circuit.until.Load())
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
		w.lanes[s.index].recall()
		for i := range w.lanes {
			if i != s.index && w.lanes[i].s != nil &&
				w.lanes[i].idleCount.Load()+w.lanes[i].held.Load() > 0 {
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
	for i := range s.waiting {
		for s.waiting[i].first != nil && Availability(s.pool.avail.Load()) != Available {
			j := s.waiting[i].first
			s.leave(j)
			j.unavailable(Availability(s.pool.avail.Load()))
		}
	}
}

// demand tells, once, that requests wait and no worker is in rotation.
func (p *Pool) demand() {
	if p.demanded.Load() || p.anyReady() {
		return
	}
	p.mu.Lock() // no worker comes or goes between the two answers
	first := !p.demanded.Load() && !p.anyReady()
	if first {
		p.demanded.Store(true)
	}
	p.mu.Unlock()
	if first {
		p.ev.Waiting(p.name)
	}
}

// clock is the pool's time in ns: one for all loops, whose own clocks begin when they do.
func (p *Pool) clock() int64 { return int64(time.Since(p.start)) }

// anyFree says whether a usable worker has a slot that no connection holds.
func (p *Pool) anyFree() bool {
	for _, w := range *p.workers.Load() {
		if w.free.Load() > 0 && w.usable() {
			return true
		}
	}
	return false
}
