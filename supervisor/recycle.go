package supervisor

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"weir/supervisor/config"
)

// recycler is what a pool knows about replacing its workers. Owned by the main loop.
type recycler struct {
	counts  causeCounts
	pending order // a recycle of all workers that waits for its turn

	fails     int       // replacements in a row that did not help
	notBefore time.Time // no automatic recycling

	timetable timetable
	samples   sampling
	files     fileWatch
	room      headroom
	roll      *roll  // under way; nil: none
	pin       *place // where workers run from after a roll was rolled back; nil: as configured

	next   time.Time // when to look again; zero: never
	turned time.Time // when the pool's clocks were last looked at
}

// order is what is to be recycled why.
type order struct {
	cause  recycleCause
	reason string
}

// wake asks for a look at t. What is due already waits for something else than a clock.
func (r *recycler) wake(t time.Time) {
	if t.After(r.turned) {
		r.next = earlier(r.next, t)
	}
}

// backOff puts automatic recycling off after a replacement that did not help.
func (r *recycler) backOff(now time.Time) time.Duration {
	d := min(recycleRetryMin<<min(r.fails, 16), recycleRetryMax)
	r.fails++
	r.notBefore = now.Add(d)
	return d
}

// workerRecycle is what a worker knows about its own replacement.
type workerRecycle struct {
	cause  recycleCause // why it left; none while it has not, or left otherwise
	spread float64      // its part of the jitter, in [-1, 1)
	wish   *string      // RECYCLE=
	above  int          // samples in a row above recycle.memory
	since  time.Time    // when the reason to go that it has arose; zero: it has none
	over   time.Time    // when it was first seen above recycle.memory_max; zero: it is not
	use    usage        // as last measured
	errors errorWindow
	place  place // where it runs from
	pinned bool  // there since a roll was rolled back
}

// review looks for reasons to replace workers. It is called whenever something happened or a clock
// rings, and is idempotent.
func (p *Pool) review(now time.Time) {
	r := &p.rec
	r.turned, r.next = now, time.Time{}
	if p.want != PoolRunning {
		*r = recycler{counts: r.counts, pin: r.pin, turned: now}
		return
	}
	p.sample(now)
	p.scanFiles(now)
	p.lookAtClock(now)
	slot, due := p.overdue(now)
	if due.cause == causeNone && r.pending.cause == causeNone || !p.calm() {
		return
	}
	if now.Before(r.notBefore) {
		r.wake(r.notBefore)
		return
	}
	if all := r.pending; all.cause != causeNone {
		r.pending = order{}
		p.beginRoll(all)
		p.mark(all, 0)
		return
	}
	slot.stale, slot.cause = due.reason, due.cause
}

// calm reports that every worker is ready and none is being replaced.
func (p *Pool) calm() bool {
	return p.state == PoolRunning && p.rec.roll == nil && p.filled() && !p.replacing() && !p.anyStale()
}

func (p *Pool) anyStale() bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool { return s.stale != "" })
}

// overdue is the first worker that has a reason to go, and the reason.
func (p *Pool) overdue(now time.Time) (first *slot, why order) {
	for _, s := range p.slots {
		w := s.cur.w
		if w == nil || w.state != WorkerReady {
			continue
		}
		w.rec.errors.note(&w.traffic, now)
		o := w.due(now)
		switch {
		case o.cause == causeNone:
			w.rec.since = time.Time{}
		case w.rec.since.IsZero():
			w.rec.since = now
		}
		if first == nil && o.cause != causeNone {
			first, why = s, o
		}
	}
	return first, why
}

// early reports that w had its reason to go soon after it was ready: a fresh one will have it, too.
func (w *worker) early(c recycleCause) bool {
	since := w.rec.since
	if c == causeMemoryMax {
		since = w.rec.over
	}
	return c.byFresh() && since.Sub(w.readyAt) < recycleYoung
}

// due is the reason for which w, which is ready, is to be replaced; the zero order for none.
func (w *worker) due(now time.Time) order {
	c := &w.pool.conf.Recycle
	if w.rec.wish != nil {
		return order{causeWorker, "asked for by the worker: " + *w.rec.wish}
	}
	if c.Age > 0 {
		at := w.startedAt.Add(time.Duration(w.spread(float64(c.Age))))
		if !now.Before(at) {
			return order{causeAge, "age: " + now.Sub(w.startedAt).Round(time.Second).String()}
		}
		w.pool.rec.wake(at)
	}
	if c.Requests > 0 {
		if limit := max(1, w.spread(float64(c.Requests))); float64(w.traffic.completed) >= limit {
			return order{causeRequests, fmt.Sprintf("requests: %d", w.traffic.completed)}
		}
	}
	if c.Memory > 0 && w.rec.above >= c.Samples {
		return order{causeMemory, fmt.Sprintf("memory: %s above %s in %d samples",
			w.rec.use.describe(c.MemorySource), c.Memory, w.rec.above)}
	}
	if c.Errors > 0 {
		if n := w.rec.errors.sum(now); n.size() >= errorsMin && n.share() >= float64(c.Errors)/100 {
			return order{causeErrors, fmt.Sprintf("errors: %d of %d requests", n.errors, n.size())}
		}
	}
	return order{}
}

// spread is a limit with w's part of the jitter.
func (w *worker) spread(limit float64) float64 {
	j := w.pool.conf.Recycle.Jitter
	if j.IsOff() {
		return limit
	}
	return limit * (1 + w.rec.spread*float64(j)/100)
}

// mark makes worker n, or every worker for 0 that is not disabled, one to be replaced, and returns which
// are.
func (p *Pool) mark(o order, n uint64) map[uint64]bool {
	marked := map[uint64]bool{}
	for _, s := range p.slots {
		if w := s.cur.w; w != nil && (n == 0 && !s.disabled() || w.ref.N == n) {
			s.stale, s.cause = o.reason, o.cause
			marked[w.ref.N] = true
		}
	}
	return marked
}

// recycled notes that w, in s, is about to be asked to leave, because of o.
func (p *Pool) recycled(w *worker, s *slot, o order, now time.Time) {
	r := &p.rec
	r.counts[o.cause]++
	s.last = fmt.Sprintf("%s: %s", w.ref, o.reason)
	w.rec.cause = o.cause
	switch {
	case !o.cause.automatic():
	case w.early(o.cause):
		p.ps.log.Warn("recycling does not help: a fresh worker has the same reason at once",
			"pool", p.name, "worker", w.ref.String(), "pid", w.pid, "reason", o.reason,
			"again_in", r.backOff(now).String())
	default:
		r.fails = 0
	}
}

// onRecycleAsked: w said RECYCLE=. It is granted when it is the pool's turn.
func (w *worker) onRecycleAsked(reason string) {
	if reason == "" {
		reason = "no reason given"
	}
	w.rec.wish = &reason
}

// recycleAttrs are what the line of a worker that is recycled says besides.
func (w *worker) recycleAttrs(now time.Time) []slog.Attr {
	if w.rec.cause == causeNone {
		return nil
	}
	a := []slog.Attr{slog.String("cause", w.rec.cause.String()),
		slog.String("age", now.Sub(w.startedAt).Round(time.Millisecond).String()),
		slog.Uint64("requests", w.traffic.completed)}
	if w.rec.use.rss > 0 {
		a = append(a, slog.String("rss", sizeText(w.rec.use.rss)))
	}
	return a
}

// timetable is recycle.at as one pool's clock.
type timetable struct {
	of    []string // what it was made from
	times []config.At
	zone  *time.Location
	next  time.Time
}

// lookAtClock orders a recycle when a time of recycle.at has come. The clock on the wall may be put
// forward meanwhile, so it is looked at every minute; a time that has come does not come again when it
// is put back.
func (p *Pool) lookAtClock(now time.Time) {
	t, c := &p.rec.timetable, &p.conf.Recycle
	if len(c.At) == 0 {
		*t = timetable{}
		return
	}
	zone, err := c.Location()
	if err != nil { // validated, but the file of zones may have gone
		zone = time.Local
	}
	if !slices.Equal(t.of, c.At) || t.zone.String() != zone.String() {
		*t = timetable{of: c.At, zone: zone}
		for _, s := range c.At {
			if a, err := config.ParseAt(s); err == nil { // validated
				t.times = append(t.times, a)
			}
		}
		t.next = t.after(now)
	}
	if !now.Before(t.next) {
		p.rec.pending = order{causeAt, "at " + t.next.Format("Mon 15:04 MST")}
		t.next = t.after(now)
	}
	p.rec.wake(earlier(t.next, now.Add(wallClockEvery)))
}

// after is the first time of the table after now.
func (t *timetable) after(now time.Time) (next time.Time) {
	for _, a := range t.times {
		next = earlier(next, a.Next(now.In(t.zone)))
	}
	return next
}
