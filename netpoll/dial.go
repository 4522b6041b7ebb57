package netpoll

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// ErrBacklogFull is returned by Dial when a Unix socket's backlog is full. No event tells when it is
// not: keep the place, try again a little later. The peer has not failed.
var ErrBacklogFull = errors.New("netpoll: backlog full")

// Address is a resolved address to dial: no look-up happens on a loop.
type Address struct {
	network string
	text    string
	sa      unix.Sockaddr
	family  int
}

// ParseAddress resolves "unix" paths and "tcp" IP:port pairs.
func ParseAddress(network, address string) (*Address, error) {
	a := &Address{network: network, text: address}
	switch network {
	case "unix":
		if len(address) > unixPathMax || address == "" {
			return nil, fmt.Errorf("netpoll: unix path %q: longer than %d bytes", address, unixPathMax)
		}
		a.family, a.sa = unix.AF_UNIX, &unix.SockaddrUnix{Name: address}
	case "tcp":
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, fmt.Errorf("netpoll: address %q: %w", address, err)
		}
		if ap.Addr().Unmap().Is4() {
			a.family = unix.AF_INET
			a.sa = &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().Unmap().As4()}
		} else {
			a.family = unix.AF_INET6
			a.sa = &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
		}
	default:
		return nil, fmt.Errorf("netpoll: network %q: want unix or tcp", network)
	}
	return a, nil
}

// String is network:address.
func (a *Address) String() string { return a.network + ":" + a.text }

// Dial begins to connect to a. The connection is returned at once; unless Connected, OnOpen comes
// later, and what is written meanwhile waits. An error means that nothing was opened.
func (l *Loop) Dial(a *Address, h Handler) (*Conn, error) {
	l.checkOn()
	if l.stopping.Load() {
		return nil, fmt.Errorf("netpoll: dial %s: %w", a, ErrStopped)
	}
	fd, err := socket(a.family)
	if err != nil {
		return nil, fmt.Errorf("netpoll: dial %s: %w", a, err)
	}
	err = unix.Connect(fd, a.sa)
	if err != nil && err != unix.EINPROGRESS && err != unix.EINTR { // EINTR: it goes on
		sysClose(fd)
		if err == unix.EAGAIN && a.family == unix.AF_UNIX {
			return nil, ErrBacklogFull
		}
		return nil, fmt.Errorf("netpoll: dial %s: %w", a, os.NewSyscallError("connect", err))
	}
	c := l.newConn(fd)
	c.handler = h
	if err != nil {
		c.flags |= flagConnecting
	}
	if err := c.register(); err != nil {
		c.Close()
		return nil, fmt.Errorf("netpoll: dial %s: %w", a, err)
	}
	return c, nil
}

// Connected reports whether a dialled connection stands.
func (c *Conn) Connected() bool { return c.fd >= 0 && c.flags&flagConnecting == 0 }

// onConnect ends a dial that was in progress; true when c stands and the rest of ev concerns it.
func (c *Conn) onConnect(ev *event) bool {
	if !ev.writable && !ev.hangup && !ev.failed {
		return false
	}
	if err := c.socketError(); err != nil {
		c.fail(os.NewSyscallError("connect", err))
		return false
	}
	c.flags &^= flagConnecting
	c.handler.OnOpen(c, nil)
	if c.fd >= 0 {
		c.flush()
	}
	return c.fd >= 0
}
