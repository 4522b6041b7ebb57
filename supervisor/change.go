package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// recycle marks the slots of worker n, or of all workers for 0, and returns what waits for the end of
// those that are there now.
func (p *Pool) recycle(o order, n uint64, now time.Time) *waiter {
	if p.want != PoolRunning {
		return refusal(fmt.Errorf("supervisor: pool %s: recycle: %w", p.name, ErrPoolStopped))
	}
	if n == 0 {
		p.beginRoll(o)
	}
	old, r := p.mark(o, n), p.rec.roll
	if n != 0 && len(old) == 0 {
		return refusal(fmt.Errorf("supervisor: pool %s: worker %d: %w", p.name, n, ErrNoWorker))
	}
	p.maintain(now)
	return &waiter{rep: true, fail: p.changeFailed, done: func() bool {
		return p.noneOf(old) && (n != 0 || p.rec.roll != r)
	}}
}

// refusal is a waiter that gets err at once.
func refusal(err error) *waiter {
	return &waiter{done: func() bool { return false }, fail: func() error { return err }}
}

// noneOf reports whether none of these workers is left.
func (p *Pool) noneOf(old map[uint64]bool) bool {
	for n := range old {
		if p.workers[n] != nil {
			return false
		}
	}
	return true
}

// changeFailed gives up waiting for replacements that nobody will start.
func (p *Pool) changeFailed() error {
	if p.state == PoolFailed {
		return fmt.Errorf("supervisor: pool %s: %w: %w", p.name, ErrPoolFailed, p.lastErr)
	}
	return nil
}

// replacementFailed tells those who wait. A recycle is called off: the old worker is good. A change of
// configuration goes on, with the seat's back-off.
func (p *Pool) replacementFailed(w *worker, s *slot, now time.Time) {
	if w.asked {
		return
	}
	err := p.replacementError(w)
	if p.rec.roll != nil {
		p.rollBack(err, now)
	} else if !s.keep {
		p.calledOff(max(s.cause, s.vacated), err, now)
	}
	p.tellFailure(err)
}

// tellFailure tells err those who wait for replacements.
func (p *Pool) tellFailure(err error) {
	p.waiters = slices.DeleteFunc(p.waiters, func(x *waiter) bool {
		if x.rep {
			x.ch <- err
		}
		return x.rep
	})
}

// apply changes the configuration to c, which is valid.
func (p *Pool) apply(c PoolConfig, now time.Time) *waiter {
	d := c.withDefaults()
	old := p.conf
	p.conf = &d
	if d.Sidecar.Is {
		return p.applySidecar(old, now)
	}
	p.rec.pin, p.rec.fails, p.rec.notBefore = nil, 0, time.Time{}
	p.unscale(old)
	before := p.target
	if p.want != PoolRunning {
		return &waiter{done: func() bool { return true }, fail: func() error { return nil }}
	}
	gone := map[uint64]bool{}
	if !d.sameWorker(old) {
		p.rec.roll, p.rec.pending = nil, order{}
		for _, s := range p.slots {
			if s.disabled() {
				s.cur.w.outdated = true
			} else if s.cur.w != nil {
				s.stale, s.cause, s.keep = "configuration changed", causeConfig, true
				gone[s.cur.w.ref.N] = true
			}
			if s.next.w != nil { // already of the past
				w := s.next.w
				s.next = seat{}
				p.dismiss(w, "configuration changed", now)
			}
			s.cur.fails, s.cur.at = 0, now
		}
		if p.state == PoolFailed { // what failed may be repaired
			p.event(evPoolStart, now)
		}
	}
	p.retarget(old, now)
	p.maintain(now)
	grows := p.target > before
	up := func() bool { return p.noneOf(gone) && (!grows && len(gone) == 0 || p.filled()) }
	return &waiter{rep: true, fail: p.changeFailed, done: up}
}

// filled reports whether every slot has a ready worker, or one that is kept from being one.
func (p *Pool) filled() bool {
	for _, s := range p.slots {
		if w := s.cur.w; w == nil || !w.state.serving() && !s.disabled() {
			return false
		}
	}
	return true
}

// Remove stops the pool and forgets it. See Stop for ctx.
func (p *Pool) Remove(ctx context.Context) error {
	return p.wait(ctx, p.beginRemove, p.killAll)
}

func (p *Pool) beginRemove(now time.Time) *waiter {
	p.removed = true
	p.event(evPoolStop, now)
	p.settle(now)
	if p.state == PoolStopped {
		p.closed()
	}
	return p.emptyWaiter()
}

// settle is what follows every event: slots are maintained, an emptied pool is closed, waiters told.
func (p *Pool) settle(now time.Time) {
	p.maintain(now)
	p.withhold(now)
	if p.state == PoolStarting && p.dormant() {
		p.event(evPoolRest, now)
	}
	if p.want != PoolRunning && p.state != p.want && len(p.workers) == 0 {
		e := evPoolEmpty
		if p.want == PoolDisabled {
			e = evPoolVacant
		}
		p.event(e, now)
	}
	p.waiters = slices.DeleteFunc(p.waiters, func(w *waiter) bool {
		if w.done() {
			w.ch <- nil
			return true
		}
		if err := w.fail(); err != nil {
			w.ch <- err
			return true
		}
		return false
	})
}

func (p *Pool) dropWaiter(w *waiter) {
	p.waiters = slices.DeleteFunc(p.waiters, func(x *waiter) bool { return x == w })
}

// advance lets the clocks of the pool and its workers ring.
func (p *Pool) advance(now time.Time) {
	for _, n := range p.sortedWorkers() {
		if w := p.workers[n]; w != nil {
			w.advance(now)
		}
	}
	if !p.probeAt.IsZero() && !now.Before(p.probeAt) {
		p.event(evPoolProbe, now)
	}
	if f := &p.fleet; !f.lookAt.IsZero() && !now.Before(f.lookAt) {
		p.rescale(now)
	}
	p.review(now)
	p.settle(now)
}

// next is when the pool must be looked at again; zero for never.
func (p *Pool) next() time.Time {
	at := earlier(p.probeAt, p.rec.next)
	for _, w := range p.workers {
		at = earlier(at, w.next())
	}
	if p.paused() {
		return at
	}
	at = earlier(earlier(at, p.fleet.lookAt), p.fleet.idleAt)
	for _, s := range p.slots {
		// What is due already waits for something else than a clock.
		if s.cur.w == nil && s.cur.at.After(p.rec.turned) {
			at = earlier(at, s.cur.at)
		}
		if s.stale != "" && s.next.w == nil && s.next.at.After(p.rec.turned) {
			at = earlier(at, s.next.at)
		}
	}
	return at
}
