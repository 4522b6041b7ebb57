package weir

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// subreaper is 1 in a process that orphaned descendants go to.
func subreaper(t *testing.T) int {
	t.Helper()
	var on int32
	// SAFETY: the kernel writes one int32 before the call returns.
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&on)), 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return int(on)
}
