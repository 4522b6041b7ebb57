//go:build linux

package netpoll

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func address(t *testing.T, network, text string) *Address {
	t.Helper()
	a, err := ParseAddress(network, text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// unixListener is a listening Unix socket that nobody accepts on.
func unixListener(t *testing.T, path string, backlog int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestDialUnix(t *testing.T) {
	h := newHandLoop(t, Config{})
	path := filepath.Join(t.TempDir(), "s")
	ln := unixListener(t, path, 8)
	s := &script{}
	c, err := h.Dial(address(t, "unix", path), s)
	if err != nil || !c.Connected() {
		t.Fatalf("Dial = %v, connected %v", err, err == nil && c.Connected())
	}
	c.Write([]byte("hello"))
	h.step()
	peer, _, err := unix.Accept(ln)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(peer)
	if got, _ := recv(peer); got != "hello" {
		t.Fatalf("the server got %q", got)
	}
	if pid, _, err := c.PeerCredentials(); err != nil || pid != unix.Getpid() {
		t.Fatalf("PeerCredentials = %d, %v; want our own", pid, err)
	}
	send(t, peer, "hi")
	h.until("data", func() bool { return len(s.log) > 0 })
	s.want(t, "data hi") // no OnOpen: it stood at once
}

func TestDialUnixErrors(t *testing.T) {
	h := newHandLoop(t, Config{})
	dir := t.TempDir()
	if _, err := h.Dial(address(t, "unix", dir+"/none"), &script{}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no such socket: %v, want ENOENT", err)
	}
	stale, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(stale, &unix.SockaddrUnix{Name: dir + "/stale"}); err != nil {
		t.Fatal(err)
	}
	unix.Close(stale)
	_, err = h.Dial(address(t, "unix", dir+"/stale"), &script{})
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("nobody listens: %v, want ECONNREFUSED", err)
	}
	unixListener(t, dir+"/full", 1)
	for i := 0; err != ErrBacklogFull; i++ {
		var c *Conn
		if c, err = h.Dial(address(t, "unix", dir+"/full"), &script{}); err == nil {
			defer c.Close()
		} else if err != ErrBacklogFull || i == 0 {
			t.Fatalf("full backlog: %v, want ErrBacklogFull", err)
		}
	}
	for _, bad := range [][2]string{
		{"unix", ""}, {"unix", "/" + strings.Repeat("x", 108)}, {"tcp", "localhost:80"}, {"udp", "x"},
	} {
		if a, err := ParseAddress(bad[0], bad[1]); err == nil {
			t.Errorf("ParseAddress(%q, %q) = %v, want an error", bad[0], bad[1], a)
		}
	}
}

func TestDialTCP(t *testing.T) {
	h := newHandLoop(t, Config{})
	fd, sa := listenTCP(t)
	defer unix.Close(fd)
	addr := addrPortOf(sa).String()
	s := &script{}
	c, err := h.Dial(address(t, "tcp", addr), s)
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("early")) // waits for the connection
	// The server answers and closes before the loop looks: one event brings all.
	peer, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	send(t, peer, "answer")
	if err := unix.Shutdown(peer, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	h.until("eof", func() bool { return s.last() == "eof" })
	s.want(t, "open", "data answer", "eof")
	if got, _ := recv(peer); got != "early" {
		t.Fatalf("the server got %q, want %q", got, "early")
	}
	unix.Close(peer)
}

func TestDialTCPRefused(t *testing.T) {
	h := newHandLoop(t, Config{})
	fd, sa := listenTCP(t)
	unix.Close(fd)
	s := &script{}
	c, err := h.Dial(address(t, "tcp", addrPortOf(sa).String()), s)
	if err == nil {
		c.Write([]byte("never"))
		h.until("refused", func() bool { return len(s.log) > 0 })
		h.step()
		s.want(t, "open: connect: connection refused")
		if !c.Closed() || h.BuffersUsed() != 0 {
			t.Fatal("a refused connection still holds something")
		}
	} else if !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatalf("Dial: %v, want ECONNREFUSED", err)
	}
}

// What was decided while the dial was in progress happens after it.
func TestFinishWhileConnecting(t *testing.T) {
	h := newHandLoop(t, Config{})
	fd, sa := listenTCP(t)
	defer unix.Close(fd)
	c, err := h.Dial(address(t, "tcp", addrPortOf(sa).String()), &script{})
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("bye"))
	c.Finish(false)
	h.until("closed", c.Closed)
	peer, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(peer)
	if got, _ := recv(peer); got != "bye" {
		t.Fatalf("the server got %q, want bye", got)
	}
}
