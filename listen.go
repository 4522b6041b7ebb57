package weir

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"weir/pipeline/server"
	"weir/supervisor"
)

// DefaultListen is where a Server listens that was told nothing.
const DefaultListen = "127.0.0.1:8080"

// open opens every listening socket. On an error what it opened is returned, to be closed.
func (s *Server) open() (out []server.Listener, err error) {
	addresses := s.Listen
	if len(addresses) == 0 && len(s.Listeners) == 0 {
		addresses = []string{DefaultListen}
	}
	for _, a := range addresses {
		ln, err := listen(a)
		if err != nil {
			return out, err
		}
		if ln.Addr().Network() == "unix" {
			s.files = append(s.files, ln.Addr().String())
		}
		if out, err = s.take(out, ln); err == nil {
			err = s.keep(out[len(out)-1].FDs[0])
		}
		if err != nil {
			return out, err
		}
	}
	for _, ln := range s.Listeners {
		if out, err = s.take(out, ln); err != nil {
			return out, err
		}
	}
	return out, nil
}

func listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		ln, err := net.Listen("unix", path)
		if err != nil {
			return nil, err
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(false) // our duplicate lives on
		return ln, nil
	}
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // such a socket costs more, and cannot be plugged
	return plain.Listen(context.Background(), "tcp", address)
}

// take duplicates ln's socket for the loops and closes ln. The descriptor is not made blocking, as
// File would.
func (s *Server) take(out []server.Listener, ln net.Listener) ([]server.Listener, error) {
	defer ln.Close()
	raw, ok := ln.(syscall.Conn)
	if !ok {
		return out, fmt.Errorf("listener %s (%T) has no descriptor", ln.Addr(), ln)
	}
	conn, err := raw.SyscallConn()
	if err != nil {
		return out, err
	}
	fd := -1
	ctlErr := conn.Control(func(p uintptr) {
		if fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0); err == nil && ln.Addr().Network() == "tcp" {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // inherited by connections
		}
	})
	if ctlErr != nil {
		return out, ctlErr
	}
	if err != nil {
		return out, fmt.Errorf("listener %s: %w", ln.Addr(), err)
	}
	s.addrs = append(s.addrs, ln.Addr())
	name := fmt.Sprintf("%s:%s", ln.Addr().Network(), ln.Addr())
	return append(out, server.Listener{Address: name, FDs: []int{fd}}), nil
}

// keep makes a duplicate of a socket that nobody else has, for plug.
func (s *Server) keep(fd int) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	s.own = append(s.own, own)
	return nil
}

// plug has the kernel queue no more connections to the sockets that Start opened, so that the loops can
// accept what it has queued and close them without resetting anybody. Others' sockets are left alone.
func (s *Server) plug(ctx context.Context) {
	if err := supervisor.PlugAll(ctx, s.own); err != nil {
		s.logger().Debug("plug", "error", err) // then as before: a small window
	}
	closeFDs(s.own) // a duplicate would keep the socket open
	s.own = nil
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd) // a listening socket has nothing to lose
	}
}
