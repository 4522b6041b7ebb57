package supervisor

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
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
// say, or what lies behind procTableBytesMax.
func tcpSockets(state string) (all []procTCP) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(io.LimitReader(f, procTableBytesMax)); lines.Scan(); {
			if s, ok := parseProcTCP(lines.Text(), state); ok {
				all = append(all, s)
			}
		}
		_ = f.Close() // only read
	}
	return all
}

// parseProcTCP reads a line of /proc/net/tcp if it is about a socket in state: number, local and remote
// address, state, queues, timer, retransmissions, uid, timeout, inode.
func parseProcTCP(line, state string) (s procTCP, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != state {
		return s, false
	}
	addr, ok := parseProcAddress(f[1])
	uid, err1 := strconv.Atoi(f[7])
	inode, err2 := strconv.ParseUint(f[9], 10, 64)
	return procTCP{addr, uid, inode}, ok && err1 == nil && err2 == nil
}

// parseProcAddress parses 0100007F:1F90: the address as words in the machine's order, and the port.
// An IPv4 address mapped into IPv6 is IPv4.
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
