package supervisor

import (
	"fmt"
	"os"
	"syscall"
)

// bindToParent has the kernel kill this process when its parent, which is pid, dies. The supervisor
// asked for it at the fork already; a binary with file capabilities loses that on exec.
func bindToParent(pid int) error {
	err := dieWithParent(pid)
	if os.Getppid() != pid {
		return ErrSupervisorGone // it ended before
	}
	if err != nil {
		return fmt.Errorf("supervisor: front: %w", err)
	}
	// Started from /proc/self/exe the process would be called "exe". Only ps cares.
	_ = os.WriteFile("/proc/self/comm", []byte("weir-front"), 0)
	return nil
}

// frontSysProcAttr has the kernel kill the front when the thread that forks it ends.
func frontSysProcAttr(c *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: c, Setpgid: true}
}
