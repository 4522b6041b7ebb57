//go:build linux && !race

package netpoll

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTurnAllocs(t *testing.T) {
	h := newHandLoop(t, Config{})
	h.pair(echo{})
	h.step()
	n := testing.AllocsPerRun(1000, func() {
		h.poller.wake()
		h.turn()
	})
	if n != 0 {
		t.Fatalf("a turn allocates %v times, want 0", n)
	}
}

// reserveEcho answers by Reserve and Commit.
type reserveEcho struct{ echo }

func (reserveEcho) OnData(c *Conn, b []byte) int {
	c.Commit(append(c.Reserve(len(b)), b...))
	return len(b)
}

func TestEchoAllocs(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		for _, hd := range []Handler{echo{}, reserveEcho{}} {
			h := newHandLoop(t, Config{})
			c, peer := h.pair(hd)
			c.Bulk(bulk)
			b := make([]byte, 1024)
			n := testing.AllocsPerRun(1000, func() {
				c.SetTimer(h.Now() + 1e9)
				unix.Write(peer, b)
				h.turn()
				if n, _ := unix.Read(peer, b); n != len(b) {
					t.Fatalf("echo of %d bytes", n)
				}
			})
			if n != 0 {
				t.Fatalf("%T, bulk=%v: an echoed message allocates %v times, want 0", hd, bulk, n)
			}
		}
	}
}

func TestGiveAllocs(t *testing.T) {
	const gives = 200
	h := newHandLoop(t, Config{})
	k, far := linkPair(t, h.Loop, &packets{})
	var conns []*Conn
	for range gives + 1 {
		c, _ := h.pair(echo{})
		conns = append(conns, c)
	}
	into := make([]byte, 64)
	if n := testing.AllocsPerRun(gives, func() {
		c := conns[0]
		conns = conns[1:]
		if err := c.Give(k, []byte("x")); err != nil {
			t.Fatal(err)
		}
		_, fd, _ := sysRecvFD(far, into)
		sysClose(fd)
	}); n != 0 {
		t.Errorf("a hand-off allocates %v times, want 0", n)
	}
}

// An idle connection is one object, and a slot in the loop's table.
func TestIdleConnMemory(t *testing.T) {
	const conns = 1000
	h := newHandLoop(t, Config{})
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	for range conns {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Adopt(fds[0], echo{}); err != nil {
			t.Fatal(err)
		}
		unix.Close(fds[1])
	}
	perConn := float64(used()-before) / conns
	t.Logf("%.0f B of heap per idle connection", perConn)
	if perConn > 200 {
		t.Fatalf("%.0f B of heap per idle connection, want at most 200", perConn)
	}
}
