//go:build linux

package netpoll

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

type fileSender struct {
	idle
	path string
}

func (f fileSender) OnData(c *Conn, b []byte) int {
	file, err := os.Open(f.path)
	if err != nil {
		c.Close()
		return 0
	}
	st, _ := file.Stat()
	c.Write([]byte("head:"))
	c.SendFile(file, 0, st.Size())
	c.Write([]byte(":tail"))
	c.Finish(true)
	return len(b)
}

func TestSendFileBetweenBytes(t *testing.T) {
	path := t.TempDir() + "/f"
	body := bytes.Repeat([]byte("x1y2"), 3<<20/4)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	tl := startLoop(t, Config{}).listen(func(_ *Listener, c *Conn) {
		c.SetHandler(fileSender{path: path})
	})
	c := tl.dial()
	c.Write([]byte("go"))
	got, err := io.ReadAll(c)
	if want := "head:" + string(body) + ":tail"; err != nil || string(got) != want {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
}

// 16 MiB to a reader that is slower than the disk, its pages dropped from memory first.
func TestSendFileColdAndSlow(t *testing.T) {
	path := t.TempDir() + "/f"
	body := make([]byte, 16<<20)
	for i := range body {
		body[i] = byte(i ^ i>>8 ^ i>>16)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err == nil {
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // advice: tmpfs ignores it
	}
	warmed := 0
	h := newHandLoop(t, Config{ReadFile: func(job func()) bool { warmed++; job(); return true }})
	c, peer := h.pair(&script{})
	h.step()
	c.SendFile(f, 1, int64(len(body))-1)
	c.Finish(false)
	var got []byte
	h.until("all sent", func() bool {
		s, ok := recv(peer)
		got = append(got, s...)
		return !ok
	})
	if !bytes.Equal(got, body[1:]) {
		t.Fatalf("got %d bytes, want %d, or others", len(got), len(body)-1)
	}
	t.Logf("%d pieces of the file were cold", warmed)
}

// A file that ends before its announced length resets the connection: never a short body that looks
// whole.
func TestSendFileTruncated(t *testing.T) {
	for _, closed := range []bool{false, true} {
		path := t.TempDir() + "/f"
		if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if closed {
			f.Close()
		}
		h := newHandLoop(t, Config{ReadFile: func(job func()) bool { job(); return true }})
		s := &script{}
		c, peer := h.tcp(s)
		c.SendFile(f, 0, 2<<20)
		c.Write([]byte("tail"))
		var last error
		h.until("the end", func() bool {
			var n int
			n, last = unix.Read(peer, make([]byte, 64<<10))
			return n == 0 || last != nil && last != unix.EAGAIN
		})
		if last != unix.ECONNRESET {
			t.Fatalf("closed=%v: the peer read to %v, want ECONNRESET", closed, last)
		}
		s.want(t, "close")
		if h.BuffersUsed() != 0 {
			t.Fatalf("%d bytes in buffers, want 0", h.BuffersUsed())
		}
	}
}

// The connection goes while the pages of its file are being read.
func TestCloseWhileWarming(t *testing.T) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	var job func()
	h := newHandLoop(t, Config{ReadFile: func(j func()) bool { job = j; return true }})
	s := &script{}
	c, _ := h.pair(s)
	c.SendFile(f, 0, 1<<20)
	c.warm(c.head, 1<<20)
	c.Close()
	job()
	h.step()
	s.want(t)
}

// TestWarmingWaitsForThePool: when the pool for blocking work is full, cold reads wait in line, start no
// goroutine of their own, and go on in order; those whose connection has gone are forgotten.
func TestWarmingWaitsForThePool(t *testing.T) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var jobs []func()
	room, asked := 0, 0
	h := newHandLoop(t, Config{ReadFile: func(j func()) bool {
		if asked++; len(jobs) >= room {
			return false
		}
		jobs = append(jobs, j)
		return true
	}})
	before := runtime.NumGoroutine()
	var conns []*Conn
	for range 4 {
		own, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		c, _ := h.pair(&script{})
		c.SendFile(own, 0, 1<<20)
		c.warm(c.head, 1<<20)
		if c.Offered() || !c.Pending() {
			t.Error("a connection that waits for the disk is taken for one that waits for its client")
		}
		conns = append(conns, c)
	}
	if n := runtime.NumGoroutine(); n != before {
		t.Errorf("%d goroutines; want %d as before", n, before)
	}
	h.pass(2 * coldRetry)
	if asked != 2 || len(h.cold.line) != 4 { // the first at once, and the first of the line again
		t.Errorf("full pool asked %d times, %d in line; want 2, 4", asked, len(h.cold.line))
	}
	conns[1].Close()
	room = 2
	h.pass(2 * coldRetry)
	if len(jobs) != 2 || len(h.cold.line) != 1 || h.cold.line[0].c != conns[3] {
		t.Fatalf("%d read, %d in line; want the first and the third, the fourth waits",
			len(jobs), len(h.cold.line))
	}
	room = 3
	h.pass(2 * coldRetry)
	for _, j := range jobs {
		j()
	}
	h.step()
	for i, c := range conns {
		if i != 1 && (c.flags&flagWarming != 0 || c.Sent() == 0) {
			t.Errorf("connection %d still waits", i)
		}
		if i != 1 {
			c.Close()
		}
	}
	if len(h.cold.line) != 0 || h.cold.timer.Scheduled() {
		t.Errorf("%d in line at the end", len(h.cold.line))
	}
}

// Where cachestat is refused, single bytes are probed instead; both must agree.
func TestByteResident(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	fd := int(f.Fd())
	if !byteResident(fd, 0) || !byteResident(fd, 1<<20-1) || !resident(fd, 0, 1<<20) {
		t.Fatal("bytes just written are not in memory")
	}
	if !byteResident(fd, 2<<20) {
		t.Fatal("there is nothing to wait for beyond the end")
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	_ = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) // advice: tmpfs ignores it
	if cold := !resident(fd, 0, 4096); cold == byteResident(fd, 0) {
		t.Fatalf("cachestat says cold=%v, a probe says %v", cold, !cold)
	}
}
