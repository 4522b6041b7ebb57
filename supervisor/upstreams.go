package supervisor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"weir/supervisor/config"
)

// UpstreamConfig is a pool of servers that are not ours: nobody starts or ends them here. Fronts have
// one queue and one dispatch for both kinds of pools.
type UpstreamConfig struct {
	Name        string
	Upstreams   []config.Upstream
	Check       config.Check
	Resolve     config.Duration // between look-ups of a name
	Concurrency int             // slots per address
	SlowStart   config.Duration
	StopTimeout config.Duration // the longest wait for a drain
	Proxy       config.ProxyOut
}

// UpstreamConfigFrom is c as the supervisor keeps it.
func UpstreamConfigFrom(c *config.Pool) UpstreamConfig {
	u := UpstreamConfig{
		Name: c.Name, Check: c.Check, Resolve: c.Resolve, Concurrency: c.Concurrency,
		SlowStart: c.SlowStart, StopTimeout: c.StopTimeout, Proxy: c.ProxyProtocol,
	}
	for _, s := range c.Upstreams {
		if up, err := config.ParseUpstream(s); err == nil { // checked when it was loaded
			u.Upstreams = append(u.Upstreams, up)
		}
	}
	return u
}

// upstreamPool is a pool of upstreams. Owned by the main loop of its Pools.
type upstreamPool struct {
	ps       *Pools
	conf     *UpstreamConfig // replaced, never changed
	want     PoolState       // PoolRunning, PoolStopped or PoolDisabled
	told     Availability
	lastN    uint64
	hosts    []*upstreamHost
	members  []*upstream // also those that leave
	waiters  []*upstreamWaiter
	waiting  int           // requests that wait for a slot, as fronts last said
	oldest   time.Duration // how long the oldest of them had waited
	totals   totals
	lastErr  string
	removed  bool // it is forgotten once it has no member
	replaced bool // by workers; guarded by Pools.mu, too
}

// upstreamHost is one configured upstream, a name or an address.
type upstreamHost struct {
	config.Upstream
	addrs   []netip.AddrPort
	tried   bool // was looked up at least once
	asking  bool
	askAt   time.Time // of the next look-up; zero for an address
	problem string    // of the last look-up
}

// upstreamState is what an upstream gets.
type upstreamState uint8

const (
	upstreamChecking upstreamState = iota // nothing yet: its first check is awaited
	upstreamReady                         // requests
	upstreamDown                          // nothing new: its checks fail
	upstreamOff                           // nothing new: it was drained by a verb, until the pool is started
	upstreamLeaving                       // nothing new: gone once it is drained
)

var upstreamStateNames = [...]string{"checking", "ready", "down", "drained", "draining"}

func (s upstreamState) String() string { return upstreamStateNames[s] }

// upstream is one address of a pool.
type upstream struct {
	p        *upstreamPool
	ref      WorkerRef
	address  netip.AddrPort
	url      string // as configured
	host     string // Host of checks
	state    upstreamState
	since    time.Time
	known    bool // the fronts have it
	drained  bool // and hold nothing of it any more, since it was last drained
	passes   int  // checks in a row
	fails    int
	checking bool
	checkAt  time.Time // zero: none is due
	leaveAt  time.Time // leaving: the end of patience; zero: none
	reason   string
	traffic  traffic
}

// upstreamWaiter is a call that waits until done.
type upstreamWaiter struct {
	done func() bool
	ch   chan struct{}
}

// configure takes a configuration in force. Upstreams that stay keep their connections.
func (p *upstreamPool) configure(c *UpstreamConfig, now time.Time) {
	old := p.conf
	p.conf = c
	if old != nil && (old.Concurrency != c.Concurrency || old.SlowStart != c.SlowStart || old.Proxy != c.Proxy) {
		for _, u := range slices.Clone(p.members) {
			u.leave("configuration changed", false, now)
		}
	}
	hosts := p.hosts
	p.hosts = nil
	for _, up := range c.Upstreams {
		i := slices.IndexFunc(hosts, func(h *upstreamHost) bool { return h.Upstream == up })
		if i >= 0 {
			p.hosts = append(p.hosts, hosts[i])
			continue
		}
		h := &upstreamHost{Upstream: up, askAt: now}
		if ip, err := netip.ParseAddr(up.Host); err == nil {
			h.addrs, h.tried, h.askAt = []netip.AddrPort{netip.AddrPortFrom(ip, up.Port)}, true, time.Time{}
		}
		p.hosts = append(p.hosts, h)
	}
	if old != nil && old.Check != c.Check {
		for _, u := range p.members {
			u.recheck(now)
		}
	}
	p.settle(now)
}

// settle brings members in line with what is wanted, and tells fronts and callers. It is idempotent.
func (p *upstreamPool) settle(now time.Time) {
	wanted := map[netip.AddrPort]*upstreamHost{}
	var order []netip.AddrPort
	for _, h := range p.hosts {
		for _, a := range h.addrs {
			if wanted[a] == nil && len(order) < upstreamsMax && p.want == PoolRunning {
				wanted[a] = h
				order = append(order, a)
			}
		}
	}
	for _, u := range slices.Clone(p.members) {
		if wanted[u.address] == nil {
			why := "not an address of " + u.url + " any more"
			if p.want != PoolRunning {
				why = "pool is " + p.want.String()
			}
			u.leave(why, false, now)
		}
	}
	for _, a := range order {
		if p.at(a) == nil {
			p.add(a, wanted[a], now)
		}
	}
	if a := p.availability(); a != p.told {
		p.told = a
		p.ps.tell(p.conf.Name, a)
	}
	if p.removed && len(p.members) == 0 {
		p.ps.mu.Lock()
		delete(p.ps.far.pools, p.conf.Name)
		p.ps.mu.Unlock()
	}
	p.waiters = slices.DeleteFunc(p.waiters, func(w *upstreamWaiter) bool {
		if !w.done() {
			return false
		}
		close(w.ch)
		return true
	})
}

// at is the member for an address that does not leave.
func (p *upstreamPool) at(a netip.AddrPort) *upstream {
	for _, u := range p.members {
		if u.address == a && u.state != upstreamLeaving {
			return u
		}
	}
	return nil
}

func (p *upstreamPool) member(n uint64) *upstream {
	for _, u := range p.members {
		if u.ref.N == n {
			return u
		}
	}
	return nil
}

func (p *upstreamPool) add(a netip.AddrPort, h *upstreamHost, now time.Time) {
	u := &upstream{
		p: p, ref: WorkerRef{Pool: p.conf.Name, N: p.ps.number(p.conf.Name)}, address: a, url: h.URL(), host: h.Authority(),
		since: now, state: upstreamChecking,
	}
	p.members = append(p.members, u)
	u.recheck(now)
}

// availability is what fronts do with requests now. Until the first verdict they queue; where every
// upstream was drained by a verb they refuse, as only another one will bring one back.
func (p *upstreamPool) availability() Availability {
	switch p.want {
	case PoolStopped:
		return Stopped
	case PoolDisabled:
		return Disabled
	}
	off, down := 0, 0
	for _, u := range p.members {
		switch u.state {
		case upstreamReady, upstreamChecking:
			return Available
		case upstreamOff:
			off++
		case upstreamDown:
			down++
		}
	}
	for _, h := range p.hosts {
		if !h.tried {
			return Available
		}
	}
	if off > 0 && down == 0 {
		return Disabled
	}
	return Failed
}

// endpoint is what fronts are told of u.
func (u *upstream) endpoint() Endpoint {
	c := u.p.conf
	return Endpoint{
		Network: "tcp", Address: u.address.String(), Concurrency: c.Concurrency,
		SlowStart: c.SlowStart.Std(), Proxy: c.Proxy.Version(),
	}
}

// setState moves u and tells the fronts what follows.
func (u *upstream) setState(to upstreamState, reason string, now time.Time) {
	from := u.state
	u.state, u.since, u.reason = to, now, reason
	log := u.p.ps.log.Info
	if to == upstreamDown {
		log = u.p.ps.log.Error
	}
	log("upstream", "pool", u.ref.Pool, "upstream", u.ref.String(), "address", u.address.String(),
		"from", from.String(), "to", to.String(), "reason", reason)
	switch {
	case to == upstreamReady:
		u.known, u.drained = true, false
		u.p.ps.opts.Link.WorkerReady(u.ref, u.endpoint())
	case from == upstreamReady:
		u.p.ps.opts.Link.WorkerDrain(u.ref)
	}
}

// leave drains u for good, at most stop_timeout long unless it is patient; one that leaves already may
// get less time, never more.
func (u *upstream) leave(reason string, patient bool, now time.Time) {
	by := time.Time{}
	if d := clockOf(u.p.conf.StopTimeout); d > 0 && !patient {
		by = now.Add(d)
	}
	if u.state == upstreamLeaving {
		u.leaveAt = earlier(u.leaveAt, by)
		return
	}
	u.leaveAt, u.checkAt = by, time.Time{}
	u.setState(upstreamLeaving, reason, now)
	if !u.known || u.drained {
		u.remove()
	}
}

// remove forgets u: what fronts still hold of it is cut.
func (u *upstream) remove() {
	if u.known {
		u.p.ps.opts.Link.WorkerGone(u.ref)
	}
	u.p.members = slices.DeleteFunc(u.p.members, func(x *upstream) bool { return x == u })
}

// onDrained: no front holds anything of u.
func (u *upstream) onDrained() {
	if u.state == upstreamReady {
		return // it has come back meanwhile
	}
	u.drained = true
	if u.state == upstreamLeaving {
		u.remove()
	}
}

// advance lets clocks ring.
func (p *upstreamPool) advance(now time.Time) {
	rang := false
	for _, h := range p.hosts {
		if !h.asking && !h.askAt.IsZero() && !now.Before(h.askAt) && p.want == PoolRunning {
			p.lookUp(h)
		}
	}
	for _, u := range slices.Clone(p.members) {
		switch {
		case u.state == upstreamLeaving && !u.leaveAt.IsZero() && !now.Before(u.leaveAt):
			p.ps.log.Warn("upstream: what it holds is cut", "pool", u.ref.Pool, "upstream", u.ref.String())
			u.remove()
			rang = true
		case !u.checking && !u.checkAt.IsZero() && !now.Before(u.checkAt):
			u.check()
		}
	}
	if rang {
		p.settle(now)
	}
}

// next is the earliest clock; zero for none.
func (p *upstreamPool) next() (at time.Time) {
	for _, h := range p.hosts {
		if !h.asking && p.want == PoolRunning {
			at = earlier(at, h.askAt)
		}
	}
	for _, u := range p.members {
		if !u.checking {
			at = earlier(at, u.checkAt)
		}
		at = earlier(at, u.leaveAt)
	}
	return at
}

// onLoad takes what fronts say of the pool's traffic.
func (p *upstreamPool) onLoad(l *PoolLoad) {
	p.waiting, p.oldest = l.Waiting, l.Oldest
	p.totals.Add(l.Counts)
	for _, at := range l.Workers {
		p.totals.completed += at.Completed
		p.totals.errors += at.Errors
		if u := p.member(at.N); u != nil {
			u.traffic.inFlight = at.InFlight
			u.traffic.completed += at.Completed
			u.traffic.errors += at.Errors
		}
	}
}

// problems is why the pool has no upstream, as far as look-ups are to blame.
func (p *upstreamPool) problems() string {
	for _, h := range p.hosts {
		if h.problem != "" {
			return fmt.Sprintf("%s: %s", h.Host, h.problem)
		}
	}
	return ""
}

// sorted is the members by number.
func (p *upstreamPool) sorted() []*upstream {
	all := slices.Clone(p.members)
	slices.SortFunc(all, func(a, b *upstream) int { return cmp.Compare(a.ref.N, b.ref.N) })
	return all
}
