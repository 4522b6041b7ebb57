package supervisor

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
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
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listeningInodes(table, address, inodes)
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

// listeningInodes adds the inodes of sockets in table that listen where address would.
func listeningInodes(table, address string, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	sc := bufio.NewScanner(io.LimitReader(f, ownerTableBytesMax))
	for sc.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
		field := strings.Fields(sc.Text())
		if len(field) < 10 || field[3] != "0A" { // TCP_LISTEN
			continue
		}
		if at, ok := parseProcAddress(field[1]); ok && overlaps(at, address) {
			inodes["socket:["+field[9]+"]"] = true
		}
	}
}

// parseProcAddress parses 0100007F:1F90: the address as words in the machine's order, and the port.
func parseProcAddress(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	n, perr := strconv.ParseUint(port, 16, 16)
	b, err := hex.DecodeString(host)
	if !ok || perr != nil || err != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
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

// handshaking: a client of one of ls has been answered and has not replied yet.
func handshaking(ls []*Listener) bool {
	ports := map[uint16]bool{}
	for _, l := range ls {
		if a, err := netip.ParseAddrPort(l.actual); err == nil {
			ports[a.Port()] = true
		}
	}
	return slices.ContainsFunc(tcpSockets(tcpSynRecv), func(s procTCP) bool {
		return ports[s.addr.Port()]
	})
}
