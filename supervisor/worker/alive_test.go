package worker

import (
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor"
)

// supervised is the supervisor's end of this process's control socket.
func supervised(t *testing.T) (*supervisor.ControlConn, *alive) {
	t.Helper()
	ours, theirs, err := supervisor.ControlPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() }) // a test's
	fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err = errors.Join(err, theirs.Close()); err != nil {
		t.Fatal(err)
	}
	t.Setenv(supervisor.WorkerControlVar, strconv.Itoa(fd))
	a, err := startAlive()
	if err != nil {
		t.Fatal(err)
	}
	if _, set := os.LookupEnv(supervisor.WorkerControlVar); set {
		t.Error("children would see the variable")
	}
	return ours, a
}

// heard is the next message, of the kind wanted.
func heard(t *testing.T, c *supervisor.ControlConn, kind string, body any) {
	t.Helper()
	m, _, err := c.Recv()
	if err != nil || m.Kind != kind {
		t.Fatalf("Recv() = %s, %v; want %s", m.Kind, err, kind)
	}
	if body == nil {
		return
	}
	if err := m.Decode(body); err != nil {
		t.Fatal(err)
	}
}

func TestPingIsAnswered(t *testing.T) {
	c, a := supervised(t)
	heard(t, c, supervisor.KindWorkerHello, nil)
	inFlight.Add(2)
	defer inFlight.Add(-2)
	for n := uint64(1); n <= 3; n++ {
		m, err := supervisor.NewMessage(supervisor.KindWorkerPing, supervisor.WorkerPing{N: n})
		if err == nil {
			err = c.Send(&m, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		var pong supervisor.WorkerPong
		heard(t, c, supervisor.KindWorkerPong, &pong)
		if pong.N != n || pong.InFlight != 2 {
			t.Errorf("pong %+v; want n %d and 2 requests in flight", pong, n)
		}
	}
	a.close()
}

func TestWatchdogIsSaid(t *testing.T) {
	path := t.TempDir() + "/notify"
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test's
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	a, err := startAlive()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if err := l.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	for range 3 {
		n, err := l.Read(b)
		if err != nil || string(b[:n]) != "WATCHDOG=1" {
			t.Fatalf("read %q, %v; want WATCHDOG=1", b[:n], err)
		}
	}
}
