//go:build !linux

package supervisor

import (
	"os"
	"syscall"
)

// bindToParent relies on the end of the control channel: there is no parent-death signal.
func bindToParent(pid int) error {
	if os.Getppid() != pid {
		return ErrSupervisorGone
	}
	return nil
}

func frontSysProcAttr(c *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: c, Setpgid: true}
}
