//go:build linux

package netpoll

import (
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// acceptEcho accepts on a loopback port of h and echoes.
func (h *handLoop) acceptEcho() (*Listener, *unix.SockaddrInet4) {
	h.t.Helper()
	fd, addr := listenTCP(h.t)
	ln, err := h.Listen(fd, nil, acceptFunc(func(_ *Listener, c *Conn) { c.SetHandler(echo{}) }))
	if err != nil {
		h.t.Fatal(err)
	}
	return ln, addr
}

// wantEcho proves that the connection of peer is served.
func (h *handLoop) wantEcho(peer int) {
	h.t.Helper()
	send(h.t, peer, "ping")
	got := ""
	h.until("echo", func() bool { got, _ = recv(peer); return got != "" })
	if got != "ping" {
		h.t.Fatalf("echo of ping = %q", got)
	}
}

func TestThousandConnections(t *testing.T) {
	tl := startLoop(t, Config{}).listen(func(_ *Listener, c *Conn) { c.SetHandler(echo{}) })
	var conns []*net.TCPConn
	for range 1000 {
		conns = append(conns, tl.dial())
	}
	for round := range 3 {
		for _, c := range conns {
			c.Write([]byte{byte(round)})
		}
		var b [1]byte
		for i, c := range conns {
			if _, err := io.ReadFull(c, b[:]); err != nil || b[0] != byte(round) {
				t.Fatalf("connection %d, round %d: %d, %v", i, round, b[0], err)
			}
		}
	}
	tl.on(func() {
		if tl.Conns() != 1000 || tl.BuffersUsed() != 0 {
			t.Errorf("%d connections, %d bytes in buffers; want 1000, 0", tl.Conns(), tl.BuffersUsed())
		}
	})
}

func TestAcceptedSocketsHaveNoDelay(t *testing.T) {
	h := newHandLoop(t, Config{})
	fd, addr := listenTCP(t)
	var got *Conn
	if _, err := h.Listen(fd, nil, acceptFunc(func(_ *Listener, c *Conn) {
		c.SetHandler(echo{})
		got = c
	})); err != nil {
		t.Fatal(err)
	}
	dialTCP(t, addr)
	h.until("accepted", func() bool { return got != nil })
	v, err := unix.GetsockoptInt(got.FD(), unix.IPPROTO_TCP, unix.TCP_NODELAY)
	if err != nil || v == 0 {
		t.Fatalf("TCP_NODELAY = %d, %v; want set", v, err)
	}
}

// TestAcceptBatch: one connection per turn, and more only while a backlog is proven.
func TestAcceptBatch(t *testing.T) {
	h := newHandLoop(t, Config{})
	ln, addr := h.acceptEcho()
	wantTurn := func(what string, want uint64) {
		t.Helper()
		before := h.Totals().Accepted
		h.step()
		if got := h.Totals().Accepted - before; got != want {
			t.Fatalf("%s: %d accepted in a turn, want %d", what, got, want)
		}
	}
	for range 2 * acceptStreak {
		dialTCP(t, addr)
		wantTurn("now and then", 1)
		if wantTurn("pause", 0); ln.batch != 1 {
			t.Fatalf("batch = %d without a backlog, want 1", ln.batch)
		}
	}
	for range 120 {
		dialTCP(t, addr)
	}
	for _, batch := range []uint64{1, 2, 4, 8} {
		for range acceptStreak {
			wantTurn("backlog", batch)
		}
	}
	dialTCP(t, addr)
	wantTurn("its end", 1)
	dialTCP(t, addr)
	dialTCP(t, addr)
	wantTurn("calm again", 1)
	wantTurn("calm again", 1)
	ln.batch, ln.streak = acceptsPerTurn, acceptStreak-1
	for range acceptsPerTurn + 1 {
		dialTCP(t, addr)
	}
	wantTurn("at most", acceptsPerTurn)
	if ln.batch != acceptsPerTurn {
		t.Fatalf("batch = %d, want %d", ln.batch, acceptsPerTurn)
	}
	wantTurn("the rest", 1)
}

// At the cap clients wait, and one is let in as soon as a connection closes: no timer is passed.
func TestCap(t *testing.T) {
	limit := NewCap(3)
	h := newHandLoop(t, Config{Conns: limit})
	_, addr := h.acceptEcho()
	var peers []int
	for range 5 {
		peers = append(peers, dialTCP(t, addr))
	}
	h.until("cap", func() bool { return h.Totals().ConnLimit > 0 })
	for range 5 {
		h.step()
	}
	if h.Conns() != 3 || limit.Count() != 3 {
		t.Fatalf("%d connections, Count() = %d; want 3", h.Conns(), limit.Count())
	}
	for i := range 2 {
		frozen := h.start
		closePeer(t, peers[i])
		h.until("one more", func() bool { return h.Totals().Accepted == uint64(4+i) })
		h.start = frozen
		h.wantEcho(peers[3+i])
	}
	if limit.Count() != 3 {
		t.Fatalf("Count() = %d, want 3", limit.Count())
	}
}

// The place that frees on one loop is given to the listener of another.
func TestCapAcrossLoops(t *testing.T) {
	limit := NewCap(1)
	a, b := newHandLoop(t, Config{Conns: limit}), newHandLoop(t, Config{Conns: limit})
	_, addrA := a.acceptEcho()
	_, addrB := b.acceptEcho()
	first := dialTCP(t, addrA)
	a.wantEcho(first)
	second := dialTCP(t, addrB)
	b.until("cap", func() bool { return b.Totals().ConnLimit > 0 })
	if !b.listeners[0].timer.Scheduled() {
		t.Fatal("no fallback timer")
	}
	b.Cancel(&b.listeners[0].timer) // only the close may wake it
	closePeer(t, first)
	a.until("closed", func() bool { return a.Conns() == 0 })
	b.wantEcho(second)
}

func TestDrainTakesAllBeyondTheCap(t *testing.T) {
	limit := NewCap(1)
	h := newHandLoop(t, Config{Conns: limit})
	ln, addr := h.acceptEcho()
	var peers []int
	for range 4 {
		peers = append(peers, dialTCP(t, addr))
	}
	h.until("cap", func() bool { return h.Totals().ConnLimit > 0 })
	ln.Drain()
	for _, p := range peers {
		h.wantEcho(p)
	}
	for _, p := range peers {
		closePeer(t, p)
	}
	h.until("closed", func() bool { return h.Conns() == 0 })
	if limit.Count() != 0 {
		t.Fatalf("Count() = %d, want 0", limit.Count())
	}
}

// Descriptors run out: one client is refused, the rest wait, and all goes on when one closes.
func TestOutOfDescriptors(t *testing.T) {
	h := newHandLoop(t, Config{})
	_, addr := h.acceptEcho()
	peers := make([]int, 8)
	for i := range peers {
		peers[i] = dialTCP(t, addr)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	free, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(free)
	short := unix.Rlimit{Cur: uint64(free) + 3, Max: was.Max} // room for 3 more
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &short); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	h.until("EMFILE", func() bool { return h.Totals().FdLimit > 0 })
	if n := h.Conns(); n != 3 {
		t.Fatalf("%d connections, want 3", n)
	}
	if _, ok := recv(peers[3]); ok {
		t.Fatal("the fourth client was not refused")
	}
	h.wantEcho(peers[0])
	send(t, peers[4], "ping")
	// The peer's end must stay an open descriptor, or its number would be the server's next.
	if err := unix.Shutdown(peers[0], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	h.until("served after a close", func() bool {
		got, _ := recv(peers[4])
		return got == "ping"
	})
	if h.reserveFD < 0 {
		t.Fatal("the reserve descriptor is gone")
	}
}

func TestListenerPauseResume(t *testing.T) {
	h := newHandLoop(t, Config{})
	ln, addr := h.acceptEcho()
	ln.Pause()
	ln.Pause()
	p := dialTCP(t, addr)
	for range 5 {
		h.step()
	}
	if h.Conns() != 0 {
		t.Fatal("accepted while paused")
	}
	ln.Resume()
	ln.Resume()
	h.wantEcho(p)
	if n := h.Totals().AcceptErrors; n != 0 {
		t.Fatalf("AcceptErrors = %d, want 0", n)
	}
}

// Two loops share one Unix listener; every connection is served, by either.
func TestUnixListenerOfTwoLoops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.Listen(fd, 64)
	}
	if err != nil {
		t.Fatal(err)
	}
	var served [2]atomic.Int64
	for i := range served {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		tl := startLoop(t, Config{Index: i})
		tl.on(func() {
			_, err := tl.Listen(dup, nil, acceptFunc(func(_ *Listener, c *Conn) {
				served[i].Add(1)
				c.SetHandler(echo{})
				if c.Peer().IsValid() {
					t.Error("a Unix peer has an address")
				}
			}))
			if err != nil {
				t.Error(err)
			}
		})
	}
	unix.Close(fd)
	const clients, each = 8, 50
	errs := make(chan error, clients)
	for range clients {
		go func() {
			for range each {
				c, err := net.Dial("unix", path)
				if err == nil {
					_, err = c.Write([]byte("x"))
				}
				if err == nil {
					_, err = io.ReadFull(c, make([]byte, 1))
				}
				if err != nil {
					errs <- err
					return
				}
				c.Close()
			}
			errs <- nil
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := served[0].Load() + served[1].Load(); n != clients*each {
		t.Fatalf("served %d, want %d", n, clients*each)
	}
	t.Logf("served %d and %d", served[0].Load(), served[1].Load())
}
