package supervisor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseOut is process_madvise(2) with MADV_PAGEOUT for one range of the process of a pidfd.
func adviseOut(pidfd int, r addressRange) error {
	// SAFETY: the kernel reads one iovec, r, during the call; the addresses in it are the other
	// process's and are not followed here.
	_, _, errno := unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(pidfd),
		uintptr(unsafe.Pointer(&r)), 1, unix.MADV_PAGEOUT, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
