//go:build linux

package netpoll

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHalfClose(t *testing.T) {
	h := newHandLoop(t, Config{})
	s := &script{}
	c, peer := h.tcp(s)
	send(t, peer, "request")
	if err := unix.Shutdown(peer, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	h.until("eof", func() bool { return s.last() == "eof" })
	s.want(t, "data request", "eof")
	c.Write([]byte("answer"))
	c.Finish(false)
	h.until("closed", c.Closed)
	if got, _ := recv(peer); got != "answer" {
		t.Fatalf("after its FIN the peer got %q, want %q", got, "answer")
	}
	if _, ok := recv(peer); ok {
		t.Fatal("no FIN after the answer")
	}
}

// The request and the FIN come in one event; the handler pauses in OnData. No further edge will tell.
func TestHangupBehindPause(t *testing.T) {
	for _, reset := range []bool{false, true} {
		h := newHandLoop(t, Config{})
		s := &script{onData: func(c *Conn, b []byte) int { c.Pause(); return len(b) }}
		c, peer := h.tcp(s)
		h.step()
		send(t, peer, "request")
		want := "hangup false"
		if reset {
			want = "hangup true"
			resetPeer(t, peer)
		} else {
			closePeer(t, peer)
		}
		h.until("hangup", func() bool { return strings.HasPrefix(s.last(), "hangup") })
		s.want(t, "data request", want)
		c.Resume()
		end := map[bool]string{false: "eof", true: "close"}[reset]
		h.until(end, func() bool { return s.last() == end })
		s.want(t, "data request", want, end)
	}
}

func TestResetIsToldAfterFIN(t *testing.T) {
	for _, paused := range []bool{false, true} {
		h := newHandLoop(t, Config{})
		s := &script{}
		c, peer := h.tcp(s)
		c.Write([]byte("x")) // unread at the peer: its close is an RST
		if paused {
			c.Pause()
		}
		if err := unix.Shutdown(peer, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		h.until("FIN", func() bool { return len(s.log) == 1 })
		resetPeer(t, peer)
		h.until("RST", func() bool { return len(s.log) == 2 })
		if paused {
			s.want(t, "hangup false", "hangup true")
			c.Close()
		} else {
			s.want(t, "eof", "close")
		}
		h.step()
		if len(s.log) != 2 {
			t.Fatalf("told more: %q", s.log)
		}
	}
}

// A read ends by its budget, and the connection is paused before its turn comes again.
func TestPauseAfterBudgetKeepsTheEdge(t *testing.T) {
	h := newHandLoop(t, Config{})
	total := 0
	s := &script{}
	s.onData = func(_ *Conn, b []byte) int { total += len(b); return len(b) }
	c, peer := h.tcp(s)
	c.Bulk(true)
	for _, opt := range []int{unix.SO_SNDBUF, unix.SO_RCVBUF} {
		_ = unix.SetsockoptInt(peer, unix.SOL_SOCKET, opt, 4<<20)
		_ = unix.SetsockoptInt(c.FD(), unix.SOL_SOCKET, opt, 4<<20)
	}
	sent := 0
	for chunk := make([]byte, 64<<10); sent < 8<<20; {
		n, err := unix.Write(peer, chunk)
		if err != nil {
			break
		}
		sent += n
	}
	if sent <= 2*readBudgetBytes {
		t.Skipf("the kernel took only %d bytes", sent)
	}
	h.now = h.clock()
	c.onEvent(&event{fd: c.fd, gen: c.gen, readable: true})
	if total < readBudgetBytes || total >= sent {
		t.Fatalf("read %d of %d bytes, want one budget of %d", total, sent, readBudgetBytes)
	}
	c.Pause()
	before := total
	h.step()
	h.step()
	if total != before {
		t.Fatal("read while paused")
	}
	c.Resume()
	h.until("all read", func() bool { return total == sent })
}

// A bulk read takes as much as a Unix socket holds, but less for a taker that has paused it.
func TestBulkIsNarrowAfterPause(t *testing.T) {
	h := newHandLoop(t, Config{})
	var pieces []int
	s := &script{}
	s.onData = func(_ *Conn, b []byte) int { pieces = append(pieces, len(b)); return len(b) }
	c, peer := h.pair(s)
	c.Bulk(true)
	_ = unix.SetsockoptInt(peer, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20) // seen in what it takes
	const most = 128 << 10
	take := func() []int {
		t.Helper()
		pieces = nil
		n, err := unix.Write(peer, make([]byte, most))
		if err != nil || n <= narrowBytes {
			t.Fatalf("the kernel took %d bytes: %v", n, err)
		}
		h.until("all read", func() bool {
			sum := 0
			for _, k := range pieces {
				sum += k
			}
			return sum == n
		})
		return pieces
	}
	if got := take(); got[0] <= narrowBytes {
		t.Errorf("at first pieces of %d bytes; want the first above %d", got, narrowBytes)
	}
	c.Pause()
	c.Resume()
	if got := take(); got[0] != narrowBytes || len(got) != 2 {
		t.Errorf("after a pause pieces of %d bytes; want the first of %d, then the rest", got, narrowBytes)
	}
	if got := take(); got[0] <= narrowBytes {
		t.Errorf("all taken since: pieces of %d bytes; want the first above %d", got, narrowBytes)
	}
}

// Whatever a handler closes inside a callback, it is not called again and all memory comes back.
func TestCloseInsideCallbacks(t *testing.T) {
	acts := map[string]func(c *Conn){
		"close":         func(c *Conn) { c.Close() },
		"close twice":   func(c *Conn) { c.Close(); c.Close() },
		"reset":         func(c *Conn) { c.Reset() },
		"finish":        func(c *Conn) { c.Finish(false) },
		"finish linger": func(c *Conn) { c.Finish(true) },
		"write finish":  func(c *Conn) { c.Write([]byte("bye")); c.Finish(true); c.Finish(false) },
		"write close":   func(c *Conn) { c.Write([]byte("bye")); c.Close(); c.Write([]byte("late")) },
		"reserve close": func(c *Conn) { b := c.Reserve(10); c.Close(); c.Commit(append(b, 'x')) },
		"closed writes": func(c *Conn) {
			c.Close()
			c.Commit(append(c.Reserve(10), 'x'))
			c.WriteThrough([]byte("x"))
			c.Flush()
			c.SetTimer(0)
			c.ShutdownWrite()
			c.Pause()
			c.Resume()
			c.PushInput([]byte("x"))
			c.Finish(true)
		},
		"take close": func(c *Conn) { b := c.TakeInput(); c.Close(); c.RestoreInput(b, 1) },
		"detach": func(c *Conn) {
			if fd, _ := c.Detach(); fd >= 0 {
				unix.Close(fd)
			}
		},
	}
	for name, act := range acts {
		for _, where := range []string{"data", "eof", "hangup", "timer", "drain"} {
			for _, bulk := range []bool{false, true} {
				if bulk && name == "take close" || where != "data" && name == "take close" {
					continue
				}
				t.Run(name+" in "+where, func(t *testing.T) { closeInside(t, where, bulk, act) })
			}
		}
	}
}

func closeInside(t *testing.T, where string, bulk bool, act func(*Conn)) {
	h := newHandLoop(t, Config{})
	s := &script{}
	after, acted := 0, false
	fire := func(c *Conn, what string) {
		if acted {
			after++
		} else if strings.HasPrefix(what, where) {
			acted = true
			act(c)
		}
	}
	s.on = fire
	s.onData = func(c *Conn, b []byte) int { fire(c, "data"); return len(b) / 2 }
	c, peer := h.pair(s)
	c.Bulk(bulk)
	switch where {
	case "data":
		send(t, peer, "0123456789")
	case "eof":
		closePeer(t, peer)
	case "hangup":
		c.Pause()
		closePeer(t, peer)
	case "timer":
		send(t, peer, "0123456789")
		c.SetTimer(h.Now())
	case "drain":
		c.Write(make([]byte, HighWatermark))
	}
	h.until(where, func() bool { recv(peer); return acted })
	closePeer(t, peer)
	h.until("closed", c.Closed)
	h.step()
	if after != 0 {
		t.Fatalf("called %d times after the end: %q", after, s.log)
	}
	if h.BuffersUsed() != 0 || h.Conns() != 0 {
		t.Fatalf("left %d bytes in buffers, %d connections", h.BuffersUsed(), h.Conns())
	}
}

// One callback closes another connection whose event is in the same batch.
func TestCloseOtherOfTheBatch(t *testing.T) {
	h := newHandLoop(t, Config{})
	var conns [2]*Conn
	calls := 0
	s := &script{onData: func(c *Conn, b []byte) int {
		calls++
		conns[0].Close()
		conns[1].Close()
		return len(b)
	}}
	var peers [2]int
	for i := range conns {
		conns[i], peers[i] = h.pair(s)
	}
	send(t, peers[0], "a")
	send(t, peers[1], "b")
	h.until("a call", func() bool { return calls > 0 })
	h.step()
	if calls != 1 || h.BuffersUsed() != 0 {
		t.Fatalf("%d calls, %d bytes in buffers; want 1, 0", calls, h.BuffersUsed())
	}
}

// A descriptor is closed and its number used again while an event of the old one is still to come.
func TestStaleEvent(t *testing.T) {
	h := newHandLoop(t, Config{})
	old, fresh := &script{}, &script{}
	c, _ := h.pair(old)
	stale := event{fd: c.fd, gen: c.gen, readable: true, hangup: true, failed: true}
	c.Close()
	var d *Conn
	for d == nil || d.fd != stale.fd { // the lowest free number comes first
		d, _ = h.pair(fresh)
	}
	h.dispatch(&stale)
	h.step()
	old.want(t)
	fresh.want(t)
	if d.Closed() || d.EOF() {
		t.Fatal("an event of a former connection reached its successor")
	}
}

func TestTakeAndRestoreInput(t *testing.T) {
	tests := []struct {
		desc string
		rest int
		more bool // more is received while the input is away
		want []string
	}{
		{"nothing left", 0, false, []string{"data one two"}},
		{"rest", 3, false, []string{"data one two", "data two"}},
		{"rest and newer", 3, true, []string{"data one two", "data -new", "data two-new"}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			h := newHandLoop(t, Config{})
			var taken *Buffer
			s := &script{}
			s.onData = func(c *Conn, b []byte) int {
				switch {
				case taken == nil:
					taken = c.TakeInput()
					if !tt.more {
						c.Pause()
					}
					return 0
				case string(b) == "-new":
					c.Pause()
					return 0
				}
				return len(b)
			}
			c, peer := h.pair(s)
			send(t, peer, "one two")
			h.until("taken", func() bool { return taken != nil })
			if tt.more {
				send(t, peer, "-new")
				h.until("new", func() bool { return len(s.log) == 2 })
			}
			if got := string(taken.Bytes()); got != "one two" {
				t.Fatalf("taken buffer holds %q", got)
			}
			c.RestoreInput(taken, tt.rest)
			c.Resume()
			h.until("delivered", func() bool { return len(s.log) == len(tt.want) })
			h.step()
			s.want(t, tt.want...)
			c.Close()
			if h.BuffersUsed() != 0 {
				t.Fatalf("%d bytes in buffers, want 0", h.BuffersUsed())
			}
		})
	}
}

// Taking and giving back inside one OnData: its result does not count.
func TestRestoreInsideOnData(t *testing.T) {
	h := newHandLoop(t, Config{})
	s := &script{}
	first := true
	s.onData = func(c *Conn, b []byte) int {
		if first {
			first = false
			c.RestoreInput(c.TakeInput(), 3)
			c.Resume()
			return 4
		}
		return len(b)
	}
	c, peer := h.pair(s)
	send(t, peer, "one two")
	h.until("again", func() bool { return len(s.log) == 2 })
	s.want(t, "data one two", "data two")
	c.Close()
}

func TestGrow(t *testing.T) {
	h := newHandLoop(t, Config{})
	const want = 100 << 10
	got := 0
	s := &script{}
	s.onData = func(c *Conn, b []byte) int {
		if got = len(b); got < want {
			c.Grow()
			return 0
		}
		return len(b)
	}
	c, peer := h.pair(s)
	sent := 0
	h.until("100 KiB in one piece", func() bool {
		n, _ := unix.Write(peer, make([]byte, min(16<<10, want-sent)))
		sent += max(n, 0)
		return got == want
	})
	c.Close()
	if h.BuffersUsed() != 0 {
		t.Fatalf("%d bytes in buffers, want 0", h.BuffersUsed())
	}
}

func TestConnTimer(t *testing.T) {
	h := newHandLoop(t, Config{})
	var fired []time.Duration
	s := &script{}
	s.on = func(c *Conn, _ string) { fired = append(fired, time.Duration(h.Now())) }
	c, _ := h.pair(s)
	at := func(d time.Duration) int64 { return int64(d) }
	h.pass(time.Second)
	c.SetTimer(at(10 * time.Second))
	c.SetTimer(at(20 * time.Second)) // later: stays in its place
	h.pass(11 * time.Second)
	if len(fired) != 0 {
		t.Fatalf("fired at %v, want 20 s", fired)
	}
	c.SetTimer(at(15 * time.Second)) // earlier
	h.pass(4 * time.Second)
	if len(fired) != 1 || fired[0] < 15*time.Second || fired[0] > 17*time.Second {
		t.Fatalf("fired at %v, want 15 s", fired)
	}
	c.SetTimer(at(30 * time.Second))
	c.StopTimer()
	h.pass(30 * time.Second)
	if len(fired) != 1 {
		t.Fatalf("fired at %v after StopTimer", fired)
	}
	c.SetTimer(h.Now() + int64(time.Second))
	c.Close()
	h.pass(2 * time.Second)
	if len(fired) != 1 {
		t.Fatal("fired after Close")
	}
}

func TestDetachAndAdopt(t *testing.T) {
	h := newHandLoop(t, Config{Conns: NewCap(10)})
	first := &script{onData: func(c *Conn, b []byte) int { c.Pause(); return 4 }}
	c, peer := h.tcp(first)
	send(t, peer, "one two")
	h.until("data", func() bool { return len(first.log) == 1 })
	was := c.FD()
	fd, input := c.Detach()
	if fd != was || string(input) != "two" || !c.Closed() || h.Conns() != 0 {
		t.Fatalf("Detach = %d, %q; want %d, %q", fd, input, was, "two")
	}
	send(t, peer, " three") // nobody listens now
	h.step()
	second := &script{}
	d, err := h.Adopt(fd, second)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Peer().IsValid() {
		t.Fatal("an adopted TCP connection has no peer")
	}
	d.PushInput(input)
	h.until("all input", func() bool { return strings.Join(second.log, "") == "data twodata  three" })
	first.want(t, "data one two")
	if fd, input := c.Detach(); fd != -1 || input != nil {
		t.Fatalf("second Detach = %d, %q; want -1", fd, input)
	}
}
