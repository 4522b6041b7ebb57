//go:build !linux && !freebsd

package supervisor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Darwin has no SOCK_SEQPACKET for Unix sockets; the stream form serves everywhere else too.
const controlSocketType = unix.SOCK_STREAM

func socketPair(kind int) (a, b int, err error) {
	syscall.ForkLock.RLock() // no fork between socketpair and FD_CLOEXEC
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	return fds[0], fds[1], err
}
