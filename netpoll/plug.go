package netpoll

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// PlugAll plugs listening sockets and gives handshakes that have begun time to complete: what the
// kernel has queued when it returns can be accepted, and the sockets closed, without resetting anybody.
// Left is a handshake that takes longer, and a queue that was full. ctx bounds the wait.
//
// Unix sockets have no handshake, and are plugged last: plugged, they keep the loops that poll them
// busy.
func PlugAll(ctx context.Context, fds []int) error {
	var errs []error
	var local []int
	wait := false
	for _, fd := range fds {
		if isLocal(fd) {
			local = append(local, fd)
			continue
		}
		err := Plug(fd)
		wait = wait || err == nil
		errs = append(errs, err)
	}
	if wait {
		t := time.NewTimer(plugSettle)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	for _, fd := range local {
		errs = append(errs, Plug(fd))
	}
	return errors.Join(errs...)
}

// isLocal reports a Unix socket.
func isLocal(fd int) bool {
	sa, err := unix.Getsockname(fd)
	_, local := sa.(*unix.SockaddrUnix)
	return err == nil && local
}
