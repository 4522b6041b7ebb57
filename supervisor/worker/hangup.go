//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package worker

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp reports whether the other side of c is gone, without reading.
func hungUp(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP and POLLERR are always looked for
		n, err := unix.Poll(fds, 0)
		gone = err == nil && n > 0
	})
	return gone || err != nil
}

func panicText(v any) string { return fmt.Sprint(v) }
