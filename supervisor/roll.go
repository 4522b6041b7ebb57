package supervisor

import (
	"fmt"
	"time"
)

// roll is a recycle of all workers, one after the other. Owned by the main loop.
type roll struct {
	order
	first uint64 // number of its first fresh worker
	from  place  // where the old workers run from

	fresh  *worker // the first one, once it is ready; nil before
	passed bool    // it served long enough, and well
	until  time.Time
	old    tally            // of all old workers, in all
	start  map[uint64]tally // of each of them, when the watch began
}

// beginRoll notes that all workers are to be replaced; an earlier roll is over. What was rolled back
// before is forgotten: asked again, or with changed files, the present program is tried anew.
func (p *Pool) beginRoll(o order) {
	if o.cause == causeCommand || o.cause == causeFiles {
		p.rec.pin = nil
	}
	r := &roll{order: o, first: p.lastN + 1}
	for _, n := range p.sortedWorkers() {
		if w := p.workers[n]; w.state.serving() {
			r.from = w.rec.place
			break
		}
	}
	p.rec.roll = r
}

// watching reports that the roll waits for what its first fresh worker does.
func (p *Pool) watching() bool {
	r := p.rec.roll
	return r != nil && r.fresh != nil && !r.passed
}

// cleared reports whether w, a replacement that is ready, may take its predecessor's place. The first
// one of a roll is watched before, with recycle.watch; both serve meanwhile.
func (p *Pool) cleared(w *worker, now time.Time) bool {
	r, watch := p.rec.roll, clockOf(p.conf.Recycle.Watch)
	if r == nil || r.passed || p.conf.Recycle.Watch <= 0 || w.ref.N < r.first {
		return true
	}
	if r.fresh == nil {
		r.fresh, r.until = w, now.Add(watch)
		r.old, r.start = tally{}, map[uint64]tally{}
		for n, o := range p.workers {
			if n < r.first {
				r.start[n] = tally{o.traffic.completed, o.traffic.errors}
				r.old.add(r.start[n])
			}
		}
		p.ps.log.Info("recycle: watching the first fresh worker", "pool", p.name, "worker",
			w.ref.String(), "pid", w.pid, "for", watch.String())
	}
	return false
}

// judge ends the watch: when its time is over, or when the fresh worker does worse than the old ones.
func (p *Pool) judge(now time.Time) {
	if !p.watching() {
		return
	}
	r := p.rec.roll
	fresh := tally{r.fresh.traffic.completed, r.fresh.traffic.errors}
	old := p.oldTally()
	if fresh.size() >= errorsMin && fresh.share() > old.share()+watchJump {
		err := fmt.Errorf("supervisor: pool %s: recycle: worker %s answered %.0f %% of %d requests "+
			"with errors, the old ones %.0f %% of %d", p.name, r.fresh.ref, 100*fresh.share(),
			fresh.size(), 100*old.share(), old.size())
		p.rollBack(err, now)
		p.tellFailure(err)
		return
	}
	if !now.Before(r.until) {
		r.passed = true
		return
	}
	p.rec.wake(r.until)
}

// oldTally is what the old workers did meanwhile; in all, if that says too little.
func (p *Pool) oldTally() (n tally) {
	for i, before := range p.rec.roll.start {
		if w := p.workers[i]; w != nil {
			n.add(tally{w.traffic.completed - before.completed, w.traffic.errors - before.errors})
		}
	}
	if n.size() < errorsMin {
		n.add(p.rec.roll.old)
	}
	return n
}

// rollBack ends the roll because of err. Old workers that are there stay. Where they run from another
// place, as a symlink led elsewhere when they started, fresh workers are replaced from there.
func (p *Pool) rollBack(err error, now time.Time) {
	r := p.rec.roll
	if r == nil {
		return
	}
	p.rec.roll = nil
	p.calledOff(r.cause, err, now)
	back := r.from != place{} && p.movedFrom(r)
	if back {
		from := r.from
		p.rec.pin = &from
	}
	p.ps.log.Error("recycle rolled back", "pool", p.name, "cause", r.cause.String(), "error", err,
		"dir", r.from.dir, "program", r.from.program)
	for _, s := range p.slots {
		if w := s.next.w; w != nil && w.ref.N >= r.first {
			w.rec.cause = causeRollback
			p.rec.counts[causeRollback]++
			p.dismiss(w, "rolled back: "+r.reason, now)
		}
		if w := s.cur.w; back && w != nil && w.ref.N >= r.first && w.rec.place != r.from {
			s.stale, s.cause = "rolled back: "+r.reason, causeRollback
		}
	}
}

// movedFrom reports that workers would be started elsewhere now than where the old ones run. Where no
// fresh one tells, coming back costs nothing.
func (p *Pool) movedFrom(r *roll) bool {
	for n, w := range p.workers {
		if n >= r.first && w.rec.place != (place{}) {
			return w.rec.place != r.from
		}
	}
	return true
}

// freshFailed takes the end of a watched worker that has its predecessor's place already.
func (p *Pool) freshFailed(w *worker, now time.Time) {
	if r := p.rec.roll; p.watching() && r.fresh == w && !w.asked {
		err := p.replacementError(w)
		p.rollBack(err, now)
		p.tellFailure(err)
	}
}

// endRoll forgets a roll when all is done.
func (p *Pool) endRoll() {
	r := p.rec.roll
	if r == nil || p.watching() || p.replacing() || p.anyStale() {
		return
	}
	p.rec.roll = nil
}

// unpin gives up the place that a roll was rolled back to, when w could not be started there.
func (p *Pool) unpin(w *worker) {
	if w.err == nil || !w.rec.pinned || p.rec.pin == nil {
		return
	}
	p.ps.log.Warn("workers cannot be started where a recycle was rolled back to", "pool", p.name,
		"dir", p.rec.pin.dir, "program", p.rec.pin.program, "error", w.err)
	p.rec.pin = nil
}
