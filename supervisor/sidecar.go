package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/supervisor/config"
)

// A sidecar is a pool of one process without an endpoint: no front hears of it, a fresh process is
// never started beside the old one, and what follows an end is its restart policy instead of
// rapid-fail protection. Table, back-off, spawn and output are those of every pool.

// sidecarPrefix begins the names of sidecars among pools, whose names hold no slash.
const sidecarPrefix = "sidecar/"

func isSidecar(name string) bool { return strings.HasPrefix(name, sidecarPrefix) }

// SidecarRole is a pool's place in the order of start, and what a sidecar has beyond a pool. The zero
// value is a pool that waits for no sidecar.
type SidecarRole struct {
	Is      bool              // a sidecar; its Name begins with "sidecar/"
	Restart config.Restarting // sidecars only; "" is always
	After   []string          // names of sidecars (without prefix) that must be up first
}

// startOrder is how far the start of a pool or sidecar has come. Owned by the main loop.
type startOrder struct {
	released bool // what it is after has been up: it is not looked at again until the next start
	up       bool // a sidecar that has been up since its start
	ended    bool // a sidecar that ended and is not started again by its policy
}

// SidecarConfigFrom is c as the supervisor runs it.
func SidecarConfigFrom(c *config.Sidecar) PoolConfig {
	return PoolConfig{
		Name: sidecarPrefix + c.Name, Command: c.Command, Program: c.Program, Dir: c.Dir, Env: &c.Env,
		User: c.User, Ready: config.Ready{Probe: config.Probe{Kind: c.Ready.Probe}, Timeout: c.Ready.Timeout},
		StopTimeout: c.StopTimeout, Output: c.Output,
		Sidecar: SidecarRole{Is: true, Restart: c.Restart, After: c.After},
	}
}

// bareName is the name without a sidecar's prefix.
func (c *PoolConfig) bareName() string {
	if c.Sidecar.Is {
		return strings.TrimPrefix(c.Name, sidecarPrefix)
	}
	return c.Name
}

// sidecarDefaults sets what differs from a pool's defaults.
func (c *PoolConfig) sidecarDefaults() {
	if c.Sidecar.Is {
		setDefault(&c.Ready.Probe, config.ProbeExec)
		setDefault(&c.Sidecar.Restart, config.RestartAlways)
		c.Workers, c.RapidFail.Failures = 1, config.CountOff
	}
}

// paused reports that nobody is to be started for now, however many are wanted: the pool is not to run,
// has failed, waits for a sidecar, or is a sidecar whose process is still there. maintain and next leave
// it alone.
func (p *Pool) paused() bool {
	return p.want != PoolRunning || p.state == PoolFailed || p.heldBy() != "" ||
		p.conf.Sidecar.Is && len(p.workers) > 0
}

// heldBy names the first sidecar that p waits for; "" is none. One that is not there is not waited for.
func (p *Pool) heldBy() string {
	if p.order.released {
		return ""
	}
	for _, name := range p.conf.Sidecar.After {
		s := p.ps.pools[sidecarPrefix+name]
		if s != nil && s.ready() == 0 && !(s.order.ended && s.order.up) {
			return s.name
		}
	}
	return ""
}

// startFailure is why nobody should wait for p's start any longer; nil if it may come up soon. p goes
// on trying all the same.
func (p *Pool) startFailure() error { return p.startFailureWithin(len(p.ps.pools)) }

// startFailureWithin looks at no more than so many sidecars in a row: while a reload changes one after
// the other they may wait for each other.
func (p *Pool) startFailureWithin(depth int) error {
	if by := p.heldBy(); by != "" && depth > 0 {
		if err := p.ps.pools[by].startFailureWithin(depth - 1); err != nil {
			return fmt.Errorf("supervisor: pool %s: waits for %s: %w", p.name, by, err)
		}
	}
	switch {
	case !p.conf.Sidecar.Is:
	case p.order.ended:
		return fmt.Errorf("supervisor: %s: %w, and restart is %s", p.name, p.exitError(),
			p.conf.Sidecar.Restart)
	case len(p.slots) > 0 && p.slots[0].cur.fails >= sidecarFailuresMax:
		return fmt.Errorf("supervisor: %s: %w", p.name, p.lastErr)
	}
	return nil
}

// exitError is the last failure or, without one, the last exit.
func (p *Pool) exitError() error {
	if p.lastErr != nil {
		return p.lastErr
	}
	if n := len(p.exits); n > 0 {
		return errors.New(p.exits[n-1].How)
	}
	return errors.New("has not run")
}

// onEnd decides, once w's process is gone, whether the sidecar is started again.
func (p *Pool) onEnd(w *worker, now time.Time) {
	if !p.conf.Sidecar.Is || w.asked || p.want != PoolRunning {
		return
	}
	clean := w.err == nil && len(p.exits) > 0 && p.exits[len(p.exits)-1].Code == 0
	policy := p.conf.Sidecar.Restart
	if policy == config.RestartAlways || policy == config.RestartOnFailure && !clean {
		return
	}
	p.order.ended = true
	p.ps.log.Info("sidecar is not started again", "pool", p.name, "restart", string(policy), "pid", w.pid,
		"reason", w.reason)
	p.event(evPoolStop, now)
}

// applySidecar follows a change of configuration from old: what a process is started with needs a fresh
// one, which begins when the old one is gone.
func (p *Pool) applySidecar(old *PoolConfig, now time.Time) *waiter {
	c := p.conf
	gone := map[uint64]bool{}
	revived := p.order.ended && c.Sidecar.Restart != old.Sidecar.Restart &&
		c.Sidecar.Restart != config.RestartNever
	if c.sameWorker(old) && c.Ready.Probe == old.Ready.Probe {
		if !revived {
			return &waiter{done: func() bool { return true }, fail: func() error { return nil }}
		}
	} else {
		p.order = startOrder{ended: p.order.ended} // the fresh process is after others as a first one is
		for _, n := range p.sortedWorkers() {
			gone[n] = true
			p.dismiss(p.workers[n], "configuration changed", now)
		}
	}
	p.resetBackoff()
	p.event(evPoolStart, now) // one that had ended begins anew
	p.maintain(now)
	return &waiter{
		done: func() bool { return p.noneOf(gone) && p.ready() > 0 },
		fail: func() error {
			if len(p.slots) > 0 && p.slots[0].cur.fails > 0 {
				return fmt.Errorf("supervisor: %s: %w", p.name, p.lastErr)
			}
			return p.startFailure()
		},
	}
}

// noun is what log lines about p call it.
func (p *Pool) noun(word string) string {
	switch {
	case !p.conf.Sidecar.Is:
		return word
	case word == "pool":
		return "sidecar"
	}
	return "sidecar process"
}

// noSidecars is a Link that keeps sidecars from the fronts.
type noSidecars struct {
	Link
	ps *Pools
}

func (l noSidecars) PoolAvailable(pool string, a Availability) {
	if !isSidecar(pool) {
		l.Link.PoolAvailable(pool, a)
	}
}

func (l noSidecars) WorkerReady(w WorkerRef, e Endpoint) {
	if !isSidecar(w.Pool) {
		l.Link.WorkerReady(w, e)
	}
}

// WorkerDrain: a sidecar holds no requests.
func (l noSidecars) WorkerDrain(w WorkerRef) {
	if isSidecar(w.Pool) {
		l.ps.WorkerDrained(w)
		return
	}
	l.Link.WorkerDrain(w)
}

func (l noSidecars) WorkerGone(w WorkerRef) {
	if !isSidecar(w.Pool) {
		l.Link.WorkerGone(w)
	}
}

// stopSidecars stops every sidecar when all that are after it are gone. When ctx's time is up they
// still get stopSidecarsMin.
func (ps *Pools) stopSidecars(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), stopSidecarsMin)
		defer cancel()
	}
	cars := ps.sidecars()
	gone := map[string]chan struct{}{}
	users := map[string][]string{} // by sidecar: what is after it
	for _, p := range cars {
		gone[p.name] = make(chan struct{})
		ps.call(func(time.Time) {
			for _, name := range p.conf.Sidecar.After {
				users[sidecarPrefix+name] = append(users[sidecarPrefix+name], p.name)
			}
		})
	}
	steps := make([]func() error, len(cars))
	for i, p := range cars {
		steps[i] = func() error {
			defer close(gone[p.name])
			for _, user := range users[p.name] {
				select {
				case <-gone[user]:
				case <-ctx.Done():
				}
			}
			return p.Stop(ctx)
		}
	}
	return all(steps)
}

// removeSidecar stops p and forgets it. Unlike with Remove nothing is cut when ctx ends.
func (p *Pool) removeSidecar(ctx context.Context) error {
	return p.wait(ctx, p.beginRemove, nil)
}

// sidecars are all sidecars by name.
func (ps *Pools) sidecars() []*Pool {
	return slices.DeleteFunc(ps.every(), func(p *Pool) bool { return !isSidecar(p.name) })
}

// SidecarStatus is what a sidecar is at one moment.
type SidecarStatus struct {
	Name    string            `json:"name"` // without prefix
	Restart config.Restarting `json:"restart"`
	After   []string          `json:"after"`
	HeldBy  string            `json:"held_by,omitempty"` // the sidecar that it waits for
	Ended   bool              `json:"ended"`             // not started again, by its policy
	PoolStatus
}

// Sidecars is every sidecar's status, by name.
func (ps *Pools) Sidecars() []SidecarStatus {
	out := []SidecarStatus{}
	for _, p := range ps.sidecars() {
		s := SidecarStatus{Name: strings.TrimPrefix(p.name, sidecarPrefix), PoolStatus: p.Status()}
		ps.call(func(time.Time) {
			c := &p.conf.Sidecar
			s.Restart, s.After, s.Ended = c.Restart, slices.Clone(c.After), p.order.ended
			s.HeldBy = strings.TrimPrefix(p.heldBy(), sidecarPrefix)
		})
		out = append(out, s)
	}
	return out
}
