package supervisor

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// procTCP is one TCP socket of this network namespace.
type procTCP struct {
	addr  netip.AddrPort
	uid   int
	inode uint64
}

// States of TCP sockets, as /proc/net/tcp prints them.
const (
	tcpSynRecv = "03"
	tcpListen  = "0A"
)

// tcpSockets reads those in state from /proc/net/tcp and tcp6. What cannot be read is left out: no IPv6,
// say.
func tcpSockets(state string) (all []procTCP) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			if l, ok := parseTCPSocket(line, state); ok {
				all = append(all, l)
			}
		}
	}
	return all
}

// parseTCPSocket reads a line of /proc/net/tcp if it is about one in state: number, local and remote
// address, state, queues, timer, retransmissions, uid, timeout, inode.
func parseTCPSocket(line, state string) (l procTCP, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != state {
		return l, false
	}
	ip, port, _ := strings.Cut(f[1], ":")
	raw, err := hex.DecodeString(ip)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return l, false
	}
	for i := 0; i < len(raw); i += 4 { // words in the order of the host, printed as numbers
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw) // 4 or 16 bytes
	p, err1 := strconv.ParseUint(port, 16, 16)
	uid, err2 := strconv.Atoi(f[7])
	inode, err3 := strconv.ParseUint(f[9], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return l, false
	}
	return procTCP{netip.AddrPortFrom(addr, uint16(p)), uid, inode}, true
}

// unixListeners maps the inodes of listening Unix sockets to their paths, from /proc/net/unix:
// number, references, protocol, flags (__SO_ACCEPTCON: it listens), type, state, inode, path.
func unixListeners() map[uint64]string {
	const acceptCon = 1 << 16
	b, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil
	}
	paths := map[uint64]string{}
	for line := range strings.SplitSeq(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		flags, err1 := strconv.ParseUint(f[3], 16, 32)
		inode, err2 := strconv.ParseUint(f[6], 10, 64)
		if err1 == nil && err2 == nil && flags&acceptCon != 0 {
			paths[inode] = f[7]
		}
	}
	return paths
}
