package supervisor

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkPeer reports a listener that is neither uid's nor ours.
func checkPeer(fd, uid int) error {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if int(c.Uid) != uid && int(c.Uid) != os.Geteuid() {
		return fmt.Errorf("the listener belongs to uid %d, not %d", c.Uid, uid)
	}
	return nil
}

// ownsPort reports whether a process of the worker's group, or a descendant of it, listens on PORT.
// Where a process hides its descriptors from us, the owner of the socket must be the worker's user.
func (p *process) ownsPort() bool {
	p.mu.Lock()
	pid := p.pid
	p.mu.Unlock()
	want := map[uint64]bool{}
	byUser := false
	for _, l := range tcpSockets(tcpListen) {
		if int(l.addr.Port()) == p.contract.port {
			want[l.inode] = true
			byUser = byUser || l.uid == p.user.uid
		}
	}
	own, hidden := socketsOf(family(pid))
	for inode := range own {
		if want[inode] {
			return true
		}
	}
	return hidden && byUser
}

// listening are the addresses on which the family of pid listens.
func (p *process) listening(pid int) (at []string, known bool) {
	own, hidden := socketsOf(family(pid))
	for _, l := range tcpSockets(tcpListen) {
		if own[l.inode] {
			at = append(at, "tcp "+l.addr.String())
		}
	}
	for inode, path := range unixListeners() {
		if own[inode] {
			at = append(at, "unix "+path)
		}
	}
	slices.Sort(at)
	return slices.Compact(at), len(at) > 0 || !hidden
}

// family are the processes of leader's group and all their descendants.
func family(leader int) (pids []int) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return []int{leader}
	}
	stats := map[int]procStat{}
	for _, d := range dirs {
		if pid, err := strconv.Atoi(d.Name()); err == nil {
			if st, err := readStat(pid); err == nil {
				stats[pid] = st
			}
		}
	}
	for pid := range stats {
		for at, depth := pid, 0; at > 1 && depth < familyDepthMax; depth++ {
			st, ok := stats[at]
			if !ok {
				break
			}
			if st.group == leader {
				pids = append(pids, pid)
				break
			}
			at = st.parent
		}
	}
	return pids
}

// socketsOf are the inodes of the sockets that pids hold; hidden: some may not be looked at.
func socketsOf(pids []int) (inodes map[uint64]bool, hidden bool) {
	inodes = map[uint64]bool{}
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		fds, err := os.ReadDir(dir)
		if err != nil {
			hidden = hidden || os.IsPermission(err)
			continue
		}
		for _, fd := range fds {
			target, err := os.Readlink(dir + "/" + fd.Name())
			if err != nil {
				continue
			}
			num, ok := strings.CutPrefix(target, "socket:[")
			if !ok {
				continue
			}
			if n, err := strconv.ParseUint(strings.TrimSuffix(num, "]"), 10, 64); err == nil {
				inodes[n] = true
			}
		}
	}
	return inodes, hidden
}
