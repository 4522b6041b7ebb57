package supervisor

import (
	"fmt"
	"slices"
	"time"
)

// slot is the place of one wanted worker. Owned by the main loop.
type slot struct {
	cur   seat   // the worker that fills the slot
	next  seat   // its replacement, while that starts
	stale string // why cur is to be replaced; "" if it is not
	keep  bool   // stale by a changed configuration: go on though a replacement fails

	cause   recycleCause // of stale
	vacated recycleCause // why the last worker left before its replacement, which is not ready yet
	after   *worker      // nobody is started here while this one has a process
	last    string       // the last worker that was recycled here, and why
}

// disabled: who fills the slot takes no requests, by a verb.
func (s *slot) disabled() bool { return s.cur.w != nil && s.cur.w.state.disabled() }

// fill puts a fresh worker in the slot.
func (s *slot) fill(w *worker) {
	s.cur.w, s.stale, s.cause, s.keep, s.after = w, "", causeNone, false, nil
}

// seat is a worker, or the right to start one at a time.
type seat struct {
	w      *worker   // nil: empty
	fails  int       // consecutive deaths that count for the back-off
	at     time.Time // not before
	permit bool      // held for the worker to be started here; see starts
}

// free reports whether a worker may be started here now.
func (s *seat) free(now time.Time) bool { return s.w == nil && !now.Before(s.at) }

// maintain brings workers and slots in line with what is wanted. It is called after every event and
// is idempotent: what it finds right it leaves alone.
func (p *Pool) maintain(now time.Time) {
	if p.paused() {
		return
	}
	p.order.released = true
	p.retireIdle(now)
	p.resize(now)
	p.judge(now)
	for _, s := range p.slots {
		p.promote(s, now)
		if s.cur.free(now) && p.mayFill(s) {
			if w := p.spawnIn(&s.cur, now); w != nil {
				s.fill(w)
			}
		}
		if s.vacated != causeNone && s.cur.w != nil && s.cur.w.state == WorkerReady {
			s.vacated = causeNone
			p.cleared(s.cur.w, now)
		}
	}
	p.measureRoom(now)
	replacing := p.replacing()
	for _, s := range p.slots {
		if s.stale == "" || s.next.w != nil || s.cur.w == nil {
			continue
		}
		if s.cur.w.state == WorkerStarting { // nobody would miss it
			p.supersede(s, now)
			continue
		}
		if !replacing && s.next.free(now) {
			replacing = p.replace(s, now)
		}
	}
	p.endRoll()
}

// supersede replaces the worker in s, which is starting; a fresh one beside it has its permit.
func (p *Pool) supersede(s *slot, now time.Time) {
	w := s.cur.w
	if p.overlaps() {
		s.fill(p.spawn(now))
		s.cur.w.permit, w.permit = w.permit, false
	} else {
		s.vacated, s.after = s.cause, w
		s.cur.permit, w.permit = w.permit, false
	}
	p.dismiss(w, "superseded while starting", now)
}

// resize makes the number of slots be the wanted one.
func (p *Pool) resize(now time.Time) {
	for len(p.slots) < p.target {
		p.slots = append(p.slots, &slot{})
	}
	for len(p.slots) > p.target {
		p.remove(p.leastMissed(), "fewer workers wanted", now)
	}
}

// leastMissed is the slot that is missed least: one whose worker is disabled, one that is empty, one
// whose worker is not ready yet, one that sleeps, else the one that has been idle longest; of equals the
// youngest.
func (p *Pool) leastMissed() *slot {
	least := p.slots[len(p.slots)-1]
	for _, s := range slices.Backward(p.slots) {
		a, b := s.standing(), least.standing()
		if a < b || a == b && a == standsReady && byIdleness(s.cur.w, least.cur.w) < 0 {
			least = s
		}
	}
	return least
}

// Standings of a slot: how far its worker has come.
const (
	standsDisabled = iota
	standsEmpty
	standsStarting
	standsParked
	standsReady
)

func (s *slot) standing() int {
	switch w := s.cur.w; {
	case w == nil:
		return standsEmpty
	case w.state.disabled():
		return standsDisabled
	case w.state == WorkerStarting:
		return standsStarting
	case w.state.parked():
		return standsParked
	}
	return standsReady
}

// remove takes a slot away; its workers are drained.
func (p *Pool) remove(s *slot, why string, now time.Time) {
	p.slots = slices.DeleteFunc(p.slots, func(x *slot) bool { return x == s })
	p.ps.starts.release(s)
	for _, w := range []*worker{s.cur.w, s.next.w} {
		if w != nil {
			p.dismiss(w, why, now)
		}
	}
}

// promote puts a replacement in its predecessor's place when it is ready, or when the place is empty.
func (p *Pool) promote(s *slot, now time.Time) {
	next := s.next.w
	if next == nil || next.state != WorkerReady && s.cur.w != nil {
		return
	}
	if s.cur.w != nil && !p.cleared(next, now) {
		return
	}
	old, why, cause := s.cur.w, s.stale, s.cause
	s.cur, s.next, s.stale, s.cause, s.keep = s.next, seat{}, "", causeNone, false
	if old != nil {
		p.recycled(old, s, order{cause, why}, now)
		p.dismiss(old, why, now)
	}
}

// onWorker follows a worker's change of state.
func (p *Pool) onWorker(w *worker, from WorkerState, now time.Time) {
	switch {
	case w.state == WorkerReady:
		p.order.up = true
		if p.want == PoolRunning {
			p.event(evPoolUp, now)
		}
		p.fleet.lookAt = earlier(p.fleet.lookAt, now.Add(scaleAgain))
	case from.serving() && p.want == PoolRunning && p.ready() == 0 && !p.dormant() && !p.allDisabled():
		p.event(evPoolDown, now)
	}
	if w.state != WorkerStarting && from == WorkerStarting && w.state != WorkerStopping ||
		w.state == WorkerGone {
		p.ps.starts.give(w)
	}
	if w.state >= WorkerDraining {
		p.leave(w, now)
	}
	if w.state == WorkerGone {
		delete(p.workers, w.ref.N)
		p.ps.env.forget(w.ref)
		p.onEnd(w, now)
	}
}

// leave takes w out of its slot, once: when it begins to go. It decides when the slot may be filled
// again, and what the end of w means for the pool.
func (p *Pool) leave(w *worker, now time.Time) {
	for _, s := range p.slots {
		if s.cur.w == w {
			s.cur.w = nil
			p.account(w, &s.cur, now)
			if s.vacated != causeNone {
				p.replacementFailed(w, s, now)
			}
		}
		if s.next.w == w {
			s.next.w = nil
			p.account(w, &s.next, now)
			p.replacementFailed(w, s, now)
		}
	}
	p.freshFailed(w, now)
	p.unpin(w)
}

// account sets the back-off of w's seat and counts a failure. The first respawn after a death from
// ready is immediate; what counts are consecutive deaths before ready, or soon after it without one
// completed request.
func (p *Pool) account(w *worker, s *seat, now time.Time) {
	if w.asked {
		s.at = now
		return
	}
	never := w.readyAt.IsZero()
	early := !never && now.Sub(w.readyAt) < earlyDeath
	switch {
	case never:
		s.fails++
		s.at = now.Add(p.ps.env.jitter(backoff(s.fails - 1)))
	case early && !w.served:
		s.fails++
		s.at = now
		if s.fails > 1 {
			s.at = now.Add(p.ps.env.jitter(backoff(s.fails - 2)))
		}
	default:
		s.fails, s.at = 0, now
	}
	if never || early {
		p.failed(w, now)
	}
}

// failed counts w's end against rapid_fail.
func (p *Pool) failed(w *worker, now time.Time) {
	p.lastErr = w.failure()
	p.failures = append(p.failures, now)
	p.pruneFailures(now)
	limit := p.conf.RapidFail.Failures
	switch {
	case p.want != PoolRunning:
	case p.state == PoolFailed:
		if p.probeAt.IsZero() && p.idle() {
			p.reprobe(now)
		}
	case !limit.IsOff() && len(p.failures) >= int(limit) && p.ready()+p.parked() == 0:
		p.event(evPoolRapid, now)
	}
}

// idle reports whether no slot holds a worker that might serve.
func (p *Pool) idle() bool {
	for _, s := range p.slots {
		if s.cur.w != nil && !s.disabled() || s.next.w != nil {
			return false
		}
	}
	return true
}

// failure is w's end as an error.
func (w *worker) failure() error {
	if w.err != nil {
		return w.err
	}
	err := fmt.Errorf("supervisor: worker %s (pid %d): %s", w.ref, w.pid, w.reason)
	if out := w.lastOutput(); out != "" {
		err = fmt.Errorf("%w; last output: %s", err, out)
	}
	return err
}

// pruneFailures forgets failures that left the window.
func (p *Pool) pruneFailures(now time.Time) {
	p.failures = p.failures[len(p.failures)-p.recentFailures(now):]
	if n := len(p.failures) - max(failuresKept, int(p.conf.RapidFail.Failures)); n > 0 {
		p.failures = p.failures[n:]
	}
}

// recentFailures counts those inside the window.
func (p *Pool) recentFailures(now time.Time) int {
	i := 0
	for i < len(p.failures) && now.Sub(p.failures[i]) > clockOf(p.conf.RapidFail.Window) {
		i++
	}
	return len(p.failures) - i
}

// backoff is 100 ms doubled n times, at most 30 s.
func backoff(n int) time.Duration {
	if n > 16 {
		return backoffMax
	}
	return min(backoffMin<<max(n, 0), backoffMax)
}

// onServed ends a seat's row of failures: the worker there is good for something.
func (p *Pool) onServed(w *worker) {
	for _, s := range p.slots {
		if s.cur.w == w {
			s.cur.fails = 0
		}
	}
}
