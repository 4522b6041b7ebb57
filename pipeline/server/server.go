package server

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"weir/netpoll"
)

// ErrLoops: a listener came with a number of sockets that fits neither one nor the loops.
var ErrLoops = errors.New("server: listener needs one socket, or one per loop")

// Server serves HTTP/1.1 on the listeners of its loops. Its methods may be called from any goroutine
// but a loop's; Apply and Drain one at a time.
type Server struct {
	loops []*loopServer
	mu    sync.Mutex
	watch *watchdog
}

// New makes a server on loops that run, or will; Apply gives it something to serve.
func New(loops []*netpoll.Loop, o Options) *Server {
	srv := &Server{}
	for _, l := range loops {
		ls := &loopServer{srv: srv, loop: l, free: new(freeExchanges), routes: &routes{}}
		ls.configure(o.resolved())
		l.AtTurnEnd(ls.endTurn)
		l.AtEnd(ls.flushLog)
		srv.loops = append(srv.loops, ls)
	}
	srv.watch = newWatchdog(srv.loops)
	for _, l := range loops {
		l.AtEnd(srv.watch.loopEnded)
	}
	return srv
}

// configure takes new options; on the loop, or before it runs.
func (ls *loopServer) configure(o Options) {
	ls.opt, ls.guestOpt = o, nil
	ls.serverLine = ""
	if o.ServerHeader != "off" {
		ls.serverLine = "Server: " + o.ServerHeader + "\r\n"
	}
	if ls.row == nil {
		if o.Counters != nil {
			ls.row = o.Counters(ls.loop.Index)
			ls.row[CounterOpen] = 0 // a gauge: what a front that crashed left there is not ours
		} else {
			ls.row = make([]uint64, CounterCount)
		}
	}
	ls.logTo(o.AccessLog)
}

// logTo makes a the access log, nil for none. The old one gets what was collected for it: it is not
// used after this.
func (ls *loopServer) logTo(a *AccessLog) {
	if ls.log != nil && ls.log.to == a {
		return
	}
	ls.flushLog()
	ls.log = nil
	if a != nil {
		ls.log = newLogBatch(a, ls)
	}
}

// Apply makes options, listeners and sites those of the server, now and at each reload. New listeners
// are opened first, then routes are swapped on every loop, then listeners that are not named any more
// stop accepting. Connections stay; a request belongs to the routes of the moment its head was parsed.
// On an error nothing has changed, and the descriptors still belong to the caller.
func (srv *Server) Apply(o Options, listeners []Listener, sites []Site) error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	resolved := o.resolved()
	table, err := newRoutes(sites, &resolved)
	if err != nil {
		return err
	}
	for i := range listeners {
		if n := len(listeners[i].FDs); n != 0 && n != 1 && n != len(srv.loops) {
			return fmt.Errorf("%s: %d sockets, %d loops: %w", listeners[i].Address, n, len(srv.loops), ErrLoops)
		}
	}
	for i, ls := range srv.loops {
		var failed error
		ls.onLoop(func() { failed = ls.openAll(listeners, i) })
		if failed != nil {
			srv.undo()
			return failed
		}
	}
	for _, ls := range srv.loops {
		ls.onLoop(func() { ls.apply(resolved, listeners, table) })
	}
	srv.watch.log.Store(resolved.Logger)
	srv.watch.start.Do(func() { go srv.watch.run() })
	return nil
}

// undo gives back the listeners that an Apply has opened.
func (srv *Server) undo() {
	for _, ls := range srv.loops {
		ls.onLoop(func() {
			for _, l := range append([]*listener(nil), ls.listeners...) {
				if !l.fresh {
					continue
				}
				ls.forget(l)
				if fd := l.ln.Release(); l.own {
					_ = unix.Close(fd) // a duplicate
				}
			}
		})
	}
}

// onLoop runs f on the loop and waits. A loop that does not run yet is the caller's.
func (ls *loopServer) onLoop(f func()) {
	done := make(chan struct{})
	if ls.loop.Post(func() { f(); close(done) }) {
		<-done
	}
}

// openAll opens the listeners that this loop does not have; they accept nothing before apply.
func (ls *loopServer) openAll(listeners []Listener, index int) error {
	for i := range listeners {
		if err := ls.listen(&listeners[i], index); err != nil {
			return err
		}
	}
	return nil
}

func (ls *loopServer) apply(o Options, listeners []Listener, r *routes) {
	ls.configure(o)
	ls.routes, ls.addresses = r, listeners
	for _, l := range append([]*listener(nil), ls.listeners...) {
		now := named(listeners, l.address)
		passed := now != nil && now.Joined && l.id == 0
		if !passed { // else who came by it is answered as before
			l.table = r.tables[l.address] // also of one that goes: its connections stay
		}
		if now == nil || passed {
			l.removed = true
			l.ln.Drain()
			ls.forget(l)
			continue
		}
		l.proxy = now.Proxy
		l.limitHead()
		if l.fresh {
			l.fresh = false
			l.ln.Resume()
		}
	}
}

func named(listeners []Listener, address string) *Listener {
	for i := range listeners {
		if listeners[i].Address == address {
			return &listeners[i]
		}
	}
	return nil
}

// listen opens l's socket on this loop unless the loop has it already.
func (ls *loopServer) listen(l *Listener, index int) error {
	for _, old := range ls.listeners {
		if old.address == l.Address && old.id == 0 {
			return nil
		}
	}
	fd, own, err := l.socket(index, len(ls.srv.loops))
	if err != nil || fd < 0 {
		return err
	}
	opened := &listener{ls: ls, address: l.Address, own: own, fresh: true}
	if opened.ln, err = ls.loop.Listen(fd, opened, opened); err != nil {
		if own {
			_ = unix.Close(fd) // a duplicate
		}
		return err
	}
	opened.ln.Pause()
	ls.listeners = append(ls.listeners, opened)
	return nil
}

// socket is the descriptor for loop index: its own, or a duplicate of a shared one (the last loop
// takes the original); -1 when the listener brings none because it is open already.
func (l *Listener) socket(index, loops int) (fd int, duplicate bool, err error) {
	switch {
	case len(l.FDs) == 0:
		return -1, false, nil
	case len(l.FDs) == loops:
		return l.FDs[index], false, nil
	case index == loops-1:
		return l.FDs[0], false, nil
	}
	fd, err = unix.FcntlInt(uintptr(l.FDs[0]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, false, fmt.Errorf("server: listen on %s: %w", l.Address, err)
	}
	return fd, true, nil
}

func (ls *loopServer) forget(l *listener) {
	for i, other := range ls.listeners {
		if other == l {
			ls.listeners = append(ls.listeners[:i], ls.listeners[i+1:]...)
			return
		}
	}
}
