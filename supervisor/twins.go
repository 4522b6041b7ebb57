package supervisor

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A name has two pools for a while when a reload makes upstreams of what were workers, or the other way
// round: the new one begins beside the old one, which serves until the new one can and then drains. To
// the fronts they are one pool, so its members' numbers are one row and its availability is the better
// of the two.

// Change makes the pools be those of cs and the pools of upstreams those of far, as [Pools.Apply],
// [Pools.ApplyUpstreams] and [Pools.DropUpstreams] do.
func (ps *Pools) Change(ctx context.Context, cs []PoolConfig, far []UpstreamConfig) error {
	ps.ApplyUpstreams(far)
	var steps []func() error
	for _, c := range far {
		if p := ps.upstreams(c.Name); p != nil && ps.Pool(c.Name) != nil {
			steps = append(steps, func() error { return p.awaitVerdict(ctx) })
		}
	}
	return errors.Join(all(steps), ps.Apply(ctx, cs), ps.DropUpstreams(ctx, far))
}

// awaitVerdict waits until the pool has an upstream that is ready, or it is known that it has none.
func (p *upstreamPool) awaitVerdict(ctx context.Context) error {
	return p.wait(ctx, func(time.Time) {}, func() bool {
		return p.availability() != Available ||
			slices.ContainsFunc(p.members, func(u *upstream) bool { return u.state == upstreamReady })
	})
}

// replace notes, where a name has two pools, which one makes room: that of workers, or with far set that
// of upstreams. On the main loop.
func (ps *Pools) replace(name string, far bool) {
	p, u := ps.pools[name], ps.far.pools[name]
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p != nil {
		p.replaced = u != nil && !far
	}
	if u != nil {
		u.replaced = p != nil && far
	}
	if p != nil && u != nil {
		p.lastN = max(p.lastN, u.lastN)
		u.lastN = p.lastN
	}
}

// number is that of the next member of a pool. On the main loop.
func (ps *Pools) number(name string) (n uint64) {
	p, u := ps.pools[name], ps.far.pools[name]
	if p != nil {
		p.lastN++
		n = p.lastN
	}
	if u != nil {
		u.lastN = max(u.lastN+1, n)
		n = u.lastN
	}
	if p != nil {
		p.lastN = n
	}
	return n
}

// tell tells the fronts what they do with requests for a pool that alone would be a. On the main loop.
func (ps *Pools) tell(name string, a Availability) {
	ps.opts.Link.PoolAvailable(name, ps.available(name, a))
}

// available is a, or where there are two pools of that name what they are together.
func (ps *Pools) available(name string, a Availability) Availability {
	p, u := ps.pools[name], ps.far.pools[name]
	if p == nil || u == nil {
		return a
	}
	of, other := p.availability(), u.availability()
	if p.replaced {
		of, other = other, of
	}
	if other == Available {
		return other
	}
	return of
}
