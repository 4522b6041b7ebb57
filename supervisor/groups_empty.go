package supervisor

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"weir/netpoll"
)

// giveUp gives up the sockets of g, which are plugged: those who serve them accept what waits and close
// them. The caller holds mu.
func (g *group) giveUp() {
	for i := range g.sockets {
		s := &g.sockets[i]
		for _, a := range s.servers {
			a.part(s, g.address)
		}
		if g.listener.inherited {
			_ = unix.Close(s.fd) // it lives on elsewhere
			continue
		}
		g.all.emptying.Go(func() { g.all.empty(g.pool, g.address, s) })
	}
	g.sockets = nil
}

// empty ends s, a socket that was given up, as soon as nothing waits there any more: for all of its
// holders, as one of them may be a worker that does not run, and its clients would wait for it instead
// of being refused. What such a worker has left is accepted by others, if there are any that have the
// address still.
func (gs *groups) empty(pool, address string, s *groupSocket) {
	tick := time.NewTicker(emptyEvery)
	defer tick.Stop()
	waiting, helped := 0, false
	for began := time.Now(); time.Since(began) < emptyMax; {
		select {
		case <-tick.C:
		case <-gs.stop:
			began = time.Time{} // nobody is left to accept
		}
		var err error
		if waiting, err = netpoll.Waiting(s.fd); err != nil || waiting == 0 {
			break
		}
		if !helped && time.Since(began) > emptyHelp {
			helped = true
			gs.group(pool, func(g *group) {
				if g.address == address { // else they know it no more
					g.help(s)
				}
			})
		}
	}
	if waiting > 0 {
		gs.log.Warn("connections are reset that no worker accepts", "pool", pool, "count", waiting)
	}
	if err := netpoll.Refuse(s.fd); err != nil {
		gs.log.Debug("socket of a pool", "pool", pool, "err", err) // then it ends with its last holder
	}
	_ = unix.Close(s.fd) // it listens no more
}

// emptied waits until the sockets that were given up have ended; emptyMax bounds it, as does ctx.
func (gs *groups) emptied(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		gs.emptying.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// help has the members that did not serve s accept what waits there.
func (g *group) help(s *groupSocket) {
	for _, m := range g.members {
		if s.servedBy(m) {
			continue
		}
		if err := m.take(s, g.address); err != nil {
			g.all.log.Debug("socket of a pool", "pool", g.pool, "err", err) // there may be others
			continue
		}
		m.part(s, g.address)
	}
}
