package supervisor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"weir/supervisor/admin"
)

// far is what Pools have for upstreams beside their pools.
type far struct {
	net     upstreamNet
	ctx     context.Context // ends checks and look-ups
	cancel  context.CancelFunc
	slots   chan struct{} // of those that run
	running sync.WaitGroup
	pools   map[string]*upstreamPool // written on the loop, under Pools.mu
}

func newFar() *far {
	f := &far{net: realNet, slots: make(chan struct{}, upstreamAsksMax), pools: map[string]*upstreamPool{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// close ends what runs; the main loop has ended.
func (f *far) close() {
	f.cancel()
	f.running.Wait()
}

// dispatch brings an event to an upstream. What concerns the life of a process has no meaning there.
func (f *far) dispatch(e *event, now time.Time) {
	p := f.pools[e.worker.Pool]
	if p == nil || e.kind != evDrained {
		return
	}
	if u := p.member(e.worker.N); u != nil {
		u.onDrained()
		p.settle(now)
	}
}

// announce tells a fresh front what it must know.
func (p *upstreamPool) announce(l Link) {
	l.PoolAvailable(p.conf.Name, p.ps.available(p.conf.Name, p.availability()))
	for _, u := range p.members {
		switch {
		case u.state == upstreamReady:
			l.WorkerReady(u.ref, u.endpoint())
		case u.known && !u.drained:
			l.WorkerDrain(u.ref)
		}
	}
}

// upstreams returns the pool of upstreams of that name, or nil if there is none, or none any more soon.
func (ps *Pools) upstreams(name string) *upstreamPool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.far.pools[name]; p != nil && !p.replaced {
		return p
	}
	return nil
}

// ApplyUpstreams makes the pools of upstreams be those of cs: new ones are added and run, changed ones
// changed. Those that are missing stay; see DropUpstreams.
func (ps *Pools) ApplyUpstreams(cs []UpstreamConfig) {
	ps.call(func(now time.Time) {
		for i := range cs {
			c := &cs[i]
			p := ps.far.pools[c.Name]
			if p == nil {
				p = &upstreamPool{ps: ps, want: PoolRunning, told: Stopped}
				ps.mu.Lock()
				ps.far.pools[c.Name] = p
				ps.mu.Unlock()
				ps.replace(c.Name, false)
			}
			if p.removed { // not gone yet, and wanted again
				p.removed, p.want = false, PoolRunning
				ps.replace(c.Name, false)
			}
			p.configure(c, now)
		}
	})
}

// AwaitUpstreams returns when it is known of every pool of upstreams whether it can serve: one of its
// servers can, or all of its names were looked up and its servers checked once. ctx bounds the wait.
func (ps *Pools) AwaitUpstreams(ctx context.Context) error {
	var steps []func() error
	ps.call(func(time.Time) {
		for _, p := range ps.far.pools {
			steps = append(steps, func() error { return p.wait(ctx, func(time.Time) {}, p.isKnown) })
		}
	})
	return all(steps)
}

// isKnown reports whether there is nothing to wait for, before it is known what the pool can do.
func (p *upstreamPool) isKnown() bool {
	pending := false
	for _, h := range p.hosts {
		pending = pending || !h.tried
	}
	for _, u := range p.members {
		if u.state == upstreamReady {
			return true
		}
		pending = pending || u.state == upstreamChecking && u.passes+u.fails == 0
	}
	return !pending || p.want != PoolRunning
}

// DropUpstreams stops and forgets the pools of upstreams that are not among cs. It returns when that
// has happened; ctx bounds the wait.
func (ps *Pools) DropUpstreams(ctx context.Context, cs []UpstreamConfig) error {
	var gone []*upstreamPool
	ps.call(func(time.Time) {
		for name, p := range ps.far.pools {
			if !slices.ContainsFunc(cs, func(c UpstreamConfig) bool { return c.Name == name }) {
				gone = append(gone, p)
			}
		}
	})
	var steps []func() error
	for _, p := range gone {
		ps.call(func(time.Time) { p.removed = true })
		steps = append(steps, func() error { return p.halt(ctx, PoolStopped, false) })
	}
	return all(steps)
}

// wait runs begin on the main loop, then waits for done.
func (p *upstreamPool) wait(ctx context.Context, begin func(time.Time), done func() bool) error {
	w := &upstreamWaiter{done: done, ch: make(chan struct{})}
	ok := p.ps.call(func(now time.Time) {
		begin(now)
		p.waiters = append(p.waiters, w)
		p.settle(now)
	})
	if !ok {
		return ErrClosed
	}
	select {
	case <-w.ch:
		return nil
	case <-p.ps.done:
		return ErrClosed
	case <-ctx.Done():
	}
	p.ps.call(func(time.Time) {
		p.waiters = slices.DeleteFunc(p.waiters, func(x *upstreamWaiter) bool { return x == w })
	})
	return fmt.Errorf("supervisor: pool %s: %w", p.conf.Name, context.Cause(ctx))
}

// halt refuses new requests and drains every upstream; a patient one for as long as it takes.
func (p *upstreamPool) halt(ctx context.Context, want PoolState, patient bool) error {
	return p.wait(ctx, func(now time.Time) {
		p.want = want
		for _, u := range slices.Clone(p.members) {
			u.leave("pool is "+want.String(), patient, now)
		}
	}, func() bool { return len(p.members) == 0 || p.want != want })
}

// start makes the pool run, with every upstream: also those that were drained one by one.
func (p *upstreamPool) start(ctx context.Context) error {
	return p.wait(ctx, func(now time.Time) {
		p.want = PoolRunning
		for _, u := range p.members {
			u.enable(now)
		}
		for _, h := range p.hosts {
			if !h.askAt.IsZero() {
				h.askAt = now
			}
		}
	}, func() bool { return true })
}

// enable checks u anew, if it was taken out of rotation by a verb.
func (u *upstream) enable(now time.Time) {
	if u.state == upstreamOff {
		u.setState(upstreamChecking, "asked for", now)
		u.recheck(now)
	}
}

// startOne puts upstream n back, of which the first check decides.
func (p *upstreamPool) startOne(ctx context.Context, n uint64) error {
	return p.one(ctx, n, func(u *upstream, now time.Time) { u.enable(now) },
		func(*upstream) bool { return true })
}

// drainOne takes upstream n out of rotation until it is started; it returns when it holds nothing.
func (p *upstreamPool) drainOne(ctx context.Context, n uint64) error {
	return p.one(ctx, n, func(u *upstream, now time.Time) {
		if u.state != upstreamOff {
			u.checkAt = time.Time{}
			u.setState(upstreamOff, "asked for", now)
		}
	}, func(u *upstream) bool { return u.state != upstreamOff || !u.known || u.drained })
}

// one has begin done to upstream n, and waits for done while it is there.
func (p *upstreamPool) one(ctx context.Context, n uint64, begin func(*upstream, time.Time),
	done func(*upstream) bool) error {
	var err error
	werr := p.wait(ctx, func(now time.Time) {
		u := p.member(n)
		if u == nil || u.state == upstreamLeaving {
			err = fmt.Errorf("supervisor: pool %s: upstream %d: %w", p.conf.Name, n, ErrNoWorker)
			return
		}
		begin(u, now)
	}, func() bool {
		u := p.member(n)
		return err != nil || u == nil || done(u)
	})
	if err != nil {
		return err
	}
	return werr
}

// act carries out a verb.
func (p *upstreamPool) act(ctx context.Context, a admin.Action) error {
	switch {
	case a.Worker != 0 && a.Verb == admin.VerbStart:
		return p.startOne(ctx, a.Worker)
	case a.Worker != 0 && a.Verb != admin.VerbRecycle: // to stop one ends nothing
		return p.drainOne(ctx, a.Worker)
	case a.Worker != 0:
	case a.Verb == admin.VerbDrain:
		return p.halt(ctx, PoolStopped, true)
	case a.Verb == admin.VerbStop:
		return p.halt(ctx, PoolStopped, false)
	case a.Verb == admin.VerbDisable:
		return p.halt(ctx, PoolDisabled, false)
	case a.Verb == admin.VerbStart:
		return p.start(ctx)
	}
	return fmt.Errorf("supervisor: %s: %w: the servers of a pool of upstreams are not ours", a,
		admin.ErrConflict)
}

// Upstreams is the status of every pool of upstreams, by name.
func (ps *Pools) Upstreams() (out []admin.Pool) {
	ps.call(func(now time.Time) {
		for _, p := range ps.far.pools {
			if !p.replaced {
				out = append(out, p.status(now))
			}
		}
	})
	slices.SortFunc(out, func(a, b admin.Pool) int { return cmpStrings(a.Name, b.Name) })
	return out
}

func (p *upstreamPool) status(now time.Time) admin.Pool {
	s := admin.Pool{
		Name: p.conf.Name, Kind: admin.KindUpstreams, Want: p.want.String(), State: p.want.String(),
		Workers: []admin.Worker{}, Exits: []admin.Exit{}, Recycles: map[string]uint64{},
		Waiting: p.waiting, Oldest: p.oldest.Seconds(),
	}
	totals := p.totals.status()
	s.Totals = wireTotals(&totals)
	for _, u := range p.sorted() {
		if u.state == upstreamReady {
			s.Ready++
		}
		if u.state != upstreamLeaving {
			s.WantCount++
		}
		s.Workers = append(s.Workers, admin.Worker{
			Name: u.ref.String(), State: u.state.String(), Started: u.since, Uptime: now.Sub(u.since).Seconds(),
			Network: "tcp", Address: u.address.String(), Reason: u.reason, Status: u.url,
			InFlight: u.traffic.inFlight, Requests: u.traffic.completed, Errors: u.traffic.errors,
		})
		s.Held += u.traffic.inFlight
	}
	s.Min, s.Max = s.WantCount, s.WantCount
	if p.want == PoolRunning && s.Ready == 0 {
		switch p.availability() {
		case Failed:
			s.State, s.Error = PoolFailed.String(), p.lastErr
		case Disabled:
			s.State = PoolDisabled.String()
		default:
			s.State = PoolStarting.String()
		}
	}
	if why := p.problems(); why != "" {
		s.Error = why
	}
	return s
}
