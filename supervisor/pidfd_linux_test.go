package supervisor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func openPidfd(t *testing.T, pid int) int {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("pidfd_open(%d): %v", pid, err)
	}
	return fd
}

// pollReadable waits for the end of a pidfd's process.
func pollReadable(t *testing.T, fd int, d time.Duration) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(d); time.Now().Before(deadline); {
		n, err := unix.Poll(fds, int(time.Until(deadline).Milliseconds()))
		if n > 0 {
			return true
		}
		if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	return false
}

// stopSubreaper undoes what Process mode does to the process of the tests.
func stopSubreaper(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
		t.Error(err)
	}
}
