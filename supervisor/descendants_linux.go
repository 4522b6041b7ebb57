package supervisor

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// killDescendants ends what a dead worker left behind in other process groups and sessions. As we are a
// subreaper its orphans are our children, and its environment, which they have inherited, tells whose
// they are: the path of its socket was nobody else's. A descendant that changed its environment is
// missed; a cgroup misses none. Workers, whose pids are in known, are nobody's orphans: looking at all of
// them would make each death cost as much as there are workers.
func killDescendants(socket string, known map[int]bool) {
	mark := []byte("WEIR_SOCKET=" + socket + "\x00")
	self := os.Getpid()
	orphaned := false
	for _, pid := range childrenOf(self) {
		orphaned = orphaned || !known[pid] && marked(pid, mark)
	}
	for range descendantPassesMax { // one may fork while we look
		if !orphaned {
			return
		}
		orphaned = false
		dirs, err := os.ReadDir("/proc")
		if err != nil {
			return
		}
		for _, d := range dirs {
			pid, err := strconv.Atoi(d.Name())
			if err == nil && marked(pid, mark) && descends(pid, self) {
				orphaned = killMarked(pid, mark) || orphaned
			}
		}
	}
}

// marked reports whether pid's environment holds mark. A zombie has none.
func marked(pid int, mark []byte) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && (bytes.HasPrefix(b, mark) || bytes.Contains(b, append([]byte{0}, mark...)))
}

// killMarked kills pid if it still is what it was: the descriptor keeps naming the same process.
func killMarked(pid int, mark []byte) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false // it has ended; or Linux before 5.3, where it must live on
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	return marked(pid, mark) && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}
