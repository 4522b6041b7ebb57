package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// controlEnds are both ends of a channel; the stream form is tested on every system.
func controlEnds(t *testing.T, stream bool) (a, b *ControlConn) {
	t.Helper()
	kind := controlSocketType
	if stream {
		kind = unix.SOCK_STREAM
	}
	x, y, err := socketPair(kind)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = NewControlConn(x); err != nil {
		t.Fatal(err)
	}
	if b, err = NewControlConn(y); err != nil {
		t.Fatal(err)
	}
	a.stream, b.stream = kind == unix.SOCK_STREAM, kind == unix.SOCK_STREAM
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a, b
}

func eachTransport(t *testing.T, f func(t *testing.T, a, b *ControlConn)) {
	for _, stream := range []bool{false, true} {
		t.Run(map[bool]string{false: "native", true: "stream"}[stream], func(t *testing.T) {
			a, b := controlEnds(t, stream)
			f(t, a, b)
		})
	}
}

func TestControlMessages(t *testing.T) {
	eachTransport(t, func(t *testing.T, a, b *ControlConn) {
		sizes := []int{0, 1, 1000, controlInlineMax - 2, controlInlineMax, 3 << 20}
		go func() {
			for _, n := range sizes {
				m, err := NewMessage("blob", strings.Repeat("x", n))
				if err == nil {
					err = a.Send(&m, nil)
				}
				if err != nil {
					t.Error(err)
				}
			}
			_ = a.Close()
		}()
		for _, n := range sizes {
			m, fds, err := b.Recv()
			if err != nil || m.Kind != "blob" || len(fds) != 0 {
				t.Fatalf("Recv() = %q, %v, %v; want blob of %d", m.Kind, fds, err, n)
			}
			var got string
			if err := m.Decode(&got); err != nil || len(got) != n {
				t.Fatalf("Decode: %d bytes, %v; want %d", len(got), err, n)
			}
		}
		if _, _, err := b.Recv(); err != io.EOF {
			t.Errorf("Recv() after close = %v; want %v", err, io.EOF)
		}
	})
}

func TestControlDescriptors(t *testing.T) {
	eachTransport(t, func(t *testing.T, a, b *ControlConn) {
		for _, tc := range []struct{ fds, body int }{{1, 10}, {2, 1 << 20}, {controlFDsMax, 10}, {controlFDsMax, 1 << 20}} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			fds := make([]int, tc.fds)
			for i := range fds {
				fds[i] = int(w.Fd())
			}
			m := Message{Kind: "fds", Body: json.RawMessage(`"` + strings.Repeat("y", tc.body) + `"`)}
			if err := a.Send(&m, fds); err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
			got, gotFDs, err := b.Recv()
			if err != nil || len(gotFDs) != tc.fds || !bytes.Equal(got.Body, m.Body) {
				t.Fatalf("Recv() = %d bytes, %d fds, %v; want %d, %d", len(got.Body), len(gotFDs), err,
					len(m.Body), tc.fds)
			}
			for _, fd := range gotFDs {
				flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
				if err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Fatalf("fd %d: flags %#x, %v; want FD_CLOEXEC", fd, flags, err)
				}
			}
			if _, err := unix.Write(gotFDs[tc.fds-1], []byte("hi")); err != nil {
				t.Fatal(err)
			}
			closeFDs(gotFDs)
			if s, err := io.ReadAll(r); string(s) != "hi" || err != nil { // also: no copy was leaked
				t.Errorf("through the passed descriptor: %q, %v; want hi", s, err)
			}
			_ = r.Close()
		}
	})
}

func TestControlLimits(t *testing.T) {
	a, _ := controlEnds(t, false)
	if err := a.Send(&Message{Kind: "x"}, make([]int, controlFDsMax+1)); err == nil {
		t.Error("Send with too many descriptors succeeded")
	}
	big := Message{Kind: "x", Body: make([]byte, controlPayloadMax+1)}
	if err := a.Send(&big, nil); err == nil {
		t.Error("Send with too large a body succeeded")
	}
}

func TestControlPeerDoesNotRead(t *testing.T) {
	eachTransport(t, func(t *testing.T, a, b *ControlConn) {
		m := Message{Kind: "x", Body: json.RawMessage(`"` + strings.Repeat("z", 30<<10) + `"`)}
		if err := a.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var err error
		for range 1000 {
			if err = a.Send(&m, nil); err != nil {
				break
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Send to a peer that does not read = %v; want %v", err, os.ErrDeadlineExceeded)
		}
	})
}

func TestControlBadPeer(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, tc := range []struct {
		desc, packet string
		fds          []int
	}{
		{"not JSON", "hello", nil},
		{"no kind", "{}", nil},
		{"payload without a file", `{"k":"x","n":5}`, nil},
		{"negative payload", `{"k":"x","n":-5}`, []int{int(r.Fd())}},
		{"huge payload", `{"k":"x","n":99999999999}`, []int{int(r.Fd())}},
		{"payload shorter than said", `{"k":"x","n":5}`, []int{int(r.Fd())}},
		{"packet too large", strings.Repeat("q", controlPacketMax+1), nil},
	} {
		eachTransport(t, func(t *testing.T, a, b *ControlConn) {
			go func() { _ = a.write([]byte(tc.packet), tc.fds) }()
			if _, _, err := b.Recv(); !errors.Is(err, ErrControlProtocol) {
				t.Errorf("%s: Recv() = %v; want %v", tc.desc, err, ErrControlProtocol)
			}
		})
	}
}
