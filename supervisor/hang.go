package supervisor

import (
	"log/slog"
	"strings"
	"time"

	"weir/supervisor/config"
)

// falter takes w, which gives no sign of life, for hung. Fronts take it out of rotation, answer what
// it holds or send it to other workers, and tell what it was: evHung. When no front does so in time,
// the clock rings evHung itself.
func (w *worker) falter(why string, now time.Time) {
	u := &w.pulse
	u.silent = true
	if w.pool.conf.Hang.Action == config.HangLog {
		u.seen, u.asked = now, time.Time{} // it is asked on
		w.pool.ps.log.Warn("worker hangs", "pool", w.ref.Pool, "worker", w.ref.String(), "pid", w.pid,
			"reason", why)
		return
	}
	u.why = why
	w.handle(&event{worker: w.ref, kind: evSilent, text: why}, now)
}

// hung decides what becomes of w, which hangs, by hang.action: the table has no conditions.
func (w *worker) hung(e *event, now time.Time) {
	switch {
	case w.state > WorkerDraining:
		if strings.Contains(e.text, "in flight: ") { // another front's part
			w.pool.ps.log.Error("hung worker held, too", "pool", w.ref.Pool, "worker", w.ref.String(),
				"pid", w.pid, "reason", e.text)
		}
	case w.pool.conf.Hang.Action == config.HangLog:
		w.pool.ps.log.Warn("worker hangs", "pool", w.ref.Pool, "worker", w.ref.String(), "pid", w.pid,
			"reason", e.text)
		return
	case w.pool.conf.Hang.Action == config.HangOrphan && w.pool.orphans() < orphansMax:
		e.kind = evOrphan
	}
	w.handle(e, now)
}

// orphans counts the workers that are left alone.
func (p *Pool) orphans() (n int) {
	for _, w := range p.workers {
		if w.state == WorkerOrphaned {
			n++
		}
	}
	return n
}

// autopsy is what is found out about a hung worker before it is ended.
type autopsy struct {
	dump config.HangDump
	hook []string
	why  string
}

// examineHung begins the autopsy, if there is one: evAutopsied.
func (w *worker) examineHung(e *event) (begun bool) {
	h := &w.pool.conf.Hang
	if h.Dump == config.HangDumpOff && len(h.Hook) == 0 {
		return false
	}
	w.pool.ps.env.autopsy(w.ref, autopsy{dump: h.Dump, hook: h.Hook, why: e.text})
	return true
}

// giveUp has fronts take w out of rotation; until they did, or the time for it is over, it is ready.
func (w *worker) giveUp(now time.Time) {
	w.pool.ps.opts.Link.WorkerFail(w.ref, w.pulse.why)
	w.arm(evHung, hungAnswerMax, now)
}

// condemn takes a hung worker out of rotation and ends it, after its autopsy.
func (w *worker) condemn(e *event, now time.Time) {
	w.pulse.corpse = w.corpse(now)
	w.drain()
	if !w.examineHung(e) {
		w.term(now)
	}
}

// abandon takes a hung worker out of rotation and leaves it alone.
func (w *worker) abandon(e *event, now time.Time) {
	w.pulse.corpse = w.corpse(now)
	w.drain()
	w.examineHung(e)
	w.arm(evKeepLate, clockOf(w.pool.conf.Hang.Keep), now)
}

// corpse is what the line about a hung worker says of its process.
func (w *worker) corpse(now time.Time) []slog.Attr {
	a := []slog.Attr{slog.String("age", now.Sub(w.startedAt).Round(time.Millisecond).String())}
	if rss, ok := w.pool.ps.env.rss(w.ref); ok {
		a = append(a, slog.Int64("rss", rss))
	}
	if w.pulse.sdk && w.pulse.holds >= 0 {
		a = append(a, slog.Int("last_pong_in_flight", w.pulse.holds))
	}
	return a
}
