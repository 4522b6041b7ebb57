//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const sendFlags = unix.MSG_DONTWAIT

// recvmsg marks what came close-on-exec under the fork lock, where the system has no flag for it.
func recvmsg(sock int, b, control []byte) (n, used, flags int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for {
		n, used, flags, _, err = unix.Recvmsg(sock, b, control, unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		fds, _ := rightsIn(control[:used]) // the caller meets the error again
		for _, fd := range fds {
			unix.CloseOnExec(fd)
		}
	}
	return n, used, flags, err
}
