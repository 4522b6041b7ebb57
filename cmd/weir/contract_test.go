//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// PORT that somebody else takes before the worker: what listens there is not the worker.
func TestStolenPort(t *testing.T) {
	t.Parallel()
	in := launch(t, shortDir(t), "", os.Environ(), "--listen", "127.0.0.1:0",
		"--set", "pools.default.ready.timeout=3s", "--set", "pools.default.rapid_fail.failures=1",
		"--set", "pools.default.rapid_fail.then=stay-down", "--",
		"sh", "-c", "echo port $PORT; exec sleep 60")
	defer in.stop()
	line, ok := in.stderr.await(0, regexp.MustCompile(`\| port \d+$`))
	if !ok {
		t.Fatalf("the worker does not start:\n%s", &in.stderr)
	}
	port := line[strings.LastIndexByte(line, ' ')+1:]
	thief, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close() //nolint:errcheck // probes only
	line, _ = in.stderr.await(0, regexp.MustCompile(`from=starting to=(ready|stopping)`))
	want := fmt.Sprintf("PORT=%s on loopback, which pid %d (weir.test) has taken", port, os.Getpid())
	if !strings.Contains(line, want) {
		t.Errorf("logged %q; want it not ready, and %q", line, want)
	}
}

// A start that takes long says what it waits for, and is ready when that has come.
func TestSlowStart(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for 10 s")
	}
	fifo := filepath.Join(shortDir(t), "go")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	in := launch(t, shortDir(t), "", os.Environ(), "--listen", "127.0.0.1:0",
		"--set", "pools.default.ready.probe=notify", "--", "testworker", "-late", fifo)
	defer in.stop()
	for _, want := range []string{
		`^weir: waiting for pool default \(0/1 workers ready\)$`,
		`level=WARN msg="waiting for worker to be ready" pool=default worker=default/1 `,
	} {
		if _, ok := in.stderr.await(0, regexp.MustCompile(want)); !ok {
			t.Fatalf("no line matches %s:\n%s", want, &in.stderr)
		}
	}
	if err := os.WriteFile(fifo, []byte("go"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.awaitReady()
}

// manager is a service manager's notify socket.
func manager(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(shortDir(t), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // nothing more is read
	return path, func() string {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(patience)) // a fresh socket takes one
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("no notice: %v", err)
		}
		return string(b[:n])
	}
}

// A service manager is told of readiness, reloads and the end, and no worker ever sees its socket.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	path, next := manager(t)
	in := launch(t, shortDir(t), "", append(os.Environ(), "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=1",
		"WATCHDOG_PID=1", "WEIR_CONTROL_FD=77", "FDSTORE=0"), "--listen", "127.0.0.1:0", "--", "testworker")
	defer in.stop()
	in.awaitReady()
	want := fmt.Sprintf("READY=1\nMAINPID=%d", in.cmd.Process.Pid)
	if got := next(); got != want {
		t.Errorf("at start: %q; want %q", got, want)
	}
	for name, want := range map[string]string{
		"WATCHDOG_USEC": " false\n", "WATCHDOG_PID": " false\n", "WEIR_CONTROL_FD": "3 true\n",
		"FDSTORE": " false\n", "WEIR_RUNTIME_DIR": " false\n", "WEIR_WORKER": "default/1 true\n",
		"NOTIFY_SOCKET": filepath.Join(in.dir, "w/default-1/notify") + " true\n",
	} {
		if got := in.get("/env?name=" + name).body; got != want {
			t.Errorf("the worker's %s: %q; want %q", name, got, want)
		}
	}
	in.signal(syscall.SIGHUP)
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("at SIGHUP: %q; want RELOADING=1 and the time", got)
	}
	if got := next(); got != "READY=1" {
		t.Errorf("after the reload: %q; want READY=1", got)
	}
	in.signal(syscall.SIGTERM)
	if got := next(); got != "STOPPING=1" {
		t.Errorf("at SIGTERM: %q; want STOPPING=1", got)
	}
}

// A socket that the service manager passes is used: who connected before Weir began is answered.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // f is the same socket
	early, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close() //nolint:errcheck // read to its end
	_ = early.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(early, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// The shell becomes weir, whose pid it then has.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, filepath.Join(bin, "weir"),
		"--listen", address, "--respond", "passed")
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "WEIR_RUNTIME_DIR="+shortDir(t))
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close() // weir has it
	b, err := io.ReadAll(early)
	if !strings.HasSuffix(string(b), "passed") {
		t.Errorf("answer %q, %v; want passed", b, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("end: %v; want exit status 0", err)
	}
}

// Nobody reads the log: workers are replaced and the instance ends when told to all the same.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // nothing was read
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, dir: shortDir(t)}
	cmd := exec.Command(filepath.Join(bin, "weir"), "--listen", "127.0.0.1:0", "--",
		"sh", "-c", "(while echo flood; do :; done) & exec testworker")
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "WEIR_RUNTIME_DIR="+in.dir)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // weir has it
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill() //nolint:errcheck // it may have ended
	victim := any1(in.awaitWorker(0))
	if err := unix.Kill(victim, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	in.awaitWorker(victim)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("end: %v; want exit status 0", err)
		}
	case <-time.After(patience):
		t.Error("it does not end at SIGTERM")
	}
}

// awaitWorker waits for a ready worker other than old; the instance may not answer yet.
func (in *instance) awaitWorker(old int) map[int]bool {
	late := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-late:
			in.t.Fatalf("no ready worker beside %d", old)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		s, err := in.admin().Status(ctx)
		cancel()
		if err != nil {
			continue
		}
		if now := pids(s, "default"); len(now) > 0 && !now[old] {
			return now
		}
	}
}
