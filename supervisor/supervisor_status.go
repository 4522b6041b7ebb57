package supervisor

import (
	"context"
	"os"
	"slices"
	"time"

	"weir/supervisor/admin"
)

// Status implements admin.Instance.
func (s *Supervisor) Status(ctx context.Context) admin.Status {
	s.mu.Lock()
	st := admin.Status{
		PID: os.Getpid(), Version: s.opts.Version, State: string(s.state), Started: s.started,
		Uptime: time.Since(s.started).Seconds(), RuntimeDir: s.runtimeDir(),
		ConfigFile: s.loaded.File, Listeners: []admin.Listener{}, Pools: []admin.Pool{},
		Sidecars: []admin.Sidecar{},
		Fronts:   []admin.Front{}, Counters: map[string]uint64{},
	}
	for _, l := range s.listeners {
		st.Listeners = append(st.Listeners, admin.Listener{
			Address: l.Address(), URL: l.URL(), Sockets: len(l.sockets()), Inherited: l.inherited,
			Pool: l.spec.Pool,
		})
	}
	s.mu.Unlock()
	if isClosed(s.stopped) {
		return st
	}
	for _, f := range s.fronts.frontStatuses(ctx) {
		st.Fronts = append(st.Fronts, admin.Front{
			Slot: f.slot, State: string(f.state), PID: f.pid, Started: f.started,
			Restarts: f.restarts, LastExit: f.lastExit, Report: f.own, Loops: f.loops,
		})
	}
	s.groups.look()
	for _, name := range s.opts.Counters {
		if ofOneLoop(name) {
			continue
		}
		st.Counters[name] = s.fronts.counter(name) + s.groups.counter(name)
	}
	if s.pools != nil {
		for _, c := range s.pools.Sidecars() {
			st.Sidecars = append(st.Sidecars, wireSidecar(&c))
		}
		st.Pools = s.pools.Reports()
		for i := range st.Pools {
			s.addLags(&st.Pools[i])
		}
	}
	return st
}

// Reports is the status of every pool, of either kind, by name.
func (ps *Pools) Reports() []admin.Pool {
	out := []admin.Pool{}
	for _, p := range ps.Status() {
		out = append(out, wirePool(&p))
	}
	out = append(out, ps.Upstreams()...)
	slices.SortFunc(out, func(a, b admin.Pool) int { return cmpStrings(a.Name, b.Name) })
	return out
}

// Report is the status of one pool, of either kind; false: there is none of that name.
func (ps *Pools) Report(name string) (out admin.Pool, ok bool) {
	if p := ps.Pool(name); p != nil {
		st := []PoolStatus{p.status()}
		measured(st)
		return wirePool(&st[0]), true
	}
	if p := ps.upstreams(name); p != nil {
		if !ps.call(func(now time.Time) { out = p.status(now) }) {
			out = p.status(ps.env.now()) // the loop has ended: nothing else touches p
		}
		return out, true
	}
	return out, false
}

func wireSidecar(c *SidecarStatus) admin.Sidecar {
	p := wirePool(&c.PoolStatus)
	return admin.Sidecar{
		Name: c.Name, State: p.State, Want: p.Want, Restart: string(c.Restart), After: c.After,
		HeldBy: c.HeldBy, Ended: c.Ended, Failures: p.Failures, Error: p.Error, Workers: p.Workers,
		Exits: p.Exits, Starts: p.Totals.Started,
	}
}

func wireTotals(t *PoolTotals) admin.PoolTotals {
	return admin.PoolTotals{
		Requests: t.Requests, Queued: t.Queued, QueueFull: t.QueueFull, QueueTimeout: t.QueueTimeout,
		Timeouts: t.Timeouts, Refused: t.Refused, Replays: t.Replays, Completed: t.Completed,
		Errors: t.Errors, Started: t.Started, Mishaps: t.Mishaps, LastMishap: t.LastMishap,
		Failed: t.Failed, Corrections: t.Corrections,
	}
}

func wirePool(p *PoolStatus) admin.Pool {
	out := admin.Pool{
		Name: p.Name, State: p.State.String(), Want: p.Want.String(), WantCount: p.WantCount,
		Min: p.Min, Max: p.Max,
		Ready: p.Ready, Failures: p.Failures, Error: p.Error, Workers: []admin.Worker{},
		Recycles: p.Recycles, RecycleAt: p.RecycleAt, Watched: p.Watched,
		Exits: []admin.Exit{}, Waiting: p.Waiting, Oldest: p.Oldest.Seconds(),
		Totals: wireTotals(&p.Totals),
	}
	for _, w := range p.Workers {
		out.Held += w.InFlight
		out.Workers = append(out.Workers, admin.Worker{
			Name: w.Name, State: w.State.String(), PID: w.PID, Started: w.Started, Uptime: w.Uptime,
			Network: w.Network, Address: w.Address, Reason: w.Reason, Status: w.Status,
			Output: w.Output, Stale: w.Stale, LastRecycle: w.Recycled, RSS: w.RSS, PSS: w.PSS, Dir: w.Dir,
			InFlight: w.InFlight, Requests: w.Requests, Errors: w.Errors,
		})
	}
	for _, e := range p.Exits {
		out.Exits = append(out.Exits, admin.Exit{
			Worker: e.Worker, PID: e.PID, At: e.At, How: e.How, Reason: e.Reason, Output: e.Output,
		})
	}
	return out
}

// addLags adds what workers that accept for themselves say of their loops.
func (s *Supervisor) addLags(p *admin.Pool) {
	lags := s.groups.lags(p.Name)
	for i := range p.Workers {
		w := &p.Workers[i]
		w.LoopLag = max(0, min(lags[w.Name], w.Uptime))
	}
}
