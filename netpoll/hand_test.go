//go:build linux

package netpoll

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// handLoop is a loop that the test turns by hand: everything happens on the test's goroutine, and
// time passes only as fast as the test likes.
type handLoop struct {
	*Loop
	t *testing.T
}

func newHandLoop(t *testing.T, c Config) *handLoop {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Stop(); l.Run() })
	l.now = l.clock()
	return &handLoop{l, t}
}

// step makes one turn that does not block.
func (h *handLoop) step() {
	h.Post(func() {})
	h.turn()
}

// until turns until cond holds.
func (h *handLoop) until(what string, cond func() bool) {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); h.step() {
		if time.Now().After(end) {
			h.t.Fatalf("never: %s", what)
		}
	}
}

// pass lets d go by at once.
func (h *handLoop) pass(d time.Duration) {
	h.start = h.start.Add(-d)
	h.step()
}

// pair is a connection of the loop and the other end of its socket.
func (h *handLoop) pair(hd Handler) (*Conn, int) {
	h.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[1], true); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { unix.Close(fds[1]) })
	c, err := h.Adopt(fds[0], hd)
	if err != nil {
		h.t.Fatal(err)
	}
	return c, fds[1]
}

// tcp is as pair, over loopback TCP.
func (h *handLoop) tcp(hd Handler) (*Conn, int) {
	h.t.Helper()
	ln, addr := listenTCP(h.t)
	defer unix.Close(ln)
	peer := dialTCP(h.t, addr)
	fd, _, err := unix.Accept(ln)
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := h.Adopt(fd, hd)
	if err != nil {
		h.t.Fatal(err)
	}
	return c, peer
}

func listenTCP(t testing.TB) (fd int, addr *unix.SockaddrInet4) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(fd, 1024)
	}
	if err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, sa.(*unix.SockaddrInet4)
}

// dialTCP is a connected non-blocking socket, closed with the test.
func dialTCP(t testing.TB, addr *unix.SockaddrInet4) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, addr)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// resetPeer closes the peer's end with RST. The number stays taken, so that the clean-up does no harm.
func resetPeer(t *testing.T, fd int) {
	t.Helper()
	err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err == nil {
		err = replaceFD(fd)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func closePeer(t *testing.T, fd int) {
	t.Helper()
	if err := replaceFD(fd); err != nil {
		t.Fatal(err)
	}
}

func replaceFD(fd int) error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	return unix.Dup3(null, fd, unix.O_CLOEXEC)
}

func send(t *testing.T, fd int, s string) {
	t.Helper()
	if n, err := unix.Write(fd, []byte(s)); n != len(s) || err != nil {
		t.Fatalf("write of %d bytes = %d, %v", len(s), n, err)
	}
}

// recv is what waits at fd; ok is false at the end of the stream.
func recv(fd int) (s string, ok bool) {
	b := make([]byte, 256<<10)
	n, err := unix.Read(fd, b)
	if err == unix.EAGAIN {
		return "", true
	}
	return string(b[:max(n, 0)]), n > 0
}

// script is a handler made of functions, and a log of what it was told.
type script struct {
	log    []string
	onData func(c *Conn, b []byte) int
	on     func(c *Conn, what string) // everything else
}

func (s *script) add(c *Conn, what string) {
	s.log = append(s.log, what)
	if s.on != nil {
		s.on(c, what)
	}
}

func (s *script) OnData(c *Conn, b []byte) int {
	s.log = append(s.log, "data "+short(b))
	if s.onData != nil {
		return s.onData(c, b)
	}
	return len(b)
}

func short(b []byte) string {
	if len(b) > 32 {
		return fmt.Sprint(len(b))
	}
	return string(b)
}

func (s *script) OnOpen(c *Conn, err error) {
	if err != nil {
		s.add(c, "open: "+err.Error())
		return
	}
	s.add(c, "open")
}
func (s *script) OnDrain(c *Conn)            { s.add(c, "drain") }
func (s *script) OnEOF(c *Conn)              { s.add(c, "eof") }
func (s *script) OnHangup(c *Conn, r bool)   { s.add(c, fmt.Sprint("hangup ", r)) }
func (s *script) OnTimer(c *Conn, _ int64)   { s.add(c, "timer") }
func (s *script) OnClose(c *Conn, err error) { s.add(c, "close") }

func (s *script) last() string {
	if len(s.log) == 0 {
		return ""
	}
	return s.log[len(s.log)-1]
}

func (s *script) want(t *testing.T, want ...string) {
	t.Helper()
	if got := fmt.Sprintf("%q", s.log); got != fmt.Sprintf("%q", want) {
		t.Fatalf("handler was told %s, want %q", got, want)
	}
}
