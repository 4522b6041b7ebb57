package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"weir/netpoll"
)

// plugAll has the kernel queue no more connections to ls, while the fronts accept those that it has
// queued and close their sockets: in this order nobody is reset. Not where somebody else holds the
// socket on purpose, whose queue lives on. Design section 7, Drain.
func plugAll(ctx context.Context, ls []*Listener, log *slog.Logger) {
	var fds []int
	for _, l := range ls {
		if !l.inherited {
			fds = append(fds, l.sockets()...)
		}
	}
	if err := PlugAll(ctx, fds); err != nil {
		log.Debug("listeners", "err", err) // then as before: a small window
	}
}

// unplug takes back plugAll of a listener that is to go on after all.
func (l *Listener) unplug(log *slog.Logger) {
	for _, fd := range l.sockets() {
		if err := netpoll.Unplug(fd); err != nil {
			log.Error("listener", "address", l.Address(), "err", err)
		}
	}
}

// PlugAll plugs listening sockets, see [netpoll.Plug], and gives handshakes that have begun time to
// complete: what the kernel has queued when it returns can be accepted, and the sockets closed, without
// resetting anybody. Left is a handshake that takes longer than plugSettleMax, and a queue that was full.
// ctx bounds the wait.
//
// Unix sockets have no handshake, and are plugged last: plugged, they keep the loops that poll them
// busy.
func PlugAll(ctx context.Context, fds []int) error {
	var errs []error
	var local []int
	ports := map[uint16]bool{}
	for _, fd := range fds {
		port, ok := tcpPort(fd)
		if !ok {
			local = append(local, fd)
			continue
		}
		err := netpoll.Plug(fd)
		if err == nil {
			ports[port] = true
		}
		errs = append(errs, err)
	}
	if len(ports) > 0 {
		settleHandshakes(ctx, ports)
	}
	for _, fd := range local {
		errs = append(errs, netpoll.Plug(fd))
	}
	return errors.Join(errs...)
}

// tcpPort is the port of a TCP socket; false: it has none, or is no socket.
func tcpPort(fd int) (uint16, bool) {
	sa, _ := unix.Getsockname(fd) // an error leaves nil
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port), true
	case *unix.SockaddrInet6:
		return uint16(a.Port), true
	}
	return 0, false
}

// settleHandshakes waits until the kernel has no handshake left that began at one of ports, plugSettle
// at least. Each look takes the time of a table of all sockets, so they become rare.
func settleHandshakes(ctx context.Context, ports map[uint16]bool) {
	for wait, waited := plugSettle, time.Duration(0); waited < plugSettleMax; wait *= 2 {
		wait = min(wait, plugSettleMax-waited)
		if !pause(ctx, wait) || !handshaking(ports) {
			return
		}
		waited += wait
	}
}
