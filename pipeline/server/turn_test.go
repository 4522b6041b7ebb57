package server

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

// TestOneSendPerEvent: what one readiness event asks for leaves in one send. The connection is a
// SOCK_SEQPACKET pair, whose reader gets what one send wrote and no more.
func TestOneSendPerEvent(t *testing.T) {
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		if c.Path() == "/post" {
			echoBody(c)
			return
		}
		hello(c)
	})
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	if err != nil {
		t.Skip(err) // no SOCK_SEQPACKET here
	}
	defer unix.Close(pair[0]) //nolint:errcheck // a socket of the test
	ls := ts.Server.loops[0]
	ls.onLoop(func() {
		s := &session{ls: ls, ln: ls.listeners[0], state: stateIdle, since: ls.loop.Now()}
		if s.conn, err = ls.loop.Adopt(pair[1], s); err == nil {
			ls.began()
			s.arm()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ desc, req string }{
		{"plain", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"bodies", "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"},
	} {
		if _, err := unix.Write(pair[0], []byte(strings.Repeat(tc.req, 16))); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64<<10)
		n, err := unix.Read(pair[0], buf)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(buf[:n]), "HTTP/1.1 200 OK\r\n"); got != 16 {
			t.Errorf("%s: %d of 16 answers in the first send; want all", tc.desc, got)
		}
	}
}

// TestEndBehindPipelinedBodies: a FIN that comes with the last of several requests takes none of
// them away, though each gives its buffer back before the next is looked at.
func TestEndBehindPipelinedBodies(t *testing.T) {
	ts := startServer(t, 1, Options{}, echoBody)
	for range 20 {
		c := ts.dial()
		// FIN in the same event as the bytes, or nearly always.
		c.write(strings.Repeat("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 5))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			c.want("before the end", 200, "abc")
		}
		c.wantEnd("the end")
	}
}
