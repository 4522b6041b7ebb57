package worker

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"weir/pipeline"
)

// TestMain is a worker when the test started it as one.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_ROLE") == "worker" {
		if err := Serve(context.Background(), slowHandler); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// slowHandler begins an answer and ends it when a second request, or the drain, has come.
var slowHandler = pipeline.Blocking(func(c *pipeline.Context) {
	_, _ = c.Write([]byte("begun\n"))
	if c.Flush() != nil {
		return
	}
	for {
		if _, err := os.Stat(os.Getenv("TEST_GATE")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_, _ = c.Write([]byte("ended\n"))
})

// TestSIGTERMDrains: what has begun is finished, new connections are refused, the exit status is 0.
func TestSIGTERMDrains(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a test's directory
	socket, gate := filepath.Join(dir, "sock"), filepath.Join(dir, "gate")
	notices, err := net.ListenUnixgram("unixgram",
		&net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close() //nolint:errcheck // only read
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "TEST_ROLE=worker", "TEST_GATE="+gate, "WEIR_POOL=p",
		"WEIR_WORKER=p/1", "WEIR_SOCKET="+socket, "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Process.Kill() //nolint:errcheck // it has ended
	wantNotice(t, notices, "READY=1")
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's client
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: p\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewScanner(resp.Body)
	if !body.Scan() || body.Text() != "begun" {
		t.Fatalf("first line = %q, %v; want begun", body.Text(), body.Err())
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantNotice(t, notices, "STOPPING=1")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !body.Scan() || body.Text() != "ended" {
		t.Errorf("last line = %q, %v; want ended", body.Text(), body.Err())
	}
	if err := c.Wait(); err != nil {
		t.Errorf("worker = %v; want exit status 0", err)
	}
	if c, err := net.Dial("unix", socket); err == nil {
		c.Close() //nolint:errcheck // a test's client
		t.Error("the socket still takes connections")
	}
}
