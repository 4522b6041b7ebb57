package supervisor

import (
	"fmt"
	"slices"
	"time"

	"weir/supervisor/config"
)

// overlaps reports whether a fresh worker may run beside the one that it replaces.
func (p *Pool) overlaps() bool { return p.conf.Recycle.Overlap != config.OverlapFalse }

// mayFill reports whether a worker may be started in s, which is empty: where two must not run at
// once, the processes of those who left are waited for.
func (p *Pool) mayFill(s *slot) bool {
	if s.after != nil && s.after.state != WorkerGone {
		return false
	}
	return p.overlaps() || len(p.workers) < p.target
}

// replace begins to replace the worker in s, which is stale. It returns false to wait.
func (p *Pool) replace(s *slot, now time.Time) bool {
	if p.rec.room.at.IsZero() { // not measured yet, or a fresh worker is being watched
		return false
	}
	if p.overlaps() {
		need, ok := p.hasRoom()
		if ok {
			if s.next.w = p.spawnIn(&s.next, now); s.next.w == nil {
				return false // others start; it is in line
			}
			p.rec.room = headroom{}
			return true
		}
		if !p.waitForRoom(need, now) {
			return false
		}
	}
	if !p.reserve(&s.cur) {
		return false // else the place might stay empty for as long as others start
	}
	p.vacate(s, now)
	return true
}

// vacate makes the worker in s leave first: maintain fills s when it is gone.
func (p *Pool) vacate(s *slot, now time.Time) {
	p.rec.room = headroom{}
	w := s.cur.w
	s.vacated, s.after = s.cause, w
	p.recycled(w, s, order{s.cause, s.stale}, now)
	p.dismiss(w, s.stale, now)
}

// headroom is the memory guard: a fresh worker beside the old ones needs room for the largest of them.
type headroom struct {
	at    time.Time // when it was measured; zero: not since the last replacement
	asked bool      // being measured
	free  int64     // see memory
	since time.Time // what is stale waits for room since then; zero: it does not
}

// measureRoom asks how much room there is, when a replacement is to be started.
func (p *Pool) measureRoom(now time.Time) {
	r := &p.rec.room
	if !p.wantsReplacement() {
		if !r.asked {
			*r = headroom{}
		}
		return
	}
	if r.asked || !r.at.IsZero() && now.Sub(r.at) < roomEvery {
		return
	}
	r.asked = true
	p.ps.env.measure(p.live(), false, p.onRoom)
}

func (p *Pool) onRoom(m memory) {
	r, now := &p.rec.room, p.ps.env.now()
	p.noteUse(m)
	r.asked, r.at, r.free = false, now, m.free
	p.settle(now)
}

// replacing reports that a worker is being replaced.
func (p *Pool) replacing() bool {
	return slices.ContainsFunc(p.slots, func(s *slot) bool {
		return s.next.w != nil || s.vacated != causeNone
	})
}

// wantsReplacement reports that a worker is stale and none is being replaced.
func (p *Pool) wantsReplacement() bool {
	return !p.replacing() && !p.watching() && slices.ContainsFunc(p.slots, func(s *slot) bool {
		return s.stale != "" && s.cur.w != nil
	})
}

// hasRoom reports whether one more worker fits, and what it needs. Where that cannot be known it does.
func (p *Pool) hasRoom() (need int64, ok bool) {
	need = p.largest()
	return need, p.rec.room.free < 0 || need <= p.rec.room.free
}

// waitForRoom reports that there was no room for so long that the old worker must go first: it may be
// what fills the memory.
func (p *Pool) waitForRoom(need int64, now time.Time) bool {
	r := &p.rec.room
	if r.since.IsZero() {
		r.since = now
		p.ps.log.Warn("recycle waits: no memory for one more worker", "pool", p.name,
			"needs", sizeText(need), "free", sizeText(r.free), "old_first_in", roomPatience.String())
	}
	if now.Sub(r.since) >= roomPatience {
		return true
	}
	p.rec.wake(r.at.Add(roomEvery))
	return false
}

// calledOff forgets what is to be replaced, but for a changed configuration. cause is what the
// replacement that failed was for.
func (p *Pool) calledOff(cause recycleCause, err error, now time.Time) {
	for _, s := range p.slots {
		if !s.keep {
			s.stale, s.cause = "", causeNone
		}
	}
	p.rec.pending = order{}
	if cause.automatic() {
		p.ps.log.Warn("recycle called off", "pool", p.name, "cause", cause.String(), "error", err,
			"again_in", p.rec.backOff(now).String())
	}
}

// replacementError is why w, which was to replace another, did not.
func (p *Pool) replacementError(w *worker) error {
	return fmt.Errorf("supervisor: pool %s: replacement: %w", p.name, w.failure())
}
