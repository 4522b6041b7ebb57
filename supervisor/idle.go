package supervisor

import (
	"fmt"
	"time"

	"weir/supervisor/config"
)

// memoryView is how scarce memory is.
type memoryView struct {
	total     uint64  // of machine or cgroup, bytes; 0: not known
	available uint64  // of that, bytes
	stalled   float64 // PSI: percent of the last 10 s in which some task waited for memory
	psi       bool    // stalled is known
}

// free is what could still be used, as memory has it.
func (m *memoryView) free() int64 {
	if m.total == 0 {
		return -1
	}
	return int64(m.available)
}

// ladder says by what idle.after is divided while memory is scarce.
var ladder = []struct {
	stalled float64 // percent, by PSI, at least
	used    float64 // percent of memory, at least; where there is no PSI
	divide  int
}{
	{60, 99, 32}, {40, 95, 16}, {20, 90, 8}, {10, 85, 4}, {5, 80, 2},
}

// divisor is what idle.after is divided by: 1, 2, 4, 8, 16 or 32.
func (m *memoryView) divisor() int {
	used := 0.0
	if m.total > 0 {
		used = 100 * float64(m.total-min(m.available, m.total)) / float64(m.total)
	}
	for _, step := range ladder {
		if m.psi && m.stalled >= step.stalled || !m.psi && used >= step.used {
			return step.divide
		}
	}
	return 1
}

// pressure is the divisor of all pools that go by it, sampled when one asks. Owned by the main loop.
type pressure struct {
	at     time.Time
	divide int // 0: never sampled
}

// pressureDivisor samples memory at most every pressureEvery.
func (ps *Pools) pressureDivisor(now time.Time) int {
	c := &ps.pressure
	if c.divide > 0 && now.Sub(c.at) < pressureEvery {
		return c.divide
	}
	m := ps.env.memory()
	was := max(c.divide, 1)
	if m.total == 0 && !m.psi {
		ps.warnBlind()
	}
	c.at, c.divide = now, m.divisor()
	if c.divide != was {
		source := "memory in use"
		if m.psi {
			source = fmt.Sprintf("PSI some avg10 %.1f%%", m.stalled)
		}
		ps.log.Info("memory pressure", "from", was, "to", c.divide, "reason",
			source+": idle.after is divided by this where idle.pressure is on")
	}
	return c.divide
}

// warnBlind says once that memory cannot be looked at.
func (ps *Pools) warnBlind() {
	if !ps.blind {
		ps.blind = true
		ps.log.Warn("unsupported here: available memory is not known; scale.memory and idle.pressure " +
			"have no effect")
	}
}

// suspends reports that idle workers are suspended, not ended.
func (p *Pool) suspends() bool {
	return p.conf.Idle.After > 0 && p.conf.Idle.Action == config.IdleSuspend
}

// idleLimit is after how long a worker is idle now.
func (p *Pool) idleLimit(now time.Time) time.Duration {
	d := p.conf.Idle.After.Std()
	if p.conf.Idle.Pressure {
		d /= time.Duration(p.ps.pressureDivisor(now))
	}
	return max(d, time.Millisecond)
}

// retireIdle ends or suspends the workers that are idle, and plans the next look.
func (p *Pool) retireIdle(now time.Time) {
	p.fleet.idleAt = time.Time{}
	if p.conf.Idle.After <= 0 || p.want != PoolRunning || p.state != PoolRunning || p.waiting > 0 {
		return
	}
	limit := time.Duration(0)
	for _, s := range p.settledSlots() {
		w := s.cur.w
		if w.traffic.inFlight > 0 || !p.mayRetire() {
			return
		}
		if limit == 0 {
			limit = p.idleLimit(now)
		}
		if at := w.traffic.busyAt.Add(limit); at.After(now) {
			p.planIdle(at, now)
			return // the others have been idle for less
		}
		why := "idle for " + now.Sub(w.traffic.busyAt).Round(time.Millisecond).String()
		if p.suspends() {
			w.handle(&event{worker: w.ref, kind: evSuspend, text: why}, now)
		} else {
			p.drop(s, why, now)
		}
	}
}

// mayRetire reports that a worker fewer in rotation is allowed: spare ones are kept, and those that the
// configuration asks for.
func (p *Pool) mayRetire() bool {
	if spare := p.conf.Scale.Spare; spare > 0 {
		idle := 0
		for _, w := range p.workers {
			if w.state == WorkerReady && w.traffic.inFlight == 0 {
				idle++
			}
		}
		if idle <= spare {
			return false
		}
	}
	return p.suspends() || p.target-p.disabled() > p.floor()
}

// planIdle looks again when a worker is idle, and earlier where memory may become scarce meanwhile.
func (p *Pool) planIdle(at, now time.Time) {
	if soon := now.Add(pressureEvery); p.conf.Idle.Pressure && soon.Before(at) {
		at = soon
	}
	p.fleet.idleAt = at
}

// parked counts the workers that are suspended, or about to be.
func (p *Pool) parked() (n int) {
	for _, w := range p.workers {
		if w.state.parked() {
			n++
		}
	}
	return n
}

// lastParked is the worker that was suspended last, whose memory is likeliest still there; nil for
// none.
func (p *Pool) lastParked() *worker {
	var last *worker
	for _, n := range p.sortedWorkers() {
		w := p.workers[n]
		if w.state.parked() && (last == nil || w.parkedAt.After(last.parkedAt)) {
			last = w
		}
	}
	return last
}

// wake brings a suspended worker back into rotation.
func (p *Pool) wake(w *worker, why string, now time.Time) {
	w.handle(&event{worker: w.ref, kind: evWake, text: why}, now)
}

// park takes w out of rotation; once it holds nothing it is suspended.
func (w *worker) park(now time.Time) {
	w.parkedAt = now
	w.drain()
	w.arm(evWake, parkPatience, now)
}

// unpark puts w, which was suspended or disabled, back into rotation.
func (w *worker) unpark(now time.Time) {
	w.pool.ps.env.resume(w.ref)
	w.drained = false
	w.traffic.busyAt, w.pulse.seen, w.pulse.asked = now, now, time.Time{} // it was stopped, not silent
	e := w.endpoint
	e.SlowStart = 0 // it is warm
	w.pool.ps.opts.Link.WorkerReady(w.ref, e)
}
