package supervisor

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// sealFiles makes every descriptor from first on close at exec: whatever an ancestor leaked ends here.
func sealFiles(first int) {
	// Kernels before 5.11 do not know the flag: then CLOEXEC of our own descriptors must do.
	_ = unix.CloseRange(uint(first), ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
}

func noNewPrivs() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// dieWithParent asks for SIGKILL when the thread that forked us ends. If it ended before, nobody will
// send that signal: the parent is asked for once more.
func dieWithParent(parent int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if os.Getppid() != parent {
		return errors.New("the supervisor has ended")
	}
	return nil
}

func rlimitOf(soft, hard uint64) syscall.Rlimit { return syscall.Rlimit{Cur: soft, Max: hard} }
