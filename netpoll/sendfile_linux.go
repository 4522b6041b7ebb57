package netpoll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

type errno = syscall.Errno

// resident reports whether [off, off+n) of a file is in memory, so that sending it does not block.
// Kernels without cachestat (before 6.5) answer yes.
func resident(fd int, off, n int64) bool {
	var st unix.Cachestat_t
	err := unix.Cachestat(uint(fd), &unix.CachestatRange{Off: uint64(off), Len: uint64(n)}, &st, 0)
	if err != nil {
		return true
	}
	page := int64(unix.Getpagesize())
	pages := (off+n+page-1)/page - off/page
	return int64(st.Cache) >= pages
}

func sysSendFile(fd, file int, off *int64, n int) (int, error) {
	return unix.Sendfile(fd, file, off, n)
}
