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

// counter is the sum of one counter over all members there are and were.
func (gs *groups) counter(name string) uint64 {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	sum := gs.past[name]
	for _, g := range gs.by {
		for _, m := range g.members {
			sum += m.counters.Read(name)
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
	now := memberLoad{
		completed: m.counters.Read(counterCompleted), errors: m.counters.Read(counterErrors),
	}
	now.inFlight = int(max(0, int64(m.counters.Read(counterRequests)-now.completed)))
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
