package dispatch

import (
	"math"
	"sync/atomic"
)

// Priority is the class of a route's requests in the queue of a pool.
type Priority uint8

// Priorities. A slot goes to the highest class that waits, but for every eighth, which goes to
// normal, and every 64th, which goes to low, if any of them wait.
const (
	High Priority = iota
	Normal
	Low
	priorities
)

// Policy is the order within a class.
type Policy uint8

// Policies.
const (
	FIFO Policy = iota
	// LIFO is FIFO until the oldest has waited for half of QueueTimeout; from then on the newest is
	// next, until that is no longer so. Those who still can be served in time are, the others time
	// out.
	LIFO
)

// noTicket is the published ticket of a class without waiters.
const noTicket = math.MaxUint64

// ends is what other loops see of one class of a shard's waiters.
type ends struct {
	oldest atomic.Uint64 // ticket
	newest atomic.Uint64 // ticket; valid while oldest is not noTicket
	since  atomic.Int64  // pool time at which the oldest came
}

// turn is whose turn it is to get a slot: the newest or the oldest of a class of a shard, which is
// nil when nobody waits.
type turn struct {
	s      *shard
	class  Priority
	newest bool
}

// turn says who is next. All loops come to the same result as long as nothing changes.
func (p *Pool) turn() turn {
	order := [priorities]Priority{High, Normal, Low}
	switch g := p.grants.Load(); {
	case g%lowEvery == lowEvery-1:
		order = [priorities]Priority{Low, High, Normal}
	case g%normalEvery == normalEvery-1:
		order = [priorities]Priority{Normal, High, Low}
	}
	for _, class := range order {
		if t := p.turnOf(class); t.s != nil {
			return t
		}
	}
	return turn{}
}

// turnOf is turn within one class.
func (p *Pool) turnOf(class Priority) turn {
	t := turn{class: class}
	first, last := uint64(noTicket), uint64(0)
	var newest *shard
	for _, s := range p.shards {
		if s == nil {
			continue
		}
		e := &s.ends[class]
		ticket := e.oldest.Load()
		if ticket == noTicket {
			continue
		}
		if ticket < first {
			first, t.s = ticket, s
		}
		if n := e.newest.Load(); newest == nil || n > last {
			last, newest = n, s
		}
	}
	if set := p.set.Load(); t.s != nil && set.Policy == LIFO && set.QueueTimeout > 0 &&
		p.clock()-t.s.ends[class].since.Load() > int64(set.QueueTimeout)/2 {
		t.s, t.newest = newest, true
	}
	return t
}

// oldest is the shard whose turn it is; nil when nobody waits.
func (p *Pool) oldest() *shard { return p.turn().s }

// waitingSince is the pool time at which the oldest waiter came; ok is false when nobody waits.
func (p *Pool) waitingSince() (at int64, ok bool) {
	for _, s := range p.shards {
		if s == nil {
			continue
		}
		for i := range s.ends {
			if e := &s.ends[i]; e.oldest.Load() != noTicket {
				if since := e.since.Load(); !ok || since < at {
					at, ok = since, true
				}
			}
		}
	}
	return at, ok
}

// queue puts j behind the others of its class, queueFirst before them.
func (s *shard) queue(j *job) {
	s.waiting[j.wish.class].pushBack(j)
	s.publish(j.wish.class)
}

func (s *shard) queueFirst(j *job) {
	s.waiting[j.wish.class].pushFront(j)
	s.publish(j.wish.class)
}

// leave takes a waiter out of the queue.
func (s *shard) leave(j *job) {
	s.waiting[j.wish.class].remove(j)
	s.pool.waiters.Add(-1)
	s.publish(j.wish.class)
}

// publish tells other loops about the ends of a class.
func (s *shard) publish(class Priority) {
	q, e := &s.waiting[class], &s.ends[class]
	if q.first == nil {
		e.oldest.Store(noTicket)
		return
	}
	if e.newest.Load() != q.last.ticket {
		e.newest.Store(q.last.ticket)
	}
	if e.oldest.Load() != q.first.ticket {
		e.since.Store(q.first.waitSince)
		e.oldest.Store(q.first.ticket)
	}
}

// displace makes room in a full queue for j: the newest of the lowest class below j's that waits on
// this loop is refused in its place. false: there is none.
func (s *shard) displace(j *job) bool {
	for class := Low; class > j.wish.class; class-- {
		if v := s.waiting[class].last; v != nil {
			s.leave(v)
			bump(&s.queueFull)
			v.overload()
			return true
		}
	}
	return false
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
