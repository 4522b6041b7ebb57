//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

type errno = syscall.Errno

// resident: the BSDs have no cheap answer; sendCold is never taken.
func resident(int, int64, int64) bool { return true }

// sysSendFile copies through user space: the BSDs' sendfile signatures differ and OpenBSD and NetBSD
// have none.
func sysSendFile(fd, file int, off *int64, n int) (int, error) {
	buf := make([]byte, min(n, 64<<10))
	r, err := unix.Pread(file, buf, *off)
	if err != nil || r == 0 {
		return 0, err
	}
	w, err := unix.Write(fd, buf[:r])
	if w > 0 {
		*off += int64(w)
	}
	return max(w, 0), err
}
