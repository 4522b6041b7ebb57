package supervisor

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// portOwner is a process that listens on the port of address, as far as /proc lets us see: pid 0 if
// it does not. Of several (a supervisor and its fronts) it is the one with the lowest pid.
func portOwner(address string) (pid int, program string) {
	inodes := map[string]bool{}
	for _, s := range tcpSockets(tcpListen) {
		if overlaps(s.addr, address) {
			inodes[fmt.Sprintf("socket:[%d]", s.inode)] = true
		}
	}
	if len(inodes) == 0 {
		return 0, ""
	}
	procs, err := os.Open("/proc")
	if err != nil {
		return 0, ""
	}
	defer procs.Close()
	names, _ := procs.Readdirnames(ownerScanProcsMax) // what could be read is enough
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err == nil && (pid == 0 || n < pid) && holdsSocket(name, inodes) {
			pid = n
		}
	}
	return pid, programOf(pid)
}

// overlaps reports whether a socket bound to at keeps another from address.
func overlaps(at netip.AddrPort, address string) bool {
	network, host, err := tcpNetwork(address)
	if err != nil || !strings.HasSuffix(address, fmt.Sprintf(":%d", at.Port())) {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return network == "tcp" || at.Addr().IsUnspecified() || err != nil || ip.IsUnspecified() ||
		ip.Unmap() == at.Addr()
}

func holdsSocket(pid string, inodes map[string]bool) bool {
	dir, err := os.Open("/proc/" + pid + "/fd")
	if err != nil {
		return false // not ours to see, or gone
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, n := range names {
			if link, err := os.Readlink("/proc/" + pid + "/fd/" + n); err == nil && inodes[link] {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}

// programOf is the name of process pid, "?" if unknown.
func programOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return string(bytes.TrimSpace(b))
}

// peerPID is the process behind the other end of a connected Unix socket, 0 if unknown.
func peerPID(fd int) int {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}

// handshaking: a client of one of ports has been answered and has not replied yet.
func handshaking(ports map[uint16]bool) bool {
	return slices.ContainsFunc(tcpSockets(tcpSynRecv), func(s procTCP) bool {
		return ports[s.addr.Port()]
	})
}
