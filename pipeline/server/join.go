package server

import (
	"fmt"

	"golang.org/x/sys/unix"

	"weir/netpoll"
)

// Join accepts from fd, one more listening socket of an address that the last Apply named, until
// Part, Drain, or an Apply that does not name it any more. id is not 0 and names the socket;
// joining twice with the same is our caller's bug. With once every connection is closed behind its
// first answer.
//
// The server takes fd. Others may accept from the same socket. Join and Part may be called at any
// time, also while Apply or Drain is under way.
func (srv *Server) Join(id uint64, address string, fd int, once bool) error {
	ls := srv.loops[int(id%uint64(len(srv.loops)))]
	err := netpoll.ErrStopped // of a loop that has ended
	ls.onLoop(func() { err = ls.join(id, address, fd, once) })
	if err != nil {
		_ = unix.Close(fd) // never used
		return fmt.Errorf("server: join %s: %w", address, err)
	}
	return nil
}

func (ls *loopServer) join(id uint64, address string, fd int, once bool) error {
	now := named(ls.addresses, address)
	switch {
	case ls.draining:
		return ErrDrained
	case now == nil:
		return fmt.Errorf("no site listens there")
	}
	l := &listener{
		ls: ls, address: address, id: id, own: true, once: once, proxy: now.Proxy,
		table: ls.routes.tables[address],
	}
	l.limitHead()
	var err error
	if l.ln, err = ls.loop.Listen(fd, l, l); err == nil {
		ls.emptied = nil // a rest is over
		ls.listeners = append(ls.listeners, l)
	}
	return err
}

// Part accepts what waits at the socket that Join brought as id, and closes this descriptor of it.
// Connections stay. No effect when it is gone already.
func (srv *Server) Part(id uint64) {
	ls := srv.loops[int(id%uint64(len(srv.loops)))]
	ls.onLoop(func() {
		for _, l := range ls.listeners {
			if l.id == id {
				l.ln.Drain()
				ls.forget(l)
				return
			}
		}
	})
}

// limitHead takes the widest limits of the routes of l.
func (l *listener) limitHead() {
	l.head = l.ls.opt.Limits.Head
	if l.table != nil {
		l.head = l.table.head
	}
}
