package dispatch

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"weir/netpoll"
)

// auditor counts every worker's slots over, once a second while there is traffic: those that are free and
// those that loops hold must be all. Each loop counts what it holds between two of its events, when its
// books are in order. A count during which slots were taken or given back on any loop proves nothing
// and is thrown away. What is found wrong the same way auditStrikes times in a row is corrected and
// told: a slot that is lost would lessen the worker's share for ever.
type auditor struct {
	p       *Pool
	every   time.Duration
	timer   netpoll.Timer // of the first shard's loop, which owns what follows
	wrong   map[*worker]finding
	last    uint64 // requests that had come at the last count
	quiet   int    // counts since one came
	running atomic.Bool
}

// finding is a number of slots that are missing (below 0: that are too many), and how often in a row.
type finding struct {
	missing int32
	times   int
}

// count is one round.
type count struct {
	workers []*worker
	before  []uint32 // worker.moves

	mu      sync.Mutex
	pending int     // guarded by mu, as the rest: loops that have yet to count
	held    []int32 // slots that loops hold
	steady  []bool  // no slot moved meanwhile
	missing []int32
}

// wake begins to count if that rests. Any loop; cold.
func (a *auditor) wake() {
	if a.running.Load() || !a.running.CompareAndSwap(false, true) {
		return
	}
	a.p.first().loop.Post(func() {
		a.quiet = 0
		a.schedule()
	})
}

func (a *auditor) schedule() {
	l := a.p.first().loop
	l.Schedule(&a.timer, l.Now()+int64(a.every))
}

// OnExpire implements netpoll.Expirer: a round begins.
func (a *auditor) OnExpire(*netpoll.Timer, int64) {
	c := &count{workers: *a.p.workers.Load()}
	n := len(c.workers)
	c.before, c.held, c.missing, c.steady = make([]uint32, n), make([]int32, n), make([]int32, n),
		make([]bool, n)
	for i, w := range c.workers {
		c.before[i] = w.moves.Load()
	}
	for _, s := range a.p.shards {
		if s != nil {
			c.pending++
		}
	}
	a.p.each(func(s *shard) {
		if c.add(s) {
			a.p.first().loop.Post(func() { a.judge(c) })
		}
	})
}

// add counts what one loop holds; the last one says true.
func (c *count) add(s *shard) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.workers {
		l := &w.lanes[s.index]
		c.held[i] += l.idleCount.Load() + l.held.Load()
		for j := l.busy; j != nil; j = j.nextBusy {
			c.held[i]++
		}
	}
	if c.pending--; c.pending > 0 {
		return false
	}
	for i, w := range c.workers {
		// Who moves a slot counts the move first: with the old count, this is the free count that
		// belongs to what loops held.
		c.missing[i] = w.slots - c.held[i] - w.free.Load()
		c.steady[i] = w.moves.Load() == c.before[i]
	}
	return true
}

// judge draws the conclusions from a round and plans the next.
func (a *auditor) judge(c *count) {
	wrong := map[*worker]finding{}
	for i, w := range c.workers {
		f := a.wrong[w]
		switch {
		case !c.steady[i]: // nothing is proven
		case c.missing[i] == f.missing:
			f.times++
		default:
			f = finding{c.missing[i], 1}
		}
		switch {
		case f.missing == 0:
		case f.times < auditStrikes:
			wrong[w] = f
		default:
			a.correct(w, f.missing)
		}
	}
	a.wrong = wrong
	if requests := a.p.requests(); requests != a.last || len(wrong) > 0 {
		a.last, a.quiet = requests, 0
	} else if a.quiet++; a.quiet >= auditQuiet {
		a.running.Store(false) // the next connection that is opened wakes it
		return
	}
	a.schedule()
}

// correct gives w the slots that are missing.
func (a *auditor) correct(w *worker, missing int32) {
	w.moves.Add(1)
	free := w.free.Add(missing)
	a.p.ev.Audited(a.p.name, w.n, fmt.Sprintf("%d of %d slots were free, %d should have been",
		free-missing, w.slots, free))
	w.maybeDrained()
	a.p.kick()
}
