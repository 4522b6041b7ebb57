package supervisor

import "time"

// starts bounds how many workers of all pools are starting at once: a worker holds a permit from its
// spawn until it is ready or gone; where the old worker must go first, its seat holds one from that
// moment. Seats for which there is none wait in line. Sidecars need none, as workers that start may wait
// for them. Owned by the main loop.
type starts struct {
	max  int // 0: no bound
	held int
	line []startWish // at most one per seat
	in   map[*seat]struct{}
}

type startWish struct {
	pool *Pool
	seat *seat
}

// full reports that no permit is left.
func (l *starts) full() bool { return l.max > 0 && l.held >= l.max }

// admit takes a permit for a seat whose turn it is; false: it waits in line.
func (l *starts) admit(p *Pool, s *seat) bool {
	first := len(l.line) == 0 || l.line[0].seat == s
	if first && !l.full() {
		l.held++
		l.leave(s)
		return true
	}
	if _, waits := l.in[s]; !waits {
		if l.in == nil {
			l.in = map[*seat]struct{}{}
		}
		l.in[s] = struct{}{}
		l.line = append(l.line, startWish{p, s})
	}
	return false
}

// leave takes the first in line out, if that is s.
func (l *starts) leave(s *seat) {
	if len(l.line) > 0 && l.line[0].seat == s {
		delete(l.in, s)
		l.line = l.line[1:]
	}
}

// give takes the permit of a worker back, once.
func (l *starts) give(w *worker) {
	if w.permit {
		w.permit = false
		l.held--
	}
}

// release takes back the permits that are held for seats of these slots, which nobody fills any more.
func (l *starts) release(slots ...*slot) {
	for _, s := range slots {
		if s.cur.permit {
			s.cur.permit = false
			l.held--
		}
	}
}

// serveLine lets those in line start as far as there are permits. A seat that is not to be filled any
// more loses its place.
func (ps *Pools) serveLine(now time.Time) {
	l := &ps.starts
	for len(l.line) > 0 && !l.full() {
		head := l.line[0]
		head.pool.settle(now)
		l.leave(head.seat)
	}
}

// SetBounds changes PoolsOptions.Starts and PoolsOptions.Workers.
func (ps *Pools) SetBounds(starts, workers int) {
	ps.call(func(time.Time) { ps.starts.max, ps.opts.Workers = starts, workers })
}

// spawnIn starts a worker for a seat; nil while it must wait for its turn.
func (p *Pool) spawnIn(s *seat, now time.Time) *worker {
	if !p.reserve(s) {
		return nil
	}
	w := p.spawn(now)
	s.permit, w.permit = false, s.permit
	return w
}

// reserve makes sure that a worker may be started in s, now or when it is empty; false: it must wait
// for its turn.
func (p *Pool) reserve(s *seat) bool {
	if p.conf.Sidecar.Is || s.permit {
		return true
	}
	s.permit = p.ps.starts.admit(p, s)
	return s.permit
}
