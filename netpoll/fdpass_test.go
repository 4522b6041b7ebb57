//go:build linux

package netpoll

import (
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func socketpair(t *testing.T) [2]int {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p
}

func TestPassFDs(t *testing.T) {
	p, payload := socketpair(t), socketpair(t)
	if n, err := SendFDs(p[0], []byte("two"), payload[:]); n != 3 || err != nil {
		t.Fatalf("SendFDs = %d, %v", n, err)
	}
	b := make([]byte, 16)
	n, fds, err := RecvFDs(p[1], b, nil, 4)
	if err != nil || string(b[:n]) != "two" || len(fds) != 2 {
		t.Fatalf("RecvFDs = %q, %v, %v; want two, 2 descriptors", b[:n], fds, err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	for _, fd := range fds {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("fd %d: flags %x, %v; want close-on-exec", fd, flags, err)
		}
	}
	send(t, fds[0], "through")
	if got, _ := recv(payload[1]); got != "through" {
		t.Fatalf("the passed socket carried %q", got)
	}
	if n, err := SendFDs(p[0], []byte("none"), nil); n != 4 || err != nil {
		t.Fatalf("SendFDs without descriptors = %d, %v", n, err)
	}
	if n, fds, err := RecvFDs(p[1], b, nil, 4); n != 4 || len(fds) != 0 || err != nil {
		t.Fatalf("RecvFDs = %d, %v, %v; want 4 bytes alone", n, fds, err)
	}
}

func TestPassFDsErrors(t *testing.T) {
	p := socketpair(t)
	b := make([]byte, 16)
	if _, _, err := RecvFDs(p[1], b, nil, 1); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("RecvFDs of an empty socket: %v, want EAGAIN", err)
	}
	if _, err := SendFDs(p[0], nil, []int{p[0]}); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("SendFDs without bytes: %v, want ErrInvalid", err)
	}
	for _, c := range []struct{ sent, max int }{{2, 1}, {3, 2}, {5, 0}} {
		before := openFDs()
		fds := make([]int, c.sent)
		for i := range fds {
			fds[i] = p[i%2]
		}
		if _, err := SendFDs(p[0], []byte("x"), fds); err != nil {
			t.Fatal(err)
		}
		n, got, err := RecvFDs(p[1], b, nil, c.max)
		if err != ErrControlTruncated || n != 0 || len(got) != 0 {
			t.Errorf("RecvFDs(max %d) of %d = %d, %v, %v; want ErrControlTruncated",
				c.max, c.sent, n, got, err)
		}
		if after := openFDs(); after != before {
			t.Errorf("RecvFDs(max %d) of %d left %d descriptors open", c.max, c.sent, after-before)
		}
	}
	unix.Shutdown(p[0], unix.SHUT_WR)
	if _, _, err := RecvFDs(p[1], b, nil, 1); err != io.EOF {
		t.Errorf("RecvFDs at the end: %v, want EOF", err)
	}
}
