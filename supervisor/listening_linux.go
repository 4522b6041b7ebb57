package supervisor

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// tcpListen is TCP_LISTEN in /proc/net/tcp.
const tcpListen = 10

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
	for _, l := range tcpListeners() {
		if int(l.LocalPort) == p.contract.port {
			want[l.Inode] = true
			byUser = byUser || int(l.UID) == p.user.uid
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
	for _, l := range tcpListeners() {
		if ip, ok := netip.AddrFromSlice(l.LocalAddr); ok && own[l.Inode] {
			at = append(at, "tcp "+netip.AddrPortFrom(ip, uint16(l.LocalPort)).String())
		}
	}
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if rows, err := fs.NetUNIX(); err == nil {
			for _, r := range rows.Rows {
				if own[r.Inode] && r.Flags&unixListening != 0 {
					at = append(at, "unix "+r.Path)
				}
			}
		}
	}
	slices.Sort(at)
	return slices.Compact(at), len(at) > 0 || !hidden
}

// unixListening is __SO_ACCEPTCON, which /proc/net/unix shows among the flags.
const unixListening = 1 << 16

func tcpListeners() (all procfs.NetTCP) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil
	}
	for _, read := range []func() (procfs.NetTCP, error){fs.NetTCP, fs.NetTCP6} {
		lines, err := read()
		if err != nil {
			continue // no IPv6, say
		}
		for _, l := range lines {
			if l.St == tcpListen {
				all = append(all, l)
			}
		}
	}
	return all
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
