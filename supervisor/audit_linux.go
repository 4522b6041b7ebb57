package supervisor

import "golang.org/x/sys/unix"

// lookAtChild asks the kernel about a pid that should be a living child of ours. It reaps nothing.
func lookAtChild(pid int) (found string) {
	if pid <= 1 { // kill(2) means others by these
		return foundGone
	}
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
	switch {
	case err == unix.ECHILD && unix.Kill(pid, 0) == unix.ESRCH:
		return foundGone
	case err == unix.ECHILD:
		return foundForeign
	case err == nil && info.Signo != 0:
		return foundZombie
	}
	return ""
}
