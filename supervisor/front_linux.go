package supervisor

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// bindToParent has the kernel kill this process when its parent, which is pid, dies. The supervisor
// asked for it at the fork already; a binary with file capabilities loses that on exec.
func bindToParent(pid int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("supervisor: front: %w", os.NewSyscallError("prctl PR_SET_PDEATHSIG", err))
	}
	if os.Getppid() != pid { // it died before
		return ErrSupervisorGone
	}
	// Started from /proc/self/exe the process would be called "exe". Only ps cares.
	_ = os.WriteFile("/proc/self/comm", []byte("weir-front"), 0)
	return nil
}

// frontSysProcAttr has the kernel kill the front when the thread that forks it ends.
func frontSysProcAttr(c *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: c, Setpgid: true}
}

// selfExe runs this very binary, also when its file was replaced or deleted since, and when another
// user may not reach its directory.
const selfExe = "/proc/self/exe"
