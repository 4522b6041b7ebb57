package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"weir/supervisor/config"
)

// event puts e through the pool's table.
func (p *Pool) event(e poolEvent, now time.Time) {
	from := p.state
	t := from.step(e)
	p.state = t.next
	p.act(t.do, from, now)
	if t.next != from {
		p.log(from, t.next, e)
	}
}

// act carries out one action of the table; the pool was in from.
func (p *Pool) act(do poolAction, from PoolState, now time.Time) {
	switch do {
	case poolIgnore:
	case poolOpen:
		p.open(from, now)
	case poolRetire:
		p.retire(PoolStopped, false, now)
	case poolHeal:
		p.probes, p.probeAt, p.failures = 0, time.Time{}, nil
		p.resetBackoff()
		p.ps.tell(p.name, p.availability())
	case poolOffline:
		p.ps.tell(p.name, Failed)
		p.ps.starts.release(p.slots...)
		p.totals.failed++
		p.offline(now)
		p.tellFailed()
	case poolProbe:
		p.probe(now)
	case poolClosed:
		p.closed()
	case poolDrain:
		if p.want == PoolRunning { // one that leaves already is given no more time
			p.retire(PoolStopped, true, now)
		}
	case poolDisable:
		p.retire(PoolDisabled, false, now)
	case poolTell:
		p.ps.opts.Link.PoolAvailable(p.name, p.availability())
	default:
		panic("supervisor: unknown pool action")
	}
}

// open makes a stopped, stopping or failed pool run; a running one is left alone.
func (p *Pool) open(from PoolState, now time.Time) {
	if p.want == PoolRunning && from != PoolFailed {
		return
	}
	p.want, p.removed, p.patient = PoolRunning, false, false
	p.failures, p.lastErr, p.order = nil, nil, startOrder{}
	p.probes, p.probeAt = 0, time.Time{}
	p.target, p.fleet = p.initial(), fleet{asked: p.fleet.asked}
	p.resetBackoff()
	p.ps.tell(p.name, Available)
	if from == PoolRunning && p.ready() == 0 && !p.dormant() { // those that were ready leave
		p.event(evPoolDown, now)
	}
}

func (p *Pool) resetBackoff() {
	for _, s := range p.slots {
		s.cur.fails, s.next.fails = 0, 0
		s.cur.at, s.next.at = time.Time{}, time.Time{}
	}
}

// retire makes the pool stop, or be disabled: the front refuses requests, every worker is drained, a
// patient pool's for as long as it takes.
func (p *Pool) retire(want PoolState, patient bool, now time.Time) {
	if p.want == want && p.patient == patient {
		return
	}
	told := p.availability()
	p.want, p.patient = want, patient
	p.probeAt = time.Time{}
	if a := p.availability(); a != told {
		p.ps.tell(p.name, a)
	}
	p.ps.starts.release(p.slots...)
	p.slots = nil
	for _, n := range p.sortedWorkers() {
		w := p.workers[n]
		w.patient = patient
		p.dismiss(w, "pool is "+want.String(), now)
	}
}

// dismiss asks w to leave.
func (p *Pool) dismiss(w *worker, reason string, now time.Time) {
	w.asked = true
	w.handle(&event{worker: w.ref, kind: evDrain, text: reason}, now)
}

// killAll is the end of a Stop's patience.
func (p *Pool) killAll(now time.Time) {
	if p.want == PoolRunning {
		return
	}
	for _, n := range p.sortedWorkers() {
		w := p.workers[n]
		w.asked = true
		w.handle(&event{worker: w.ref, kind: evKill, text: "stop deadline of the pool"}, now)
	}
	p.settle(now)
}

// offline plans what follows a failure, by rapid_fail.then.
func (p *Pool) offline(now time.Time) {
	switch p.conf.RapidFail.Then {
	case config.ThenExit:
		if p.ps.opts.OnExit != nil {
			p.ps.opts.OnExit(p.name, fmt.Errorf("supervisor: pool %s: %w: %w", p.name, ErrPoolFailed,
				p.lastErr))
		}
	case config.ThenRetry:
		p.planProbe(now)
	}
}

// reprobe plans the next half-open probe after one that failed.
func (p *Pool) reprobe(now time.Time) {
	if p.conf.RapidFail.Then == config.ThenRetry {
		p.planProbe(now)
	}
}

// planProbe sets the time of the next half-open probe.
func (p *Pool) planProbe(now time.Time) {
	p.probeAt = now.Add(p.ps.env.jitter(backoff(p.probes + halfOpenFirst)))
	p.probes++
}

// probe starts the one worker that a failed pool tries.
func (p *Pool) probe(now time.Time) {
	p.probeAt = time.Time{}
	if p.ps.starts.full() { // others start: a moment later
		p.probeAt = now.Add(p.ps.env.jitter(backoffMin))
		return
	}
	p.target = max(p.target, 1)
	p.resize(now)
	i := slices.IndexFunc(p.slots, func(s *slot) bool { return !s.disabled() })
	if i >= 0 && p.slots[i].cur.w == nil {
		p.ps.starts.held++
		w := p.spawn(now)
		w.permit, p.slots[i].cur.w = true, w
	}
}

func (p *Pool) closed() {
	if !p.removed {
		return
	}
	p.ps.mu.Lock()
	delete(p.ps.pools, p.name)
	p.ps.mu.Unlock()
}

// availability is what a front does with requests for the pool now.
func (p *Pool) availability() Availability {
	switch {
	case p.want == PoolStopped:
		return Stopped
	case p.want == PoolDisabled, p.state == PoolDisabled:
		return Disabled
	case p.state == PoolFailed:
		return Failed
	}
	return Available
}

// ready counts the workers in rotation.
func (p *Pool) ready() (n int) {
	for _, w := range p.workers {
		if w.state == WorkerReady {
			n++
		}
	}
	return n
}

func (p *Pool) sortedWorkers() []uint64 { return slices.Sorted(maps.Keys(p.workers)) }

// spawn starts a worker under the present configuration. Its number is new.
func (p *Pool) spawn(now time.Time) *worker {
	n := p.ps.number(p.name)
	w := &worker{pool: p, ref: WorkerRef{Pool: p.name, N: n}, conf: p.conf}
	w.rec.spread = p.ps.env.spread()
	if p.rec.pin != nil {
		w.conf, w.rec.pinned = p.conf.at(*p.rec.pin), true
	}
	p.workers[n] = w
	p.totals.started++
	w.start(now)
	return w
}

func (p *Pool) noteExit(x ExitStatus) {
	p.exits = append(p.exits, x)
	if len(p.exits) > exitsKept {
		p.exits = slices.Delete(p.exits, 0, len(p.exits)-exitsKept)
	}
}

// log writes the one line of a pool's change of state.
func (p *Pool) log(from, to PoolState, e poolEvent) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("pool", p.name), slog.String("from", from.String()),
		slog.String("to", to.String()), slog.String("want", p.want.String()),
		slog.String("reason", e.String())}
	if to == PoolFailed {
		level = slog.LevelError
		attrs = append(attrs, slog.Int("failures", len(p.failures)), slog.Any("error", p.lastErr))
	}
	p.ps.log.LogAttrs(context.Background(), level, p.noun("pool"), attrs...)
}
