package supervisor

import (
	"context"
	"log/slog"
	"time"

	"weir/netpoll"
)

// plug has the kernel queue no more connections to l, while the fronts accept those that it has queued
// and close their sockets: in this order nobody is reset. Not where somebody else holds the socket on
// purpose, whose queue lives on.
//
// Left is a handshake that takes longer than plugSettleMax, and the kernel's own bound of a queue that is
// full. Design section 7, Drain.
func (l *Listener) plug(log *slog.Logger) {
	if l.inherited {
		return
	}
	for _, fd := range l.sockets() {
		if err := netpoll.Plug(fd); err != nil {
			log.Debug("listener", "address", l.Address(), "err", err) // then as before: a small window
			return
		}
	}
}

// unplug takes back plug of a listener that is to go on after all.
func (l *Listener) unplug(log *slog.Logger) {
	for _, fd := range l.sockets() {
		if err := netpoll.Unplug(fd); err != nil {
			log.Error("listener", "address", l.Address(), "err", err)
		}
	}
}

// plugAll plugs ls and gives handshakes that have begun time to complete. Unix sockets have none, and
// are plugged last: plugged, they keep the loops that poll them busy.
func plugAll(ctx context.Context, ls []*Listener, log *slog.Logger) {
	settle := false
	for _, l := range ls {
		if l.network == "tcp" {
			l.plug(log)
			settle = true
		}
	}
	if settle {
		settleHandshakes(ctx, ls)
	}
	for _, l := range ls {
		if l.network == "unix" {
			l.plug(log)
		}
	}
}

// settleHandshakes waits until the kernel has no handshake left that began at one of ls, plugSettle at
// least. Each look takes the time of a table of all sockets, so they become rare.
func settleHandshakes(ctx context.Context, ls []*Listener) {
	for wait, waited := plugSettle, time.Duration(0); waited < plugSettleMax; wait *= 2 {
		wait = min(wait, plugSettleMax-waited)
		if !pause(ctx, wait) || !handshaking(ls) {
			return
		}
		waited += wait
	}
}
