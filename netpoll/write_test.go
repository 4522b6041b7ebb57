//go:build linux

package netpoll

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEcho(t *testing.T) {
	tl := startLoop(t, Config{}).listen(func(_ *Listener, c *Conn) { c.SetHandler(echo{}) })
	c := tl.dial()
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB: over every watermark
	go func() {
		c.Write(want)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("echo of %d bytes = %d bytes, %v", len(want), len(got), err)
	}
}

// source writes total bytes as fast as the watermarks let it, then finishes.
type source struct {
	idle
	left, queuedMax int
	through         bool
	chunk           []byte
}

func (s *source) OnDrain(c *Conn) {
	for s.left > 0 {
		b := s.chunk[:min(s.left, len(s.chunk))]
		s.left -= len(b)
		var room bool
		if s.through {
			room = c.WriteThrough(b)
		} else {
			room = c.Write(b)
		}
		s.queuedMax = max(s.queuedMax, c.Queued())
		if !room {
			return
		}
	}
	c.Finish(true)
}

// 64 MiB go to a reader that pauses all the time; the queue stays at its watermark, and so does the
// relay's inbound side, which is paused meanwhile.
func TestBackpressure(t *testing.T) {
	const total = 64 << 20
	for _, through := range []bool{false, true} {
		src := &source{left: total, through: through, chunk: make([]byte, 20<<10)}
		tl := startLoop(t, Config{}).listen(func(_ *Listener, c *Conn) {
			c.SetHandler(src)
			src.OnDrain(c)
		})
		c := tl.dial()
		c.SetReadBuffer(256 << 10) // not below the segment size, or the kernel waits for its probes
		usedMax, got := 0, 0
		for buf := make([]byte, 64<<10); ; {
			n, err := c.Read(buf)
			got += n
			if got&(1<<20-1) < n {
				for range 100 { // slow
					runtime.Gosched()
				}
				tl.on(func() { usedMax = max(usedMax, tl.BuffersUsed()) })
			}
			if err != nil {
				break
			}
		}
		if got != total {
			t.Fatalf("through=%v: got %d bytes, want %d", through, got, total)
		}
		const bound = HighWatermark + 2*(64<<10)
		if src.queuedMax > bound || usedMax > bound {
			t.Fatalf("through=%v: queued up to %d, buffers up to %d; want at most %d",
				through, src.queuedMax, usedMax, bound)
		}
	}
}

// Both directions blocked, paused and resumed through an echo: 64 MiB arrive in order.
func TestPauseResumeRelay(t *testing.T) {
	const total = 64 << 20
	tl := startLoop(t, Config{}).listen(func(_ *Listener, c *Conn) { c.SetHandler(echo{}) })
	c := tl.dial()
	go func() {
		b := make([]byte, 1<<20)
		for i := range total >> 20 {
			for j := range b {
				b[j] = byte(i ^ j ^ j>>8)
			}
			c.Write(b)
		}
		c.CloseWrite()
	}()
	b, usedMax := make([]byte, 1<<20), 0
	for i := range total >> 20 {
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		for j := range b {
			if b[j] != byte(i^j^j>>8) {
				t.Fatalf("byte %d of MiB %d differs", j, i)
			}
		}
		tl.on(func() { usedMax = max(usedMax, tl.BuffersUsed()) })
	}
	if bound := 2*HighWatermark + readBudgetBytes; usedMax > bound {
		t.Fatalf("buffers grew to %d, want at most %d", usedMax, bound)
	}
}

// Queues longer than one send's vector, and WriteThrough behind them.
func TestManyBuffers(t *testing.T) {
	h := newHandLoop(t, Config{})
	c, peer := h.pair(&script{})
	var want bytes.Buffer
	for i := range 3 * iovecsMax {
		piece := bytes.Repeat([]byte{byte('a' + i%26)}, classBytes[outClass])
		c.Write(piece)
		want.Write(piece)
	}
	c.WriteThrough([]byte("end1"))
	c.Flush()
	c.WriteThrough([]byte("end2"))
	want.WriteString("end1end2")
	c.Finish(false)
	var got []byte
	h.until("all sent", func() bool {
		s, ok := recv(peer)
		got = append(got, s...)
		return !ok
	})
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("got %d bytes, want %d, or in another order", len(got), want.Len())
	}
	if h.BuffersUsed() != 0 || c.Sent() != uint64(want.Len()) {
		t.Fatalf("%d bytes in buffers, Sent() = %d", h.BuffersUsed(), c.Sent())
	}
}

// No write calls the handler back from inside itself, not even a failing one.
func TestWritesDoNotNest(t *testing.T) {
	h := newHandLoop(t, Config{})
	s := &script{}
	c, peer := h.pair(s)
	closePeer(t, peer)
	c.WriteThrough([]byte("x"))
	c.Write([]byte("y"))
	c.Flush()
	s.want(t)
	h.step()
	h.step()
	s.want(t, "eof", "close")
	c, peer = h.pair(s)
	s.log = nil
	for c.Write(make([]byte, 16<<10)) {
	}
	for c.Queued() > 0 { // drains the queue by Flush alone
		c.Flush()
		recv(peer)
		h.now = h.clock()
		c.flags &^= flagBlocked
	}
	s.want(t)
	h.step()
	if len(s.log) == 0 || s.log[0] != "drain" {
		t.Fatalf("told %q, want drain first", s.log)
	}
}

// A peer that answers and goes away without taking what we send: the answer is delivered, then the end.
func TestAnswerBeforeBrokenSend(t *testing.T) {
	h := newHandLoop(t, Config{})
	s := &script{}
	c, peer := h.pair(s)
	h.step()
	send(t, peer, "413 go away")
	closePeer(t, peer)
	c.Write([]byte("the body"))
	h.now = h.clock()
	h.flushDirty() // the send fails before anything was read
	h.until("the end", c.Closed)
	s.want(t, "data 413 go away", "eof", "close")
	if h.BuffersUsed() != 0 {
		t.Fatalf("%d bytes in buffers, want 0", h.BuffersUsed())
	}
}

// The same while reading is paused: the handler hears of a reset, once, and reads up to the end.
func TestBrokenSendWhilePaused(t *testing.T) {
	h := newHandLoop(t, Config{})
	s := &script{}
	c, peer := h.tcp(s)
	h.step()
	c.Pause()
	send(t, peer, "last words")
	resetPeer(t, peer)
	c.Write([]byte("x"))
	h.flushDirty()
	h.until("hangup", func() bool { return len(s.log) > 0 })
	c.Write([]byte("more"))
	h.step()
	s.want(t, "hangup true")
	c.Resume()
	h.until("the end", c.Closed)
	if s.last() != "close" {
		t.Fatalf("told %q, want close at the end", s.log)
	}
}

func TestShutdownWriteAfterQueue(t *testing.T) {
	h := newHandLoop(t, Config{})
	s := &script{}
	c, peer := h.pair(s)
	c.Write(make([]byte, 1<<20))
	c.ShutdownWrite()
	got := 0
	h.until("FIN", func() bool {
		b, ok := recv(peer)
		got += len(b)
		return !ok
	})
	if got != 1<<20 {
		t.Fatalf("FIN after %d bytes, want 1 MiB", got)
	}
	send(t, peer, "still read")
	h.until("data", func() bool { return s.last() == "data still read" })
}

func TestReset(t *testing.T) {
	h := newHandLoop(t, Config{})
	c, peer := h.tcp(&script{})
	c.Write([]byte("part"))
	c.Reset()
	if _, err := unix.Read(peer, make([]byte, 8)); err != unix.ECONNRESET {
		t.Fatalf("read at the peer: %v, want ECONNRESET", err)
	}
}

// Unix sockets report room whenever their peer reads; a loop that nobody waits in must not hear it.
func TestUnixPeerReadingIsNoEvent(t *testing.T) {
	h := newHandLoop(t, Config{})
	c, peer := h.pair(&script{})
	h.step()
	c.Write([]byte("x"))
	h.step()
	recv(peer)
	if n := h.poller.wait(h.events[:], 0); n != 0 {
		t.Fatalf("%d events after the peer read, want 0", n)
	}
	for c.Write(make([]byte, 64<<10)) { // once blocked, it is asked for
	}
	h.step()
	h.until("drained", func() bool { recv(peer); return !c.Pending() })
	for range 3 {
		h.step()
	}
	c.Write([]byte("x"))
	h.step()
	recv(peer)
	h.step() // the one event too many, which ends it
	c.Write([]byte("x"))
	h.step()
	recv(peer)
	if n := h.poller.wait(h.events[:], 0); n != 0 {
		t.Fatalf("%d events after the peer read, want 0", n)
	}
}

// At the bound of buffer memory reads wait, and go on when memory is given back at a turn's very end.
func TestReadsWaitForMemory(t *testing.T) {
	h := newHandLoop(t, Config{BufferBytes: 64 << 10})
	hog, hogPeer := h.pair(&script{})
	hog.Write(make([]byte, 1<<20))
	h.step()
	s := &script{}
	_, peer := h.pair(s)
	send(t, peer, "hello")
	for range 5 {
		h.step()
	}
	s.want(t)
	if h.Totals().BufferWaits == 0 {
		t.Fatal("BufferWaits = 0")
	}
	h.until("data", func() bool {
		recv(hogPeer)
		return len(s.log) > 0
	})
	s.want(t, "data hello")
}

// hoarder consumes nothing and wants ever more in one piece, as the head of a slow client does.
type hoarder struct {
	idle
	most int
}

func (s *hoarder) OnData(c *Conn, b []byte) int {
	s.most = max(s.most, len(b))
	c.Grow()
	return 0
}

// Inbound buffers that grow are within the bound, too; a connection that waits to grow goes on when
// others have given theirs back.
func TestGrowthWaitsForMemory(t *testing.T) {
	const bound = 1 << 20
	h := newHandLoop(t, Config{BufferBytes: bound})
	handlers := make([]*hoarder, 60)
	conns := make([]*Conn, len(handlers))
	peers := make([]int, len(handlers))
	piece := make([]byte, 8<<10)
	for i := range conns {
		handlers[i] = &hoarder{}
		conns[i], peers[i] = h.pair(handlers[i])
	}
	for range 8 { // all have a buffer before any needs a larger one
		for _, peer := range peers {
			send(t, peer, string(piece))
		}
		h.step()
		h.step()
	}
	if used, most := h.BuffersUsed(), bound+bound/8+classBytes[3]; used > most {
		t.Fatalf("%d bytes in buffers, want at most %d", used, most)
	}
	if h.Totals().BufferWaits == 0 {
		t.Fatal("BufferWaits = 0")
	}
	last := -1
	for i, s := range handlers {
		if s.most < 64<<10 {
			last = i
		}
	}
	if last < 0 {
		t.Fatal("nothing waits")
	}
	for i, c := range conns {
		if i != last {
			c.Close()
		}
	}
	h.until("the rest, in one piece", func() bool { return handlers[last].most == 64<<10 })
}
