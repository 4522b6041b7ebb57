package supervisor

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// awaitDeath returns when the child has ended, and leaves it a zombie: its pid and its process group
// are still its own. With a pidfd no thread waits.
func (c *child) awaitDeath() {
	if c.pidfd >= 0 && c.awaitPidfd() {
		return
	}
	for {
		err := unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// awaitPidfd waits in the runtime's poller; false: that does not work here.
func (c *child) awaitPidfd() bool {
	if err := unix.SetNonblock(c.pidfd, true); err != nil {
		return false
	}
	f := os.NewFile(uintptr(c.pidfd), "pidfd")
	c.pidfd = -1
	defer f.Close() //nolint:errcheck // nothing was written
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	dead := false
	err = raw.Read(func(uintptr) bool {
		var info unix.Siginfo
		e := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		// Without a dead child the call succeeds and leaves info zero.
		dead = e == nil && info.Signo != 0 || e == unix.ECHILD
		return dead
	})
	return err == nil && dead
}

// sweepOrphans reaps adopted descendants of workers that have ended. Children of our own, those of
// os/exec among them, must keep their status for whoever waits for them: they are in our session and
// either in our process group or leaders of their own. Workers, whose pids are in known, need no look.
func sweepOrphans(known map[int]bool) {
	self, session := os.Getpid(), 0
	if s, err := unix.Getsid(0); err == nil {
		session = s
	}
	group := unix.Getpgrp()
	for _, pid := range childrenOf(self) {
		if known[pid] {
			continue
		}
		st, err := readStat(pid)
		if err != nil || st.state != 'Z' {
			continue
		}
		if st.session == session && (st.group == group || st.group == pid) {
			continue
		}
		var ws syscall.WaitStatus
		_, _ = syscall.Wait4(pid, &ws, syscall.WNOHANG, nil) // gone either way
	}
}

// childrenOf lists the children of every thread of pid.
func childrenOf(pid int) (pids []int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, t := range tasks {
		b, err := os.ReadFile(dir + "/" + t.Name() + "/children")
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}
