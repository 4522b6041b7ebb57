package supervisor

import "time"

// traffic is what a worker does, as fronts report it. Owned by the main loop.
type traffic struct {
	inFlight  int       // requests it holds
	completed uint64    // since it was started
	errors    uint64    // of those, answers of 500 and above; and exchanges that broke
	busyAt    time.Time // when it last held or completed one; when it became ready before that
}

// onLoad takes a report on the pool's traffic.
func (p *Pool) onLoad(l *PoolLoad, now time.Time) {
	p.waiting, p.oldest = l.Waiting, l.Oldest
	p.totals.Add(l.Counts)
	for _, at := range l.Workers {
		p.totals.completed += at.Completed
		p.totals.errors += at.Errors
		w := p.workers[at.N]
		if w == nil {
			continue
		}
		t := &w.traffic
		if t.inFlight > 0 || at.InFlight > 0 || at.Completed > 0 {
			t.busyAt = now
		}
		t.inFlight = at.InFlight
		t.completed += at.Completed
		if at.Completed > 0 {
			w.alive(now)
		}
		t.errors += at.Errors
		if t.busyAt == now && p.fleet.busyAt.Before(now) {
			p.fleet.busyAt = now
		}
	}
	if p.waiting > 0 {
		p.demand(now)
	}
	p.rescale(now)
}

// onWaits: a request waits and no worker is in rotation.
func (p *Pool) onWaits(now time.Time) {
	p.demand(now)
}
