//go:build linux

package netpoll

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// testLoop is a running loop with a listener; everything ends with the test.
type testLoop struct {
	*Loop
	t    *testing.T
	addr net.Addr
	done chan struct{}
}

type acceptFunc func(ln *Listener, c *Conn)

func (f acceptFunc) OnAccept(ln *Listener, c *Conn) { f(ln, c) }

func startLoop(t *testing.T, c Config) *testLoop {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	tl := &testLoop{Loop: l, t: t, done: make(chan struct{})}
	go func() { l.Run(); close(tl.done) }()
	t.Cleanup(func() { l.Stop(); <-tl.done })
	return tl
}

// on runs f on the loop and waits for it.
func (tl *testLoop) on(f func()) {
	tl.t.Helper()
	done := make(chan struct{})
	if !tl.Post(func() { f(); close(done) }) {
		tl.t.Fatal("Post on a stopped loop")
	}
	<-done
}

// listen opens a loopback listener whose connections get a handler from f.
func (tl *testLoop) listen(f acceptFunc) *testLoop {
	tl.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tl.t.Fatal(err)
	}
	tl.addr = ln.Addr()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		tl.t.Fatal(err)
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		tl.t.Fatal(err)
	}
	file.Close()
	ln.Close()
	tl.on(func() {
		if _, err := tl.Listen(fd, nil, f); err != nil {
			tl.t.Error(err)
		}
	})
	return tl
}

func (tl *testLoop) dial() *net.TCPConn {
	tl.t.Helper()
	c, err := net.Dial("tcp", tl.addr.String())
	if err != nil {
		tl.t.Fatal(err)
	}
	tl.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// echo writes back what it gets and closes after the peer's FIN.
type echo struct{ idle }

func (echo) OnData(c *Conn, b []byte) int {
	if !c.Write(b) {
		c.Pause()
	}
	return len(b)
}
func (echo) OnDrain(c *Conn) { c.Resume() }
func (echo) OnEOF(c *Conn)   { c.Finish(false) }
