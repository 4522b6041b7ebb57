package supervisor

import (
	"fmt"
	"time"

	"weir/supervisor/config"
)

// cpuMeter measures a ready worker against cpu_limit, once an interval. Owned by the main loop.
type cpuMeter struct {
	since time.Time // zero: it does not run
	used  time.Duration
}

// metered reports whether l is held by measuring. What the kernel throttles is measured, too: where it
// cannot, its use is at least logged. A share that counts only under load is not.
func metered(l *config.CPULimit) bool {
	return !l.Percent.IsOff() && l.Action != config.CPUThrottleUnderLoad
}

// measure looks at w's meter. A worker that used more than it should is complained about, and
// replaced if that is wanted.
func (w *worker) measure(now time.Time) {
	l := &w.conf.Isolation.CPULimit
	if !metered(l) || w.state != WorkerReady {
		w.cpu = cpuMeter{}
		return
	}
	if !w.cpu.since.IsZero() && now.Before(w.cpu.due(l)) {
		return
	}
	used, err := w.pool.ps.env.cpuTime(w.ref)
	last := w.cpu
	w.cpu = cpuMeter{since: now, used: used}
	if err != nil || last.since.IsZero() || used < last.used {
		return // it has said so, or is ending
	}
	span := now.Sub(last.since)
	percent := int64(100 * (used - last.used) / max(span, time.Millisecond))
	allowed := int64(l.Percent)
	if l.Action == config.CPUThrottle {
		allowed += allowed / 10 // the kernel's periods and ours do not begin together
	}
	if percent <= allowed {
		return
	}
	why := fmt.Sprintf("cpu limit: used %d%% of a processor in %s, limit %s", percent,
		span.Round(time.Millisecond), l.Percent)
	if l.Action == config.CPUKill {
		w.pool.outworn(w, order{causeCPU, why})
	}
	w.pool.ps.log.Warn("worker above its cpu limit", "pool", w.ref.Pool, "worker", w.ref.String(),
		"pid", w.pid, "reason", why)
}

// outworn has w replaced, as a recycle does, without waiting for its turn.
func (p *Pool) outworn(w *worker, why order) {
	for _, s := range p.slots {
		if s.cur.w == w && s.stale == "" {
			s.stale, s.cause = why.reason, why.cause
		}
	}
}

// due is when the running meter is read.
func (m *cpuMeter) due(l *config.CPULimit) time.Time { return m.since.Add(l.Interval.Std()) }

// nextMeasure is when w's meter must be looked at, zero for never.
func (w *worker) nextMeasure() time.Time {
	if w.cpu.since.IsZero() {
		return time.Time{}
	}
	return w.cpu.due(&w.conf.Isolation.CPULimit)
}
