package supervisor

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"weir/supervisor/config"
)

// fleet is what a pool knows about the load on its workers. Owned by the main loop.
type fleet struct {
	calmAt  time.Time // since when load has been low; zero: it is not
	busyAt  time.Time // when anything was last held or completed
	lookAt  time.Time // when to decide again; zero: at the next report
	idleAt  time.Time // when the next worker is idle; zero: none will be
	asked   bool      // memory is being measured for more workers
	guarded bool      // more workers are needed and memory does not hold them: said
	capped  bool      // more workers are needed and limits.workers allows none: said
}

// setTarget makes n the wanted number of workers; slots follow with the next maintain. It is the one
// place where that number changes while a pool runs.
func (p *Pool) setTarget(n int, why string, now time.Time) {
	if n == p.target {
		return
	}
	p.ps.log.LogAttrs(context.Background(), slog.LevelInfo, "pool scaled", slog.String("pool", p.name),
		slog.Int("from", p.target), slog.Int("to", n), slog.String("reason", why))
	grows := n > p.target
	p.target = n
	p.fleet.calmAt = time.Time{}
	if grows && p.ready()+p.parked() == 0 && p.want == PoolRunning {
		p.event(evPoolDown, now)
	}
}

// retarget fits the wanted number of workers to a changed configuration, and wakes those that would
// sleep on.
func (p *Pool) retarget(old *PoolConfig, now time.Time) {
	n := p.target
	low, high := p.bounds()
	if n > 0 || p.conf.Start != config.StartOnDemand {
		n = min(max(n, low), high)
	}
	if p.conf.Start != config.StartOnDemand && old.Start == config.StartOnDemand {
		n = max(n, p.first())
	}
	p.setTarget(n, "configuration changed", now)
	p.fleet.lookAt = earlier(p.fleet.lookAt, now.Add(scaleAgain)) // nobody may report on a pool at rest
	for !p.suspends() && p.lastParked() != nil {
		p.wake(p.lastParked(), "idle workers are not suspended any more", now)
	}
}

// wanted is the number of workers wanted now, or once the pool is started.
func (p *Pool) wanted() int {
	if p.want == PoolRunning {
		return p.target
	}
	return p.initial()
}

// demand makes sure that somebody will take the requests that wait while no worker is in rotation. One
// that is disabled does not count.
func (p *Pool) demand(now time.Time) {
	if p.want != PoolRunning || p.state == PoolFailed || p.ready() > 0 {
		return
	}
	if w := p.lastParked(); w != nil {
		p.wake(w, "a request waits", now)
		return
	}
	switch d := p.disabled(); {
	case p.target == 0:
		p.setTarget(p.allowed(p.first()), "a request waits", now)
	case p.dormant():
		p.setTarget(d+p.allowed(1), "a request waits", now)
	}
}

// allowed is how many of n further workers limits.workers leaves room for.
func (p *Pool) allowed(n int) int {
	limit, all := p.ps.opts.Workers, 0
	if limit == 0 {
		return n
	}
	for _, q := range p.ps.pools {
		if q.want == PoolRunning && !isSidecar(q.name) {
			all += q.target
		}
	}
	n = min(n, max(0, limit-all))
	if n == 0 && !p.fleet.capped {
		p.ps.log.Warn("pool not scaled: limits.workers", "pool", p.name, "workers", p.target,
			"workers_of_all", all, "limit", limit)
	}
	p.fleet.capped = n == 0
	return n
}

// dormant reports that no worker need be in rotation: none is wanted, or what is wanted sleeps or is
// disabled. The next request brings one there.
func (p *Pool) dormant() bool {
	_, high := p.bounds()
	return p.want == PoolRunning && (p.parked() > 0 || p.target < high && p.target == p.disabled())
}

// rescale decides about the number of workers from what is known now.
func (p *Pool) rescale(now time.Time) {
	p.fleet.lookAt = time.Time{}
	low, high := p.bounds()
	if p.want != PoolRunning || p.state == PoolFailed || p.target == p.disabled() ||
		low == high && p.parked() == 0 {
		return
	}
	v := p.view(now)
	switch step, why := p.conf.Scale.decide(&v); step {
	case scaleWake:
		p.wake(p.lastParked(), why, now)
	case scaleUp:
		p.grow(why, now)
	case scaleDown:
		if s := p.idlest(); s != nil {
			p.drop(s, why, now)
			p.fleet.calmAt = now
		}
	}
	p.planLook(&v, now)
}

// view is what decides about the number of workers. Those that are disabled are left out of it: they are
// among the most that there may be, and not among the fewest.
func (p *Pool) view(now time.Time) scaleView {
	disabled := p.disabled()
	v := scaleView{
		target: p.target - disabled, parked: p.parked(), waiting: p.waiting, oldest: p.oldest, keeps: p.suspends(),
	}
	v.low, v.high = p.bounds()
	v.high -= disabled
	for _, w := range p.workers {
		if w.state != WorkerReady {
			continue
		}
		v.ready++
		v.slots += w.endpoint.Concurrency
		v.inFlight += w.traffic.inFlight
		if w.traffic.inFlight == 0 {
			v.idle++
		}
	}
	f := &p.fleet
	switch {
	case !p.conf.Scale.calm(&v):
		f.calmAt = time.Time{}
	case f.calmAt.IsZero():
		f.calmAt = now
	default:
		v.calm = now.Sub(f.calmAt)
	}
	v.quiet = now.Sub(f.busyAt)
	if v.inFlight > 0 {
		v.quiet = 0
	}
	return v
}

// planLook sets the next look at the load for what no report will tell.
func (p *Pool) planLook(v *scaleView, now time.Time) {
	f := &p.fleet
	switch {
	case p.conf.Scale.needs(v) != "" && v.target < v.high:
		f.lookAt = now.Add(scaleAgain)
	case !f.calmAt.IsZero() && !v.keeps && v.target > v.low:
		from := f.calmAt
		if v.target == 1 && f.busyAt.After(from) {
			from = f.busyAt
		}
		f.lookAt = from.Add(p.conf.Scale.Cooldown.Std())
		if !f.lookAt.After(now) {
			f.lookAt = now.Add(scaleAgain)
		}
	}
}

// grow asks for a step of more workers, once it is known how much memory they may use.
func (p *Pool) grow(why string, now time.Time) {
	from, step := p.target, p.allowed(p.step())
	if p.conf.Scale.Memory.IsOff() {
		p.setTarget(from+step, why, now)
		return
	}
	if p.fleet.asked || step == 0 {
		return
	}
	p.fleet.asked = true
	p.ps.env.measure(p.live(), false, func(m memory) {
		now := p.ps.env.now()
		p.fleet.asked = false
		p.noteUse(m)
		if p.want != PoolRunning || p.state == PoolFailed || p.target != from {
			return // it is not what was asked for any more
		}
		if n := p.affordable(p.allowed(p.step()), m.free); n > 0 {
			p.setTarget(from+n, why, now)
		}
		p.settle(now)
	})
}

// step is how many workers more there may be at a time.
func (p *Pool) step() int {
	_, high := p.bounds()
	return max(0, min(p.conf.Scale.Step, high-p.target))
}

// affordable is how many of n further workers, each as large as the largest, fit in the free memory.
func (p *Pool) affordable(n int, free int64) int {
	if free < 0 {
		p.ps.warnBlind()
	}
	largest := p.largest()
	if largest == 0 || free < 0 {
		return n
	}
	fit := int(min(int64(n), free/largest))
	if fit == 0 && !p.fleet.guarded {
		p.ps.log.Warn("pool not scaled: memory would not hold one more worker", "pool", p.name,
			"workers", p.target, "free", sizeText(free), "needs", sizeText(largest))
	}
	p.fleet.guarded = fit == 0
	return fit
}

// settledSlots are those with a worker in rotation that is not being replaced, idle longest first.
func (p *Pool) settledSlots() []*slot {
	var out []*slot
	for _, s := range p.slots {
		if w := s.cur.w; w != nil && w.state == WorkerReady && s.stale == "" && s.next.w == nil {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b *slot) int { return byIdleness(a.cur.w, b.cur.w) })
	return out
}

// byIdleness orders workers: who holds nothing, and that for longest, is first; of equals the youngest.
func byIdleness(a, b *worker) int {
	x, y := &a.traffic, &b.traffic
	if (x.inFlight == 0) != (y.inFlight == 0) {
		return cmp.Compare(x.inFlight, y.inFlight)
	}
	if c := x.busyAt.Compare(y.busyAt); c != 0 {
		return c
	}
	return cmp.Compare(b.ref.N, a.ref.N)
}

// idlest is the slot whose worker has been idle longest, or holds something if all do.
func (p *Pool) idlest() *slot {
	if all := p.settledSlots(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// drop takes a slot away; its worker is drained.
func (p *Pool) drop(s *slot, why string, now time.Time) {
	p.setTarget(p.target-1, why, now)
	p.remove(s, why, now)
}
