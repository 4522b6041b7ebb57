package supervisor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ownBinary is this program even after its file was replaced.
func ownBinary() string { return "/proc/self/exe" }

// forkAttr gives the child a process group of its own and us a pidfd (-1 before Linux 5.4).
func forkAttr(pidfd *int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, PidFD: pidfd}
}

func pipeCloexec(fds *[2]int) error { return unix.Pipe2(fds[:], unix.O_CLOEXEC) }

// becomeSubreaper makes orphaned descendants ours.
func becomeSubreaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
