package supervisor

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// inheritance is the listening sockets that systemd (or whoever speaks its protocol) passed to this
// process, by address. nil is none. Several sockets of one address come from the fd store.
//
// sd_listen_fds(3).
type inheritance struct {
	sockets []inheritedSocket
}

type inheritedSocket struct {
	fd   int
	name string         // LISTEN_FDNAMES; for people only
	path string         // Unix sockets
	at   netip.AddrPort // TCP sockets
	dual bool           // IPv6 wildcard that also takes IPv4
}

// inheritSockets takes the descriptors first, first+1 ... that getenv announces to process pid and
// closes what is no listening socket, with a warning.
func inheritSockets(getenv func(string) string, pid, first int, log *slog.Logger) *inheritance {
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 1 || n > inheritedFDsMax || getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return nil
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	in := &inheritance{}
	for i := range n {
		s := inheritedSocket{fd: first + i}
		if i < len(names) {
			s.name = names[i]
		}
		if err := s.inspect(); err != nil {
			log.Warn("inherited descriptor not used", "fd", s.fd, "name", s.name, "err", err)
			_ = unix.Close(s.fd) // whatever it is
			continue
		}
		in.sockets = append(in.sockets, s)
	}
	return in
}

// inspect finds the address and makes the socket what ours are: non-blocking, close-on-exec.
func (s *inheritedSocket) inspect() error {
	unix.CloseOnExec(s.fd)
	listening, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || listening == 0 {
		return fmt.Errorf("not a listening stream socket")
	}
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return wrapSyscall("getsockname", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		s.at = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		only, err := unix.GetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		s.at = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
		s.dual = err == nil && only == 0
	case *unix.SockaddrUnix:
		s.path = sa.Name
	default:
		return fmt.Errorf("not a TCP or Unix socket")
	}
	return wrapSyscall("fcntl", unix.SetNonblock(s.fd, true))
}

// take is the listener of spec if it was inherited, else nil. If as many sockets as wanted share the
// address each loop gets its own; otherwise all share the first and the others are closed.
func (in *inheritance) take(spec config.Listener, want int) *Listener {
	if in == nil {
		return nil
	}
	l := &Listener{spec: spec, network: "tcp", actual: spec.Address, inherited: true}
	if strings.HasPrefix(spec.Address, "unix:") {
		l.network = "unix"
	}
	rest := in.sockets[:0]
	for _, s := range in.sockets {
		if s.serves(spec.Address) {
			l.fds = append(l.fds, s.fd)
		} else {
			rest = append(rest, s)
		}
	}
	in.sockets = rest
	switch {
	case len(l.fds) == 0:
		return nil
	case len(l.fds) > 1 && len(l.fds) != want:
		closeFDs(l.fds[1:])
		l.fds = l.fds[:1]
	}
	if l.network == "tcp" {
		for _, fd := range l.fds {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // only slower without
		}
	}
	return l
}

func (s *inheritedSocket) serves(address string) bool {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return s.path == path
	}
	network, host, err := tcpNetwork(address)
	if err != nil || s.path != "" || !strings.HasSuffix(address, ":"+strconv.Itoa(int(s.at.Port()))) {
		return false
	}
	ip := s.at.Addr()
	if network == "tcp" {
		return ip.IsUnspecified() && (s.dual || ip.Is4())
	}
	want, err := netip.ParseAddr(host)
	return err == nil && want.Unmap() == ip && !s.dual
}

// closeUnused closes what no listener took: connections to it would never be answered.
func (in *inheritance) closeUnused(log *slog.Logger) {
	if in == nil {
		return
	}
	for _, s := range in.sockets {
		at := s.path
		if at == "" {
			at = s.at.String()
		}
		log.Warn("inherited socket has no binding; closed", "address", at, "name", s.name)
		_ = unix.Close(s.fd) // nobody uses it
	}
	in.sockets = nil
}

// forgetInheritance removes the announcement, so that no child believes it.
func forgetInheritance() {
	for _, k := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(k) // fails for malformed names only
	}
}
