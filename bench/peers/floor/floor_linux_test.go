package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startFloor runs a loop until the test ends: /dev/null takes the place of its epoll descriptor, and
// one last connection wakes it.
func startFloor(t *testing.T, file string, closing bool) string {
	t.Helper()
	l, err := newLoop(netip.MustParseAddrPort("127.0.0.1:0"), file, closing)
	if err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(l.listener)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(sa.(*unix.SockaddrInet4).Port))
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- l.run()
	}()
	t.Cleanup(func() {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(int(null.Fd()), l.poll, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close() // it has done its work
		}
		if err := <-done; !errors.Is(err, unix.EINVAL) {
			t.Errorf("loop ended with %v; want EINVAL", err)
		}
		closeFD(l.listener)
		closeFD(l.poll)
		if err := null.Close(); err != nil {
			t.Error(err)
		}
	})
	return addr
}

func floorDial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func wantBody(t *testing.T, r *bufio.Reader, want []byte) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, want) {
		t.Fatalf("answer %d with %d bytes, %v; want 200 with %d", resp.StatusCode, len(got), err,
			len(want))
	}
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestFloorAnswersEachRequest(t *testing.T) {
	c, r := floorDial(t, startFloor(t, "", false))
	for _, n := range []int{1, 16, 1, 500} {
		if _, err := io.WriteString(c, strings.Repeat(get, n)); err != nil {
			t.Fatal(err)
		}
		for range n {
			wantBody(t, r, []byte("Hello, World!"))
		}
	}
}

func TestFloorCloses(t *testing.T) {
	c, r := floorDial(t, startFloor(t, "", true))
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	wantBody(t, r, []byte("Hello, World!"))
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the answer: %v; want EOF", err)
	}
}

// TestFloorSendsFiles reads 4 MiB late, so that sendfile meets a full socket buffer.
func TestFloorSendsFiles(t *testing.T) {
	for _, size := range []int{1 << 10, 4 << 20} {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, want, 0o600); err != nil {
			t.Fatal(err)
		}
		c, r := floorDial(t, startFloor(t, file, false))
		for range 2 {
			if _, err := io.WriteString(c, get); err != nil {
				t.Fatal(err)
			}
			wantBody(t, r, want)
		}
	}
}
