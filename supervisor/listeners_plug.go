package supervisor

import (
	"context"
	"log/slog"

	"weir/netpoll"
)

// unplug takes back plugAll of a listener that is to go on after all.
func (l *Listener) unplug(log *slog.Logger) {
	for _, fd := range l.sockets() {
		if err := netpoll.Unplug(fd); err != nil {
			log.Error("listener", "address", l.Address(), "err", err)
		}
	}
}

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
	if err := netpoll.PlugAll(ctx, fds); err != nil {
		log.Debug("listeners", "err", err) // then as before: a small window
	}
}
