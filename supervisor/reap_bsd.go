//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"time"

	"golang.org/x/sys/unix"
)

// awaitDeath returns when the child has ended and leaves it a zombie: kqueue tells of the exit.
func (c *child) awaitDeath() {
	kq, err := unix.Kqueue()
	if err != nil {
		return // the wait that follows blocks
	}
	defer unix.Close(kq) //nolint:errcheck // nothing was written
	unix.CloseOnExec(kq)
	ev := make([]unix.Kevent_t, 1)
	unix.SetKevent(&ev[0], c.pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	ev[0].Fflags = unix.NOTE_EXIT
	wait := unix.NsecToTimespec(int64(time.Hour))
	for {
		n, err := unix.Kevent(kq, ev, ev, &wait)
		if n > 0 || err != nil && err != unix.EINTR {
			return // ESRCH: it has ended already
		}
	}
}

// killDescendants does nothing: nobody here inherits a worker's orphans.
func killDescendants(string, map[int]bool) {}

// sweepOrphans does nothing: orphans go to init.
func sweepOrphans(map[int]bool) {}
