package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/panjf2000/gnet/v2/pkg/socket"
	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// listenTCP opens want sockets on one address.
//
// The first is bound without SO_REUSEPORT, so that the kernel refuses an address that any other
// process listens on: with it, a second instance of the same user would silently get half of the
// connections. Then it is marked, and the others join it. Port 0 is resolved by the first.
//
// TCP_NODELAY is inherited by accepted sockets. TCP_DEFER_ACCEPT is not used: it would hide silent
// connections from the header clock and make health checks that only connect wait for the kernel's
// own time-out, and it saves one wake-up of those connections only that carry a single request.
//
// With shared the first is bound with SO_REUSEPORT too: see listenBeside.
func listenTCP(spec config.Listener, want int, shared bool) (*Listener, error) {
	network, host, err := tcpNetwork(spec.Address)
	if err != nil {
		return nil, err
	}
	l := &Listener{spec: spec, network: "tcp"}
	first, err := tcpSocket(network, spec.Address, spec.Backlog, shared)
	if noIPv6(err) && host == "" {
		network = "tcp4"
		first, err = tcpSocket(network, spec.Address, spec.Backlog, shared)
	}
	if err != nil {
		return nil, err
	}
	l.fds = append(l.fds, first)
	port, err := boundPort(first)
	if err == nil && want > 1 && !shared {
		err = socket.SetReuseport(first, 1)
	}
	l.actual = net.JoinHostPort(host, strconv.Itoa(port))
	for err == nil && len(l.fds) < want {
		var fd int
		if fd, err = tcpSocket(network, l.actual, spec.Backlog, true); err == nil {
			l.fds = append(l.fds, fd)
		}
	}
	if err != nil {
		closeFDs(l.fds)
		return nil, err
	}
	return l, nil
}

// shareWith reports whether one of ls has the port of address, and marks those that have for sharing.
func shareWith(address string, ls []*Listener) (any bool) {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return false
	}
	for _, l := range ls {
		if _, p, err := net.SplitHostPort(l.actual); err != nil || p != port || l.network != "tcp" {
			continue
		}
		for _, fd := range l.fds {
			any = socket.SetReuseport(fd, 1) == nil || any
		}
	}
	return any
}

// listenBeside opens spec although another listener of ours, marked by shareWith, has its port. A
// stranger's listener is still refused unless it is the same user's and shares as well.
func listenBeside(spec config.Listener, want int) (*Listener, error) {
	if spec.Pool != "" {
		want = 1 // its group opens more
	}
	l, err := listenTCP(spec, want, true)
	if err != nil {
		return nil, &ListenError{Address: spec.Address, Err: err, Hint: listenHint(spec.Address, err)}
	}
	return l, nil
}

// another opens one more socket at the address of l, whose others are marked as sharing it.
func (l *Listener) another() (int, error) {
	network, host, err := tcpNetwork(l.spec.Address)
	if err != nil {
		return -1, err
	}
	fd, err := tcpSocket(network, l.actual, l.spec.Backlog, true)
	if noIPv6(err) && host == "" {
		fd, err = tcpSocket("tcp4", l.actual, l.spec.Backlog, true)
	}
	return fd, err
}

// successor opens the sockets of those who are to accept at the address of l after its present
// owners. The kernel has all of them in one group: new connections are sent to the successor's, so
// that those of l can be plugged, emptied and closed without keeping anybody waiting.
func (l *Listener) successor(spec config.Listener, want int) (*Listener, error) {
	if l.inherited {
		return nil, &ListenError{Address: l.Address(), Err: errors.New("systemd's socket cannot pass " +
			"between front and workers without a restart")}
	}
	if spec.Pool != "" {
		want = 1 // its group opens more
	}
	old := l.sockets()
	for _, fd := range old {
		_ = socket.SetReuseport(fd, 1) // else the next step fails, and says so
	}
	s := &Listener{spec: spec, network: l.network, actual: l.actual, steered: true}
	var chosen []int
	for i := range want {
		fd, err := s.another()
		if err != nil {
			closeFDs(s.fds)
			return nil, &ListenError{Address: l.Address(), Err: err}
		}
		s.fds, chosen = append(s.fds, fd), append(chosen, len(old)+i)
	}
	// Without it some are answered a second later; see netpoll.Plug.
	_ = attachBalance(s.fds[0], chosen)
	return s, nil
}

// tcpNetwork is "tcp" for :8080, which is dual-stack, and the host's own family otherwise.
func tcpNetwork(address string) (network, host string, err error) {
	host, _, err = net.SplitHostPort(address)
	switch {
	case err != nil:
		if strings.Contains(err.Error(), "missing port") {
			return "", "", errors.New("missing port")
		}
		return "", "", err
	case host == "":
		return "tcp", "", nil
	}
	ip, err := net.ResolveIPAddr("ip", host)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("host %s: %w", host, err)
	case ip.IP.To4() != nil:
		return "tcp4", host, nil
	}
	return "tcp6", host, nil
}

func tcpSocket(network, address string, backlog int, shared bool) (int, error) {
	opts := []socket.Option[int]{
		{SetSockOpt: socket.SetReuseAddr, Opt: 1},
		{SetSockOpt: socket.SetNoDelay, Opt: 1},
	}
	switch network {
	case "tcp": // the system's default differs: net.ipv6.bindv6only, and 1 on BSD
		opts = append(opts, socket.Option[int]{SetSockOpt: socket.SetIPv6Only, Opt: 0})
	case "tcp6":
		opts = append(opts, socket.Option[int]{SetSockOpt: socket.SetIPv6Only, Opt: 1})
	}
	if shared {
		opts = append(opts, socket.Option[int]{SetSockOpt: socket.SetReuseport, Opt: 1})
	}
	fd, _, err := socket.TCPSocket(network, address, true, opts, nil)
	if err != nil {
		return -1, err
	}
	if err := setBacklog(fd, backlog); err != nil {
		_ = unix.Close(fd) // never used
		return -1, err
	}
	return fd, nil
}

// noIPv6 reports a machine without IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}

func boundPort(fd int) (int, error) {
	sa, err := unix.Getsockname(fd)
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return sa.Port, nil
	case *unix.SockaddrInet6:
		return sa.Port, nil
	}
	return 0, wrapSyscall("getsockname", err)
}

// wrapSyscall is os.NewSyscallError.
func wrapSyscall(call string, err error) error { return os.NewSyscallError(call, err) }

func exePath() string {
	exe, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return exe
}
