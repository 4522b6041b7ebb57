//go:build !race

package server

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

// adopted is one connection of a running server, driven by system calls alone.
type adopted struct {
	fd    int
	buf   [4096]byte
	taken uint64 // bytes of answers
}

// adopt gives the first loop of a server one end of a socket pair as a client connection.
func adopt(tb testing.TB, ts *testServer) *adopted {
	tb.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(pair[0]) })
	if err := unix.SetNonblock(pair[1], true); err != nil {
		tb.Fatal(err)
	}
	ls := ts.Server.loops[0]
	ls.onLoop(func() {
		s := &session{ls: ls, ln: ls.listeners[0], state: stateIdle, since: ls.loop.Now()}
		c, err := ls.loop.Adopt(pair[1], s)
		if err != nil {
			tb.Error(err)
			return
		}
		s.conn = c
		ls.began()
		s.arm()
	})
	return &adopted{fd: pair[0]}
}

// exchange sends req and reads one answer, which comes in one piece.
func (a *adopted) exchange(tb testing.TB, req []byte) {
	if _, err := unix.Write(a.fd, req); err != nil {
		tb.Fatal(err)
	}
	if n, err := unix.Read(a.fd, a.buf[:]); err != nil || n < 20 || string(a.buf[:12]) != "HTTP/1.1 200" {
		tb.Fatalf("read %d bytes, %v: %q", n, err, a.buf[:max(n, 0)])
	}
}

var plaintextRequests = [][]byte{
	[]byte("GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n\r\n"),
	[]byte("GET /b?q=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n\r\n"),
}

// measure counts what an exchange allocates, over a head that changes and one that does not.
func measure(t *testing.T, o Options) float64 {
	t.Helper()
	noop := func(next pipeline.Handler) pipeline.Handler {
		return func(c *pipeline.Context) { next(c) }
	}
	b := pipeline.New()
	b.Use(noop, noop)
	b.Run(hello)
	h, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	c := adopt(t, startServer(t, 1, o, h))
	i := 0
	return testing.AllocsPerRun(1000, func() {
		c.exchange(t, plaintextRequests[i>>1&1])
		i++
	})
}

func TestPlaintextAllocs(t *testing.T) {
	if n := measure(t, Options{}); n != 0 {
		t.Fatalf("%v allocations per request; want 0", n)
	}
}

func TestAccessLogAllocs(t *testing.T) {
	for _, f := range []LogFormat{LogCombined, LogJSON} {
		log := NewAccessLog(io.Discard, f)
		t.Cleanup(log.Close) // before the loops end: nothing is logged any more
		if n := measure(t, Options{AccessLog: log}); n != 0 {
			t.Errorf("format %d: %v allocations per request; want 0", f, n)
		}
	}
}

func BenchmarkPlaintext(b *testing.B) {
	c := adopt(b, startServer(b, 1, Options{}, hello))
	b.ReportAllocs()
	b.SetBytes(int64(len(plaintextRequests[0])))
	for b.Loop() {
		c.exchange(b, plaintextRequests[0])
	}
}

// BenchmarkPipelined is what a request costs on the loop when many come in one read: one send for all.
func BenchmarkPipelined(b *testing.B) {
	const batch = 256
	ts := startServer(b, 1, Options{}, hello)
	a := adopt(b, ts)
	input := bytes.Repeat(plaintextRequests[0], batch)
	answers := make([]byte, 64<<10)
	ls := ts.Server.loops[0]
	b.ReportAllocs()
	ls.onLoop(func() {
		ls.each(func(s *session) {
			for range b.N {
				for n := 0; n < len(input); {
					n += s.OnData(s.conn, input[n:])
				}
				for s.conn.Flush(); s.conn.Pending() || s.conn.Sent() > a.taken; s.conn.Flush() {
					n, err := unix.Read(a.fd, answers)
					if err != nil {
						b.Error(err)
						return
					}
					a.taken += uint64(n)
				}
			}
		})
	})
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/request")
}
