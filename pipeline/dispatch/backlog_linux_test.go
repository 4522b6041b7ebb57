package dispatch

import (
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

// fullListener is a Unix listener whose backlog is full until accepted from.
func fullListener(t *testing.T) (path string, ln *net.UnixListener, fill []net.Conn) {
	t.Helper()
	path = socketPath(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path) // backlog 0 holds one
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "socket")
	l, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); c.Close() })
	return path, l.(*net.UnixListener), []net.Conn{c}
}

func TestBacklogFull(t *testing.T) {
	f := startFront(t, 1, Options{Timeouts: Timeouts{Connect: 100 * ms}})
	path, ln, _ := fullListener(t)
	if err := f.AddWorker(1, Endpoint{Network: "unix", Address: path, Concurrency: 4}); err != nil {
		t.Fatal(err)
	}
	f.dial().get("/").wantReason("full until the time-out", 504, pipeline.WorkerConnectTimeout)
	f.Update(Options{})
	c := f.dial().get("/x")
	f.eventually("in flight", func() bool { return f.Snapshot().Workers[0].InFlight == 1 })
	first, err := ln.Accept() // makes room
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, ok("made it"))
	c.want("after the backlog had room", 200, "made it")
	if len(f.told.refused) != 0 {
		t.Error("a full backlog counted as refusal")
	}
	f.audit()
}

func TestBacklogFullTakesAnother(t *testing.T) {
	f := startFront(t, 1, Options{})
	path, _, _ := fullListener(t)
	if err := f.AddWorker(1, Endpoint{Network: "unix", Address: path, Concurrency: 4}); err != nil {
		t.Fatal(err)
	}
	c := f.dial().get("/x")
	f.eventually("in flight", func() bool { return f.Snapshot().Workers[0].InFlight == 1 })
	f.add(2, startWorker(t, serveHello), 4)
	c.want("served by the other", 200, "GET /x ")
	f.audit()
}
