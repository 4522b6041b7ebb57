package server

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket joins, is accepted from beside the others, and parts: who had connected is answered, and the
// socket lives on in other hands.
func TestJoinAndPart(t *testing.T) {
	ts := startServer(t, 2, Options{}, hello)
	first := ts.addr
	fd, addr := listenFD(t)
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kept) //nolint:errcheck // a test's
	ts.addr = addr
	early := ts.dial().get("/")
	if err := ts.Join(7, testAddress, fd, false); err != nil {
		t.Fatal(err)
	}
	early.want("who came before it joined", 200, "Hello, World!")
	stays := ts.dial()
	stays.get("/").want("the joined one", 200, "Hello, World!")
	ts.Part(7)
	stays.get("/").want("a connection outlives the parting", 200, "Hello, World!")
	late := ts.dial().get("/") // queued by the kernel: nobody accepts
	ts.Part(7)                 // once more: no effect
	again, err := unix.FcntlInt(uintptr(kept), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := ts.Join(8, testAddress, again, true); err != nil {
		t.Fatal(err)
	}
	if resp := late.want("who came meanwhile", 200, "Hello, World!"); !resp.Close {
		t.Error("once: the connection stays open")
	}
	late.wantEnd("once")
	ts.addr = first
	if resp := ts.dial().get("/").want("the other socket", 200, ""); resp.Close {
		t.Error("the other socket is served once, too")
	}
}

// An Apply that does not name the address any more ends what joined it, and one that names it does not.
func TestApplyEndsJoined(t *testing.T) {
	ts := startServer(t, 1, Options{}, hello)
	fd, addr := listenFD(t)
	if err := ts.Join(1, testAddress, fd, false); err != nil {
		t.Fatal(err)
	}
	sites := []Site{{Name: "s", Bindings: []Binding{{Address: testAddress, Host: "*"}},
		Apps: []App{{Prefix: "/", Handler: hello}}}}
	first := ts.addr
	ts.addr = addr
	if err := ts.Apply(Options{}, []Listener{{Address: testAddress}}, sites); err != nil {
		t.Fatal(err)
	}
	ts.dial().get("/").want("named", 200, "Hello, World!")
	joined := []Listener{{Address: testAddress, Joined: true}}
	if err := ts.Apply(Options{}, joined, sites); err != nil {
		t.Fatal(err)
	}
	ts.dial().get("/").want("named, of sockets that join", 200, "Hello, World!")
	if c, err := dialOnce(first); err == nil {
		_ = c.Close() // it should not be there
		t.Error("the socket of the first Apply still listens")
	}
	if err := ts.Apply(Options{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if c, err := dialOnce(addr); err == nil {
		_ = c.Close() // it should not be there
		t.Error("a socket of an address that is gone still listens")
	}
}

// A socket that cannot join is closed.
func TestJoinFails(t *testing.T) {
	ts := startServer(t, 1, Options{}, hello)
	fd, addr := listenFD(t)
	if err := ts.Join(1, "elsewhere", fd, false); err == nil {
		t.Fatal("Join of an address that no site has: no error")
	}
	if c, err := dialOnce(addr); err == nil {
		_ = c.Close() // it should not be there
		t.Error("the socket still listens")
	}
	ts.Drain(t.Context(), nil)
	fd, _ = listenFD(t)
	if err := ts.Join(2, testAddress, fd, false); err == nil {
		t.Error("Join while draining: no error")
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Error("the socket is still open")
	}
}

func dialOnce(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }
