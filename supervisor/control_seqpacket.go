//go:build linux || freebsd

package supervisor

import "golang.org/x/sys/unix"

const controlSocketType = unix.SOCK_SEQPACKET

func socketPair(kind int) (a, b int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	return fds[0], fds[1], err
}
