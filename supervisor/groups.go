package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// groups are the pools of a supervisor whose workers accept for themselves. It is the Link of all
// pools: what concerns workers of these it does itself, everything else it passes on to the fronts.
type groups struct {
	Link                // the fronts'
	front    acceptor   // the first of them
	counters []string   // of each member
	stdout   *os.File   // where access logs go that go there
	events   LinkEvents // set before the first hello
	log      *slog.Logger
	attach   func(fd int, owned []int) error
	now      func() time.Time
	start    sync.Once // of watch
	stop     chan struct{}
	watching sync.WaitGroup
	emptying sync.WaitGroup // sockets that were given up

	mu      sync.Mutex
	by      map[string]*group
	past    map[string]uint64 // counters of members that are gone
	lastID  uint64            // of a socket
	lastGen uint64
	shared  *bool         // the kernel cannot balance; nil: not known yet
	changed chan struct{} // closed and replaced when a member answers or goes
}

var _ Link = (*groups)(nil)

func newGroups(fronts *frontSet, counters []string, stdout *os.File, log *slog.Logger) *groups {
	return &groups{
		Link: fronts, front: lentTo{fronts}, counters: counters, stdout: stdout, log: log,
		attach: attachBalance, now: time.Now, stop: make(chan struct{}), by: map[string]*group{},
		past: map[string]uint64{}, changed: make(chan struct{}),
	}
}

// add makes a group of l, the address of pool under c.
func (gs *groups) add(pool string, l *Listener, c *config.Config) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.shared == nil {
		err := canBalance()
		cannot := err != nil
		if gs.shared = &cannot; cannot {
			gs.log.Warn("workers of dispatch: reuseport share one socket", "error", err)
		}
	}
	g := newGroup(gs, pool, l, *gs.shared)
	gs.lastGen++
	g.site = SiteConfigure{gs.lastGen, gs.counters, c.ForSite(pool)}
	gs.by[pool] = g
	g.settle()
	gs.start.Do(func() { gs.watching.Go(gs.watch) })
}

// apply makes c the configuration of the groups, whose addresses are ls. Those that it does not
// name are left to their workers; see prune.
func (gs *groups) apply(ls []*Listener, c *config.Config) {
	for _, l := range ls {
		if pool := l.spec.Pool; pool != "" && !gs.update(pool, l, c) {
			gs.add(pool, l, c)
		}
	}
}

// update makes c the configuration of pool's group and l its address; false: there is no such
// group.
func (gs *groups) update(pool string, l *Listener, c *config.Config) bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.by[pool]
	if g == nil {
		return false
	}
	if next := c.ForSite(pool); !sameJSON(next, g.site.Config) {
		gs.lastGen++
		g.site = SiteConfigure{gs.lastGen, gs.counters, next}
		for _, m := range g.members {
			g.configure(m)
		}
	}
	if l != g.listener {
		g.move(l)
	}
	return true
}

// retire gives up the sockets of l, which are plugged: its group has moved, or comes to its end.
func (gs *groups) retire(l *Listener) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g := l.group; g.listener == l && !g.retired {
		g.retired = true
		g.giveUp()
	}
}

// retireAll gives up the sockets of all groups, which are plugged: the instance comes to its end.
func (gs *groups) retireAll() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.by {
		g.retired = true
		g.giveUp()
	}
}

// rebalance has every group choose anew, after an attempt to take its address over.
func (gs *groups) rebalance() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.by {
		g.balanced = nil
		g.settle()
	}
}

// prune gives up the groups of pools that accept for themselves no more; their workers are gone.
func (gs *groups) prune(c *config.Config) {
	for _, pool := range gs.pools() {
		if p, ok := c.Pool(pool); !ok || p.Dispatch != config.DispatchReuseport {
			gs.remove(pool)
		}
	}
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// synced waits until every member has answered the configuration in force; the error is what they
// said.
func (gs *groups) synced(ctx context.Context) error {
	for {
		errs, missing, changed := gs.answers()
		if missing == 0 {
			return errors.Join(errs...)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
	}
}

func (gs *groups) answers() (errs []error, missing int, changed <-chan struct{}) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.by {
		for _, m := range g.members {
			if !m.live {
				continue // it is on its way, and gets the same
			}
			if m.answered < g.site.Generation {
				missing++
			} else if m.refused != "" {
				errs = append(errs, fmt.Errorf("supervisor: worker %s: its configuration is as before: %s",
					m.ref, m.refused))
			}
		}
	}
	return errs, missing, gs.changed
}

// notify wakes those who wait for a change. The caller holds mu.
func (gs *groups) notify() {
	close(gs.changed)
	gs.changed = make(chan struct{})
}

// remove gives the sockets of pool up, whose workers are gone.
func (gs *groups) remove(pool string) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g := gs.by[pool]; g != nil {
		for _, m := range g.members { // that outlived the wait for them
			gs.bury(g, m)
		}
		g.giveUp()
		delete(gs.by, pool)
	}
}

// pools are those that have a group.
func (gs *groups) pools() (names []string) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for name := range gs.by {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// descriptors are the sockets of g.
func (g *group) descriptors() (fds []int) {
	g.all.mu.Lock()
	defer g.all.mu.Unlock()
	for i := range g.sockets {
		fds = append(fds, g.sockets[i].fd)
	}
	return fds
}

// group runs f for the group of pool, if it has one.
func (gs *groups) group(pool string, f func(*group)) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g := gs.by[pool]; g != nil {
		f(g)
	}
}

// member runs f for w and its group; false: w is no member of any, but a worker of the fronts.
func (gs *groups) member(w WorkerRef, f func(*group, *member)) (found bool) {
	gs.group(w.Pool, func(g *group) {
		if m := g.members[w.N]; m != nil {
			found = true
			f(g, m)
		}
	})
	return found
}

// greeted takes a worker in that has said hello. The queue stays its process's, which ends it.
func (gs *groups) greeted(w WorkerRef, q *controlQueue) {
	gs.group(w.Pool, func(g *group) {
		if g.members[w.N] != nil {
			return // it says it twice
		}
		c, err := NewCounters(gs.counters, 1)
		if err != nil {
			gs.log.Error("worker without counters is not configured", "worker", w.String(), "error", err)
			return // it misses its ready deadline
		}
		fds, err := duplicates(int(c.file.Fd()), int(gs.stdout.Fd()))
		if err != nil {
			gs.log.Error("worker is not configured", "worker", w.String(), "error", err)
			_ = c.Close() // memory of our own
			return
		}
		m := &member{ref: w, queue: q, counters: c, belief: newBelief(c, gs.now())}
		g.members[w.N] = m
		g.configure(m, fds...)
	})
}

func duplicates(fds ...int) (out []int, err error) {
	for _, fd := range fds {
		d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeFDs(out)
			return nil, os.NewSyscallError("fcntl", err)
		}
		out = append(out, d)
	}
	return out, nil
}

// answered takes a worker's answer to its configuration.
func (gs *groups) answered(w WorkerRef, b *SiteConfigured) {
	gs.member(w, func(_ *group, m *member) {
		m.answered, m.refused = b.Generation, b.Error
		gs.notify()
	})
}

// PoolAvailable implements Link.
func (gs *groups) PoolAvailable(pool string, a Availability) {
	gs.Link.PoolAvailable(pool, a) // first: it is what the front answers by
	gs.group(pool, func(g *group) {
		g.available = a
		g.settle()
	})
}

// WorkerReady implements Link.
func (gs *groups) WorkerReady(w WorkerRef, e Endpoint) {
	if !gs.member(w, func(g *group, m *member) {
		m.live, m.rests = true, false
		g.settle()
	}) {
		gs.Link.WorkerReady(w, e)
	}
}

// WorkerDrain implements Link. A worker that has nothing left to do ends; nobody else could tell.
func (gs *groups) WorkerDrain(w WorkerRef) {
	if !gs.member(w, func(g *group, m *member) { g.leave(m, true) }) {
		gs.Link.WorkerDrain(w)
	}
}

// WorkerRest implements Link.
func (gs *groups) WorkerRest(w WorkerRef) {
	if !gs.member(w, func(g *group, m *member) { g.sleep(m) }) {
		gs.Link.WorkerRest(w)
	}
}

// rested takes a worker's word that it has finished; that of an earlier rest is late.
func (gs *groups) rested(w WorkerRef, n uint64) {
	gs.member(w, func(_ *group, m *member) {
		if m.rests && m.rest == n {
			gs.events.WorkerDrained(w)
		}
	})
}

// WorkerFail implements Link. What the worker has accepted only its end can free.
func (gs *groups) WorkerFail(w WorkerRef, reason string) {
	if !gs.member(w, func(g *group, m *member) { g.leave(m, false) }) {
		gs.Link.WorkerFail(w, reason)
		return
	}
	gs.events.WorkerHung(w, reason)
}

// WorkerGone implements Link.
func (gs *groups) WorkerGone(w WorkerRef) {
	if !gs.ended(w) {
		gs.Link.WorkerGone(w)
	}
}

// ended forgets a worker whose process has ended, also one that was never in rotation.
func (gs *groups) ended(w WorkerRef) bool {
	return gs.member(w, func(g *group, m *member) {
		gs.bury(g, m)
		g.settle()
		gs.notify()
	})
}

// bury keeps what m has counted, and forgets the rest. The caller holds mu.
func (gs *groups) bury(g *group, m *member) {
	gs.report(g, m)
	for i, name := range m.counters.names {
		if name != counterOpen {
			gs.past[name] += m.belief.sum[i]
		}
	}
	_ = m.counters.Close() // memory of our own
	g.forget(m)
}

// reopenLogs has every member open its log files anew.
func (gs *groups) reopenLogs() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.by {
		for _, m := range g.members {
			m.queue.put(KindSiteReopen, nil)
		}
	}
}

// close ends watch, and gives up what is left.
func (gs *groups) close() {
	for _, pool := range gs.pools() {
		gs.remove(pool)
	}
	close(gs.stop)
	gs.watching.Wait()
	gs.emptying.Wait()
}
