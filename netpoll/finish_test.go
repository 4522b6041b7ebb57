//go:build linux

package netpoll

import (
	"bytes"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A client that still sends gets the whole answer: closing with its bytes unread would reset it.
func TestLinger(t *testing.T) {
	answer := bytes.Repeat([]byte("too large "), 10<<10)
	tl := startLoop(t, Config{}).listen(func(_ *Listener, c *Conn) {
		c.SetHandler(&script{onData: func(c *Conn, b []byte) int {
			c.Write(answer)
			c.Finish(true)
			return len(b)
		}})
	})
	c := tl.dial()
	if n, err := c.Write(make([]byte, 8<<20)); err != nil { // before reading anything
		t.Fatalf("write = %d, %v", n, err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, answer) {
		t.Fatalf("answer of %d bytes, %v; want %d", len(got), err, len(answer))
	}
	c.Close()
	for gone := false; !gone; {
		tl.on(func() { gone = tl.Conns() == 0 })
	}
}

func TestLingerEnds(t *testing.T) {
	tests := []struct {
		desc string
		busy bool // the peer goes on sending
		max  time.Duration
	}{
		{"silent peer", false, LingerTimeout + time.Second},
		{"busy peer", true, lingerMax + time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			h := newHandLoop(t, Config{})
			c, peer := h.tcp(&script{})
			c.Write([]byte("bye"))
			c.Finish(true)
			h.until("FIN", func() bool { _, ok := recv(peer); return !ok })
			lasted := time.Duration(0)
			for ; !c.Closed() && lasted < time.Minute; lasted += time.Second / 2 {
				if tt.busy {
					_, _ = unix.Write(peer, []byte("more")) // EPIPE once it is over
					h.step()
				}
				h.pass(time.Second / 2)
			}
			if lasted > tt.max+time.Second || lasted < LingerTimeout-time.Second ||
				tt.busy && lasted < lingerMax-time.Second {
				t.Fatalf("lingered %v, want about %v", lasted, tt.max-time.Second)
			}
		})
	}
}

// A slow reader of a large queue keeps its connection while it takes FinishRate, however long the
// kernel's send buffer hides its progress; one that takes nothing loses it.
func TestFinishRate(t *testing.T) {
	h := newHandLoop(t, Config{})
	c, peer := h.pair(&script{})
	// A Unix socket counts a piece as taken when it was read whole, and a piece is half this buffer.
	if err := unix.SetsockoptInt(c.FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 32<<10); err != nil {
		t.Fatal(err)
	}
	const total = 2 << 20
	c.Write(make([]byte, total))
	c.Finish(false)
	h.step()
	h.pass(finishEvery + 10*time.Millisecond)
	got := 0
	for got < total/2 { // 64 KiB in four minutes: 273 B/s
		b := make([]byte, 64<<10)
		n, err := unix.Read(peer, b)
		if err != nil {
			t.Fatalf("cut after %d bytes: %v", got, err)
		}
		got += n
		for range 48 {
			h.pass(finishEvery + 10*time.Millisecond)
			if c.Closed() {
				t.Fatalf("cut after %d bytes though the peer took 273 B/s", got)
			}
		}
	}
	for stalled := time.Duration(0); !c.Closed(); stalled += finishEvery {
		if stalled > 6*time.Minute {
			t.Fatal("a stalled reader was not cut")
		}
		h.pass(finishEvery + 10*time.Millisecond)
	}
	if h.BuffersUsed() != 0 {
		t.Fatalf("%d bytes in buffers, want 0", h.BuffersUsed())
	}
}

func TestFinishStalledFromTheStart(t *testing.T) {
	h := newHandLoop(t, Config{})
	c, _ := h.pair(&script{})
	c.Write(make([]byte, 2<<20))
	c.Finish(true)
	h.step()
	stalled := time.Duration(0)
	for ; !c.Closed() && stalled < time.Minute; stalled += finishEvery {
		h.pass(finishEvery + 10*time.Millisecond)
	}
	if want := 45 * time.Second; stalled > want || stalled < 2*finishEvery {
		t.Fatalf("a reader that never took a byte was cut after %v, want about %v", stalled, want)
	}
}
