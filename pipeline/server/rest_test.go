package server

import (
	"testing"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

// At rest an answer closes its connection, an idle one is closed a moment later, and then it is told;
// sockets that join afterwards have connections as ever. A socket that joins before calls the rest off.
func TestRest(t *testing.T) {
	begun, answer := make(chan struct{}), make(chan struct{})
	ts := startServer(t, 2, Options{Blocking: func(f func()) bool { go f(); return true }},
		func(c *pipeline.Context) {
			if string(c.Request().Path()) != "/slow" {
				hello(c)
				return
			}
			pipeline.Blocking(func(c *pipeline.Context) {
				close(begun)
				<-answer
				c.Text(200, "slow")
			})(c)
		})
	first := ts.addr
	fd, addr := listenFD(t)
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kept) //nolint:errcheck // a test's
	if err := ts.Join(7, testAddress, fd, false); err != nil {
		t.Fatal(err)
	}
	ts.addr = addr
	idle, busy := ts.dial(), ts.dial()
	idle.get("/").want("before", 200, "Hello, World!")
	busy.get("/slow")
	<-begun
	ts.Part(7)
	rested := make(chan struct{}, 2)
	rest := func() { ts.Rest(func() { rested <- struct{}{} }) }
	rest()
	idle.wantEnd("idle")
	select {
	case <-rested:
		t.Error("rested while a request is under way")
	default:
	}
	close(answer)
	if resp := busy.want("what had begun", 200, "slow"); !resp.Close {
		t.Error("what had begun: the connection stays open")
	}
	busy.wantEnd("behind its answer")
	<-rested

	join := func(id uint64) {
		t.Helper()
		again, err := unix.FcntlInt(uintptr(kept), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			err = ts.Join(id, testAddress, again, false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	join(8)
	c := ts.dial()
	if resp := c.get("/").want("after the rest", 200, ""); resp.Close {
		t.Error("after the rest: the connection is closed")
	}
	ts.Part(8)
	rest()
	join(9) // 9 and 7 have the same loop; 8 another one
	join(10)
	c.wantEnd("of a rest that was called off")
	ts.Part(9)
	ts.Part(10)
	ts.Connections() // the loops have come round
	select {
	case <-rested:
		t.Error("a rest that was called off was told")
	default:
	}
	rest()
	<-rested
	ts.addr = first
	if resp := ts.dial().get("/").want("the socket of Apply", 200, ""); resp.Close {
		t.Error("a rest of nobody: the connection is closed")
	}
}
