//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const unixPathMax = 103

func socket(family int) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		sysClose(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	if family != unix.AF_UNIX {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			sysClose(fd)
			return -1, os.NewSyscallError("setsockopt", err)
		}
	}
	return fd, nil
}

func unixSocket(kind int) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	return fd, os.NewSyscallError("socket", err)
}

// ErrNoCredentials: peer credentials are not asked for on this system.
var ErrNoCredentials = errors.New("netpoll: no peer credentials on this system")

// PeerCredentials is not built for the BSDs.
func (c *Conn) PeerCredentials() (pid, uid int, err error) { return 0, 0, ErrNoCredentials }
