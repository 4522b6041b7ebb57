package supervisor

import "time"

// Names of counters, as pipeline/server has them, that the supervisor looks at.
const (
	counterOpen      = "connections_open" // a gauge
	counterRequests  = "requests"
	counterCompleted = "requests_completed"
	counterErrors    = "responses_5xx"
)

// memberLoad is what a member's counters said when they were last looked at.
type memberLoad struct {
	inFlight          int
	completed, errors uint64
}

// believe takes in what m has counted. The caller holds gs.mu.
func (gs *groups) believe(m *member) *belief {
	b, before := &m.belief, m.belief.odd
	b.look(m.counters, gs.now())
	if b.odd != before {
		gs.log.Warn("a worker says what cannot be of what it has counted; it is believed as far as it can be",
			"worker", m.ref.String(), "counter", b.odd)
	}
	return b
}

// counter is the sum of one counter over all members there are and were, as of the last look.
func (gs *groups) counter(name string) uint64 {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	sum := gs.past[name]
	for _, g := range gs.by {
		for _, m := range g.members {
			sum += m.belief.of(m.counters, name)
		}
	}
	return sum
}

// watch tells the pools what their members do, as fronts do of theirs, until close.
func (gs *groups) watch() {
	tick := time.NewTicker(groupReportEvery)
	defer tick.Stop()
	for {
		select {
		case <-gs.stop:
			return
		case <-tick.C:
		}
		gs.look()
	}
}

func (gs *groups) look() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.by {
		for _, m := range g.members {
			gs.report(g, m)
		}
		if g.unserved {
			g.settle()
		}
	}
}

// report tells what m did since the last report, if it did anything. The caller holds mu.
func (gs *groups) report(g *group, m *member) {
	b := gs.believe(m)
	now := memberLoad{completed: b.of(m.counters, counterCompleted)}
	now.errors = min(b.of(m.counters, counterErrors), now.completed)
	begun := max(b.of(m.counters, counterRequests), now.completed)
	now.inFlight = int(min(begun-now.completed, memberOpenMax)) // a connection has one at a time
	last := m.load
	if m.load = now; now == last {
		return
	}
	if last.completed == 0 && now.completed > 0 {
		gs.events.WorkerServed(m.ref)
	}
	gs.events.PoolLoad(PoolLoad{Pool: g.pool, Workers: []WorkerLoad{{
		N: m.ref.N, InFlight: now.inFlight, Completed: now.completed - last.completed,
		Errors: now.errors - last.errors,
	}}})
}
