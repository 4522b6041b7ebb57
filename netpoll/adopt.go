package netpoll

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Adopt enters a connected stream socket that was opened elsewhere: accepted by another process and
// received by RecvFDs, say, or detached from another loop. It is not counted by Config.Conns.
//
// The loop owns fd from here on; after an error the caller still does.
func (l *Loop) Adopt(fd int, h Handler) (*Conn, error) {
	l.checkOn()
	if l.stopping.Load() {
		return nil, fmt.Errorf("netpoll: adopt fd %d: %w", fd, ErrStopped)
	}
	sa, err := unix.Getpeername(fd)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("netpoll: adopt fd %d: %w", fd, os.NewSyscallError("getpeername", err))
	}
	c := l.newConn(fd)
	c.handler = h
	c.peer.set(addrPortOf(sa))
	if err := c.register(); err != nil {
		c.leave()
		return nil, fmt.Errorf("netpoll: adopt fd %d: %w", fd, err)
	}
	return c, nil
}

// register makes the poller know c; what arrived before is reported as an edge.
func (c *Conn) register() error {
	out := c.flags&(flagBlocked|flagConnecting) != 0
	if err := c.loop.poller.add(int(c.fd), c.gen, out); err != nil {
		return err
	}
	c.flags |= flagKnown
	if out {
		c.flags |= flagOut
	}
	return nil
}
