//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownBinary is the file this program was started from.
func ownBinary() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// forkAttr gives the child a process group of its own. There is no pidfd.
func forkAttr(*int) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// pipeCloexec holds the fork lock, as a fork between the calls would leak the descriptors.
func pipeCloexec(fds *[2]int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return nil
}

// becomeSubreaper does nothing: orphans go to init.
func becomeSubreaper() error { return nil }
