//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import "golang.org/x/sys/unix"

// lookAtChild asks the kernel about a pid that should be a living child of ours. Whose child it is
// cannot be asked for here without reaping it.
func lookAtChild(pid int) (found string) {
	if pid <= 1 || unix.Kill(pid, 0) == unix.ESRCH {
		return foundGone
	}
	return ""
}
