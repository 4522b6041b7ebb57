//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"errors"
	"os"
)

// sealFiles does nothing: our own descriptors are CLOEXEC, and there is no portable way to find others.
func sealFiles(int) {}

// noNewPrivs does nothing: these systems have no such flag for a process and what it executes.
func noNewPrivs() error { return nil }

// dieWithParent only checks: there is no parent-death signal here. The control channel's end of file
// tells a front; other workers outlive a supervisor that was killed.
func dieWithParent(parent int) error {
	if os.Getppid() != parent {
		return errors.New("the supervisor has ended")
	}
	return nil
}
