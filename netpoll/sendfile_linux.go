package netpoll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

type errno = syscall.Errno

// resident reports whether [off, off+n) of a file is in memory, so that sending it does not block.
//
// Kernels before 6.5 have no cachestat, and recent ones refuse it for files that we may not write
// (ours are often root's): then the first and the last byte stand for the rest.
func resident(fd int, off, n int64) bool {
	var st unix.Cachestat_t
	err := unix.Cachestat(uint(fd), &unix.CachestatRange{Off: uint64(off), Len: uint64(n)}, &st, 0)
	if err != nil {
		return byteResident(fd, off) && byteResident(fd, off+n-1)
	}
	page := int64(unix.Getpagesize())
	pages := (off+n+page-1)/page - off/page
	return int64(st.Cache) >= pages
}

// byteResident reports whether the byte at off can be read without waiting for the disk. A file system
// that cannot tell counts as one that need not be asked; beyond the end there is nothing to wait for.
func byteResident(fd int, off int64) bool {
	var b [1]byte
	_, err := unix.Preadv2(fd, [][]byte{b[:]}, off, unix.RWF_NOWAIT)
	return err != unix.EAGAIN
}

func sysSendFile(fd, file int, off *int64, n int) (int, error) {
	return unix.Sendfile(fd, file, off, n)
}
