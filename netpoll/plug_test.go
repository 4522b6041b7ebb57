//go:build linux

package netpoll

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPlug: what is queued can be accepted, nothing more comes, and the end resets nobody.
func TestPlug(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = t.TempDir() + "/s"
		}
		var lc net.ListenConfig
		lc.SetMultipathTCP(false) // plain TCP, as ours
		ln, err := lc.Listen(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		fd := dupOf(t, ln)
		defer unix.Close(fd) //nolint:errcheck // a duplicate
		queued, err := net.Dial(network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer queued.Close()
		if err := Plug(fd); err != nil {
			t.Fatal(err)
		}
		_, err = net.DialTimeout(network, ln.Addr().String(), 100*time.Millisecond)
		if ne := net.Error(nil); err == nil ||
			network == "tcp" && !(errors.As(err, &ne) && ne.Timeout()) ||
			network == "unix" && !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s: dial a plugged socket: %v", network, err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatalf("%s: accept what is queued: %v", network, err)
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		c.Close()
		if n, err := queued.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("%s: read = %d, %v; want a byte", network, n, err)
		}
		if network == "unix" {
			var peer peerAddr
			if _, e := sysAccept(fd, &peer); e != unix.EAGAIN {
				t.Errorf("unix: accept = %v; want EAGAIN", e)
			}
			continue
		}
		for range 2 { // also one that is not plugged
			if err := Unplug(fd); err != nil {
				t.Fatal(err)
			}
		}
		again, err := net.Dial(network, ln.Addr().String())
		if err != nil {
			t.Fatalf("dial when unplugged: %v", err)
		}
		again.Close()
	}
}

func dupOf(t *testing.T, ln net.Listener) (fd int) {
	t.Helper()
	raw, err := ln.(syscall.Conn).SyscallConn()
	if err == nil {
		ctlErr := raw.Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) })
		err = errors.Join(err, ctlErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestRefuse: a socket of which somebody else holds a descriptor listens no more.
func TestRefuse(t *testing.T) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // plain TCP, as ours
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	fd := dupOf(t, ln)
	defer unix.Close(fd) //nolint:errcheck // a duplicate
	waits := func(want int) {
		t.Helper()
		if n, err := Waiting(fd); n != want || err != nil {
			t.Errorf("Waiting = %d, %v; want %d", n, err, want)
		}
	}
	waits(0)
	queued, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer queued.Close()
	waits(1)
	if c, err := ln.Accept(); err != nil {
		t.Error(err)
	} else {
		defer c.Close()
	}
	waits(0)
	if err := Refuse(fd); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial = %v; want %v", err, unix.ECONNREFUSED)
	}
}
