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
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// ownFile is a file whose pool p takes site s over; its workers accept from sockets of their own.
func ownFile(t *testing.T, dir, address, pool string, top ...string) string {
	t.Helper()
	return fileOf(t, dir, strings.Join(top, "\n")+`
sites: {s: {bindings: ["`+address+`"], apps: {/: {handler: demo-worker, pool: p}}}}
pools: {p: {dispatch: reuseport, `+pool+`}}
`)
}

// startOwn starts an instance with such a file and waits for its workers.
func startOwn(t *testing.T, workers int, pool string, top ...string) (in *instance, dir string) {
	t.Helper()
	dir = shortDir(t)
	pool = fmt.Sprintf("workers: %d%s", workers, pool)
	in = start(t, "--config", ownFile(t, dir, "127.0.0.1:0", pool, top...))
	in.settled("p", workers)
	return in, dir
}

// sharing: the kernel cannot balance, and all workers have the same socket.
func (in *instance) sharing() bool {
	return strings.Contains(in.stderr.String(), "share one socket")
}

// fds is how many descriptors process pid has.
func fds(t *testing.T, pid int) int {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// 100 workers that accept for themselves are recycled while every request comes by a connection of
// its own, others by connections that are kept: none is refused, reset or left in a queue.
// Descriptors do not grow.
func TestReuseportRecyclesUnderLoad(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 2, "")
	before := in.settled("p", 2)
	k, kept := knockFor(in.address(), "/hello"), startLoad(in.url+"/hello")
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	n, open := rounds(50, 5), 0 // each of both workers
	for i := range n {
		if err := in.admin().Recycle(ctx, "p", true); err != nil {
			t.Fatalf("recycle %d: %v", i, err)
		}
		k.passes(in, 10)
		if i == 1 {
			open = fds(t, in.cmd.Process.Pid)
		}
	}
	k.finish(t)
	kept.finish(t)
	in.replaced("p", 2, before)
	in.until(fmt.Sprintf("%d descriptors, as after two recycles", open), func(*admin.Status) bool {
		return fds(t, in.cmd.Process.Pid) <= open
	})
	s := in.until("all of it counted", func(s *admin.Status) bool {
		return s.Counters["responses_2xx"] >= uint64(k.served.Load())
	})
	if got := s.Listeners[0]; got.Pool != "p" || got.Sockets != 3 && !in.sharing() {
		t.Errorf("listener %+v; want pool p's, a socket for each worker that there was at once", got)
	}
	t.Logf("%d connections answered during %d recycles of two workers", k.served.Load(), n)
}

// Connections are shared out evenly.
func TestReuseportBalance(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 10 000 connections")
	}
	t.Parallel()
	const conns, workers = 10_000, 4
	in, _ := startOwn(t, workers, "")
	if in.sharing() {
		t.Skip("needs a kernel that takes SO_ATTACH_REUSEPORT_CBPF")
	}
	var mu sync.Mutex
	counts := map[string]int{}
	var clients sync.WaitGroup
	for range loadConns {
		clients.Go(func() {
			for range conns / loadConns {
				pid := in.raw("GET /pid HTTP/1.0\r\n\r\n")
				mu.Lock()
				counts[pid[strings.LastIndex(pid, "\r\n")+1:]]++
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	for pid, n := range counts {
		if want := conns / workers; n < want*9/10 || n > want*11/10 {
			t.Errorf("worker %s has %d of %d connections; want %d within 10 %%", strings.TrimSpace(pid), n,
				conns, want)
		}
	}
	if len(counts) != workers {
		t.Errorf("%d workers took connections; want %d", len(counts), workers)
	}
	t.Logf("connections by worker: %v", counts)
}

// What the kernel has queued for a worker that never accepts it is not lost: when the worker is
// killed, another has it.
func TestReuseportKill(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 2, "")
	workers := in.settled("p", 2)
	victim := any1(workers)
	freeze(t, victim)
	asks := queueUp(in, 40)
	if err := unix.Kill(victim, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	asks.answered(t, "HTTP/1.1 200 OK")
	in.replaced("p", 2, map[int]bool{victim: true})
}

// One worker alone: what waits while there is none is for the next.
func TestReuseportKillLast(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 1, "")
	victim := any1(in.settled("p", 1))
	freeze(t, victim)
	asks := queueUp(in, 10)
	if err := unix.Kill(victim, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	asks.answered(t, "HTTP/1.1 200 OK")
}

// A worker that hangs gets no more connections, loses those that it has not accepted, and is
// replaced.
func TestReuseportHang(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 2, ", ping: {every: 100ms, timeout: 200ms}, stop_timeout: 100ms")
	victim := any1(in.settled("p", 2))
	freeze(t, victim)
	asks := queueUp(in, 40)
	asks.answered(t, "HTTP/1.1 200 OK")
	if _, ok := in.stderr.await(0, regexp.MustCompile(
		`worker=p/\d+ .*from=ready to=stopping reason="hung: no answer to a ping for 200ms`)); !ok {
		t.Error("no line about it")
	}
	in.replaced("p", 2, map[int]bool{victim: true})
}

// The loop answers the pings: a handler that holds it for too long is found.
func TestReuseportStall(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	file := fileOf(t, dir, `
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {handler: sluggish, pool: p}}}}
pools: {p: {dispatch: reuseport, ping: {every: 100ms, timeout: 200ms}, stop_timeout: 100ms}}
`)
	in := launchProgram(t, "testapp", filepath.Join(dir, "rt"), dir,
		append(os.Environ(), "STALL_FIFO="+fifo), "--config", file)
	defer in.stop()
	in.awaitReady()
	victim := any1(in.settled("p", 1))
	held := queueUp(in, 1)[0]
	defer held.Close() //nolint:errcheck // it is never answered
	if _, ok := in.stderr.await(0, regexp.MustCompile(`from=ready to=stopping reason="hung: no answer`+
		` to a ping for 200ms`)); !ok {
		t.Errorf("it is not found:\n%s", &in.stderr)
	}
	in.until("another worker", func(s *admin.Status) bool {
		now := pids(s, "p")
		return len(now) == 1 && !now[victim]
	})
}

// SIGTERM from outside costs nobody an answer.
func TestReuseportTerm(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 2, "")
	k := knockFor(in.address(), "/hello")
	for range rounds(10, 2) {
		k.passes(in, 20)
		victim := any1(in.settled("p", 2))
		if err := unix.Kill(victim, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		in.until("it gone", func(s *admin.Status) bool { return !pids(s, "p")[victim] })
	}
	k.finish(t)
}

// freeze stops a process, and waits until each of its threads stands: one may be about to accept.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stands := func() bool {
		stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(stats) == 0 {
			t.Fatalf("threads of %d: %v", pid, err)
		}
		for _, path := range stats {
			b, err := os.ReadFile(path)
			_, state, _ := strings.Cut(string(b), ") ") // pid (name) state
			if err == nil && !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return true
	}
	for late := time.Now().Add(patience); !stands(); {
		if time.Now().After(late) {
			t.Fatalf("process %d does not stop", pid)
		}
	}
}

// asks are connections with a request each that nobody has answered yet.
type asks []net.Conn

func queueUp(in *instance, n int) (a asks) {
	for range n {
		c := in.dial()
		if _, err := io.WriteString(c, "GET /hello HTTP/1.0\r\n\r\n"); err != nil {
			in.t.Fatalf("write: %v", err)
		}
		a = append(a, c)
	}
	return a
}

// answered wants each to be answered with that first line.
func (a asks) answered(t *testing.T, first string) {
	t.Helper()
	for i, c := range a {
		b, err := io.ReadAll(c)
		if line, _, _ := strings.Cut(string(b), "\r\n"); err != nil || line != first {
			t.Errorf("connection %d of %d: %q, %v; want %q", i, len(a), line, err, first)
		}
		_ = c.Close() // read to its end
	}
}

// Where there is no worker and none will come soon, the front refuses, also one that starts anew.
func TestReuseportRefused(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 1, ", rapid_fail: {failures: 1, then: stay-down}")
	want := func(why, status string) {
		t.Helper()
		if got := in.get("/pid").verdict(); got != status {
			t.Errorf("%s: %s; want %s", why, got, status)
		}
	}
	verb := func(args ...string) {
		t.Helper()
		if code, _, stderr := in.weir(args...); code != 0 {
			t.Fatalf("weir %v: %d, %s", args, code, stderr)
		}
	}
	verb("stop", "p")
	want("stopped", "503 AppShutdown")
	if got := in.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, "Connection: close") {
		t.Errorf("refused: %q; want the end of the connection, as the next is for a worker", got)
	}
	front := in.status().Fronts[0].PID
	if err := unix.Kill(front, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	want("stopped, and the front anew", "503 AppShutdown")
	verb("start", "p")
	want("started", "200")
	verb("disable", "p")
	want("disabled", "503 Disabled")
	verb("start", "p")
	if err := unix.Kill(any1(in.settled("p", 1)), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	in.until("a failed pool", func(s *admin.Status) bool { return poolOf(s, "p").State == "failed" })
	want("failed", "503 AppOffline")
	verb("start", "p")
	want("and mended", "200")
}

// The end of the instance resets nobody: what has connected is answered, then connections are
// refused.
func TestReuseportDrain(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 2, "")
	k := knockFor(in.address(), "/hello")
	k.passes(in, 50)
	slow := in.dial()
	defer slow.Close() //nolint:errcheck // read to its end
	if _, err := io.WriteString(slow, "GET /sleep?ms=300 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in.signal(syscall.SIGTERM)
	if code := in.wait(); code != 0 {
		t.Errorf("exit %d; want 0", code)
	}
	k.end()
	for _, why := range k.wrong {
		if !strings.Contains(why, "connection refused") {
			t.Errorf("a connection while the instance ends: %s; want an answer or a refusal", why)
		}
	}
	if b, err := io.ReadAll(slow); err != nil || !strings.Contains(string(b), "slept 300 ms") {
		t.Errorf("what had begun: %q, %v; want its answer", b, err)
	}
}

// Workers that accept write the access log, log files are opened anew by all of them, and what they
// count outlives them.
func TestReuseportLog(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	path := filepath.Join(dir, "access.log")
	in, _ := startOwn(t, 2, "", "log: {access: "+path+"}", "trusted_proxies: [127.0.0.1]",
		`listeners: {"127.0.0.1:0": {proxy_protocol: optional}}`)
	in.get("/hello?a=1")
	logged := func(name, what string) {
		t.Helper()
		in.until(what+" in "+name, func(*admin.Status) bool {
			b, err := os.ReadFile(name)
			return err == nil && strings.Contains(string(b), what)
		})
	}
	logged(path, "GET /hello?a=1")
	in.raw("PROXY TCP4 192.0.2.9 127.0.0.1 1000 80\r\nGET /hello?c=3 HTTP/1.0\r\n\r\n")
	logged(path, "192.0.2.9 - - ")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	in.signal(syscall.SIGUSR1)
	in.until("a new file", func(*admin.Status) bool {
		_, err := os.Stat(path)
		return err == nil
	})
	in.get("/hello?b=2")
	logged(path, "GET /hello?b=2")
	counted := in.until("all counted", func(s *admin.Status) bool {
		return s.Counters["responses_2xx"] == 3
	})
	if code, _, stderr := in.weir("recycle", "p"); code != 0 {
		t.Fatalf("weir recycle: %d, %s", code, stderr)
	}
	if s := in.status(); s.Counters["requests"] != counted.Counters["requests"] {
		t.Errorf("%d requests after a recycle; want %d, as before", s.Counters["requests"],
			counted.Counters["requests"])
	}
}

// A number of requests is a reason to be replaced, as behind a front; without overlap what comes
// while there is no worker waits in the kernel.
func TestReuseportRecycleByRequests(t *testing.T) {
	t.Parallel()
	in, _ := startOwn(t, 1, ", recycle: {requests: 20, jitter: off, overlap: false}")
	k := knockFor(in.address(), "/hello")
	in.until("two recycles", func(s *admin.Status) bool {
		return poolOf(s, "p").Recycles["requests"] >= 2
	})
	k.finish(t)
}

// A single socket that the service manager passes is shared by all workers.
func TestReuseportSocketActivation(t *testing.T) {
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
	dir := shortDir(t)
	file := fileOf(t, dir, `
sites: {s: {bindings: ["`+address+`"], apps: {/: {handler: demo-worker, pool: default}}}}
pools: {default: {dispatch: reuseport, workers: 2}}
`)
	// The shell becomes weir, whose pid it then has.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, filepath.Join(bin, "weir"),
		"--config", file, "--runtime-dir", dir)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close() // weir has it
	in := &instance{t: t, dir: dir, cmd: cmd, url: "http://" + address}
	k := knockFor(address, "/hello") // from before there is a worker
	in.awaitWorker(0)
	in.settled("default", 2)
	for range rounds(5, 2) {
		if code, _, stderr := in.weir("recycle", "default"); code != 0 {
			t.Fatalf("weir recycle: %d, %s", code, stderr)
		}
	}
	k.finish(t)
	if s := in.status(); s.Listeners[0].Sockets != 1 || !s.Listeners[0].Inherited {
		t.Errorf("listener %+v; want one socket, inherited", s.Listeners[0])
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("end: %v; want exit status 0", err)
	}
}
