//go:build linux

package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/config"
)

// testConfig runs this test binary in a role.
func testConfig(name, role string, args ...string) PoolConfig {
	return PoolConfig{
		Name: name, Command: append([]string{"/proc/self/exe"}, args...), Program: "/proc/self/exe",
		Env:   &config.Env{Set: map[string]string{"TEST_ROLE": role}},
		Ready: config.Ready{Timeout: config.Duration(10 * time.Second)},
	}
}

// nopLink is a front that has nothing in flight and needs to be told nothing.
type nopLink struct{}

func (nopLink) PoolAvailable(string, Availability) {}
func (nopLink) WorkerReady(WorkerRef, Endpoint)    {}
func (nopLink) WorkerDrain(WorkerRef)              {}
func (nopLink) WorkerRest(WorkerRef)               {}
func (nopLink) WorkerFail(WorkerRef, string)       {}
func (nopLink) WorkerGone(WorkerRef)               {}

// testFront is a Link that records, and answers drains at once unless it holds them.
type testFront struct {
	mu    sync.Mutex
	calls []string
	ready map[WorkerRef]Endpoint
	ps    *Pools
	hold  bool
	woken chan struct{} // capacity 1: something was called
}

func (f *testFront) note(call string, change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	if change != nil {
		change()
	}
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

func (f *testFront) PoolAvailable(pool string, a Availability) {
	f.note(fmt.Sprintf("%s available=%d", pool, a), nil)
}

func (f *testFront) WorkerReady(w WorkerRef, e Endpoint) {
	f.note("ready "+w.String(), func() { f.ready[w] = e })
}

func (f *testFront) WorkerDrain(w WorkerRef) {
	f.note("drain "+w.String(), func() { delete(f.ready, w) })
	if !f.hold {
		f.ps.WorkerDrained(w)
	}
}

func (f *testFront) WorkerRest(w WorkerRef) { f.WorkerDrain(w) }

func (f *testFront) WorkerFail(w WorkerRef, reason string) {
	f.note("fail "+w.String(), func() { delete(f.ready, w) })
	f.ps.WorkerHung(w, reason)
}

func (f *testFront) WorkerGone(w WorkerRef) {
	f.note("gone "+w.String(), func() { delete(f.ready, w) })
}

// waitFor returns once ok holds for the calls so far.
func (f *testFront) waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(15 * time.Second)
	for {
		f.mu.Lock()
		done := ok()
		f.mu.Unlock()
		if done {
			return
		}
		select {
		case <-f.woken:
		case <-limit:
			t.Fatalf("%s: not within 15 s; calls: %q", what, f.calls)
		}
	}
}

func (f *testFront) called(call string) bool { return slices.Contains(f.calls, call) }

// lockedBuffer collects output.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testPools are pools with real processes.
type testPools struct {
	*Pools
	front *testFront
	out   *lockedBuffer
	log   *lockedBuffer
	dir   string
}

func startPools(t *testing.T) *testPools {
	t.Helper()
	return startPoolsWith(t, func(*PoolsOptions) {})
}

func startPoolsWith(t *testing.T, change func(*PoolsOptions)) *testPools {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	tp := &testPools{out: &lockedBuffer{}, log: &lockedBuffer{}, dir: dir,
		front: &testFront{ready: map[WorkerRef]Endpoint{}, woken: make(chan struct{}, 1)}}
	o := PoolsOptions{
		Link: tp.front, RuntimeDir: dir, Output: tp.out,
		Logger: slog.New(slog.NewTextHandler(tp.log, nil)),
	}
	change(&o)
	tp.Pools, err = NewPools(o)
	if err != nil {
		t.Fatal(err)
	}
	tp.front.ps = tp.Pools
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := tp.Close(ctx); err != nil {
			t.Errorf("Close() = %v", err)
		}
		if entries, err := os.ReadDir(filepath.Join(dir, "w")); err != nil || len(entries) != 0 {
			t.Errorf("socket directories left: %v, %v", entries, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s\noutput:\n%.4000s", tp.log, tp.out)
		}
	})
	return tp
}

func (tp *testPools) add(t *testing.T, c PoolConfig) *Pool {
	t.Helper()
	p, err := tp.Add(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start adds and starts c, and returns its first worker.
func (tp *testPools) start(t *testing.T, c PoolConfig) (*Pool, WorkerStatus) {
	t.Helper()
	p := tp.add(t, c)
	if err := p.Start(t.Context()); err != nil {
		t.Fatalf("Start() = %v", err)
	}
	return p, p.Status().Workers[0]
}

// printedLine waits for the worker's first line with a prefix: output comes on its own way.
func printedLine(t *testing.T, p *Pool, prefix string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		for _, l := range p.Status().Workers[0].Output {
			if strings.HasPrefix(l, prefix) {
				return l
			}
		}
	}
	t.Fatalf("no line %q in %q", prefix, p.Status().Workers[0].Output)
	return ""
}

func TestWorkerServesAndStops(t *testing.T) {
	tp := startPools(t)
	p, w := tp.start(t, testConfig("shop", "serve"))
	if w.State != WorkerReady || w.Network != "unix" || w.PID == 0 {
		t.Fatalf("worker = %+v; want ready on a Unix socket", w)
	}
	st, err := os.Stat(w.Address)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket = %v, %v; want mode 0600", st, err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatalf("Stop() = %v", err)
	}
	s := p.Status()
	if s.State != PoolStopped || len(s.Workers) != 0 || s.Exits[0].Code != 0 {
		t.Errorf("status after Stop = %+v; want stopped, no worker, exit 0", s)
	}
	if !slices.Contains(s.Exits[0].Output, "got SIGTERM") {
		t.Errorf("last output = %q; want SIGTERM mentioned", s.Exits[0].Output)
	}
	want := []string{"shop available=0", "ready shop/1", "shop available=2",
		"drain shop/1", "gone shop/1"}
	if !slices.Equal(tp.front.calls, want) {
		t.Errorf("calls = %q; want %q", tp.front.calls, want)
	}
}

func TestWorkerReadyByPortOnIPv6Only(t *testing.T) {
	tp := startPools(t)
	_, w := tp.start(t, testConfig("six", "port6"))
	if w.Network != "tcp" || !strings.HasPrefix(w.Address, "[::1]:") {
		t.Errorf("endpoint = %s %s; want tcp on [::1]", w.Network, w.Address)
	}
}

func TestWorkerListensElsewhere(t *testing.T) {
	tp := startPools(t)
	c := testConfig("lost", "elsewhere")
	c.Ready.Timeout = config.Duration(time.Second)
	c.RapidFail.Failures = 1
	c.RapidFail.Then = config.ThenStayDown
	err := tp.add(t, c).Start(t.Context())
	if !errors.Is(err, ErrPoolFailed) {
		t.Fatalf("Start() = %v; want ErrPoolFailed", err)
	}
	for _, part := range []string{"it listens on tcp 127.0.0.1:", "WEIR_SOCKET=", "PORT=2",
		"listening on my own port"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Start() = %v; want %q in it", err, part)
		}
	}
}

func TestWorkerNeverReady(t *testing.T) {
	tp := startPools(t)
	c := testConfig("mute", "mute")
	c.Ready.Timeout = config.Duration(200 * time.Millisecond)
	c.RapidFail.Failures = 1
	c.RapidFail.Then = config.ThenStayDown
	err := tp.add(t, c).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it listens on nothing") {
		t.Errorf("Start() = %v; want that it listens on nothing", err)
	}
}

func TestCrashLoopFailsPool(t *testing.T) {
	tp := startPools(t)
	c := testConfig("crashy", "crash")
	c.RapidFail.Failures = 3
	p := tp.add(t, c)
	begin := time.Now()
	err := p.Start(t.Context())
	if !errors.Is(err, ErrPoolFailed) || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Start() = %v; want ErrPoolFailed and the last output", err)
	}
	if d := time.Since(begin); d < backoffMin+2*backoffMin-backoffMin/2 {
		t.Errorf("failed after %s; want the back-off between deaths", d)
	}
	s := p.Status()
	if s.State != PoolFailed || len(s.Exits) != 3 || s.Exits[0].Code != 3 {
		t.Errorf("status = %+v; want failed after three exits with 3", s)
	}
	tp.front.waitFor(t, "offline", func() bool { return tp.front.called("crashy available=1") })
}

func TestCommandNotFound(t *testing.T) {
	tp := startPools(t)
	for _, tc := range []struct {
		desc    string
		command []string
		want    error
	}{
		{"not in PATH", []string{"weir-no-such-program"}, ErrCommandNotFound},
		{"no such file", []string{"./no/such/file"}, ErrCommandNotFound},
		{"not executable", []string{"/etc/passwd"}, ErrCommandNotFound},
	} {
		c := PoolConfig{Name: "p" + strconv.Itoa(len(tc.desc)), Command: tc.command}
		err := tp.add(t, c).Start(t.Context())
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.command[0]) {
			t.Errorf("%s: Start() = %v; want %v with the command's name", tc.desc, err, tc.want)
		}
	}
}

func TestStopPastDeadlineKills(t *testing.T) {
	tp := startPools(t)
	c := testConfig("stubborn", "stubborn")
	c.StopTimeout = config.Duration(100 * time.Millisecond)
	p, _ := tp.start(t, c)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatalf("Stop() = %v", err)
	}
	x := p.Status().Exits[0]
	if x.Signal != int(syscall.SIGKILL) || !slices.Contains(x.Output, "got SIGTERM") {
		t.Errorf("exit = %+v; want SIGKILL after SIGTERM", x)
	}
	want := fmt.Sprintf(`level=ERROR msg=worker pool=stubborn worker=stubborn/1 pid=%d from=stopping `+
		`to=stopping reason="still there at the end of stop_timeout: SIGKILL" output=`, x.PID)
	if got := tp.log.String(); !strings.Contains(got, want) || !strings.Contains(got, "got SIGTERM") {
		t.Errorf("log = %s; want %s", got, want)
	}
}

func TestStopContextKills(t *testing.T) {
	tp := startPools(t)
	p, _ := tp.start(t, testConfig("slow", "stubborn"))
	tp.front.hold = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatalf("Stop() = %v; want nil: the worker is gone", err)
	}
	if x := p.Status().Exits[0]; x.Signal != int(syscall.SIGKILL) {
		t.Errorf("exit = %+v; want SIGKILL", x)
	}
}

func TestKilledWorkerIsReplaced(t *testing.T) {
	tp := startPools(t)
	_, w := tp.start(t, testConfig("shop", "serve"))
	begin := time.Now()
	if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tp.front.waitFor(t, "death told", func() bool { return tp.front.called("gone shop/1") })
	tp.front.waitFor(t, "replacement", func() bool { return tp.front.called("ready shop/2") })
	t.Logf("replaced after %s", time.Since(begin))
}

func TestRecycleOverlaps(t *testing.T) {
	tp := startPools(t)
	c := testConfig("shop", "serve")
	c.Workers = 2
	p, _ := tp.start(t, c)
	tp.front.waitFor(t, "both", func() bool { return len(tp.front.ready) == 2 })
	if err := p.Recycle(t.Context(), "test"); err != nil {
		t.Fatalf("Recycle() = %v", err)
	}
	calls := tp.front.calls
	for old, next := range map[string]string{"shop/1": "shop/3", "shop/2": "shop/4"} {
		r, d := slices.Index(calls, "ready "+next), slices.Index(calls, "drain "+old)
		if r < 0 || d < r {
			t.Errorf("calls = %q; want %s ready before %s is drained", calls, next, old)
		}
	}
}

func TestApplyReplacesOnlyWhatChanged(t *testing.T) {
	tp := startPools(t)
	a, b := testConfig("a", "serve"), testConfig("b", "serve")
	if err := tp.Apply(t.Context(), []PoolConfig{a, b}); err != nil {
		t.Fatal(err)
	}
	pidA, pidB := tp.Pool("a").Status().Workers[0].PID, tp.Pool("b").Status().Workers[0].PID
	b.Env = &config.Env{Set: map[string]string{"TEST_ROLE": "serve", "NEW": "1"}}
	if err := tp.Apply(t.Context(), []PoolConfig{a, b}); err != nil {
		t.Fatal(err)
	}
	if got := tp.Pool("a").Status().Workers[0].PID; got != pidA {
		t.Errorf("unchanged pool: pid %d became %d", pidA, got)
	}
	if got := tp.Pool("b").Status().Workers[0].PID; got == pidB {
		t.Errorf("changed pool: pid is still %d", pidB)
	}
	if err := tp.Apply(t.Context(), []PoolConfig{a}); err != nil {
		t.Fatal(err)
	}
	if tp.Pool("b") != nil || len(tp.All()) != 1 {
		t.Errorf("pools = %d; want b removed", len(tp.All()))
	}
	broken := testConfig("a", "crash")
	if err := tp.Apply(t.Context(), []PoolConfig{broken}); err == nil {
		t.Error("Apply(broken) = nil; want the replacement's failure")
	}
	if w := tp.Pool("a").Status().Workers[0]; w.PID != pidA || w.State != WorkerReady {
		t.Errorf("worker = %+v; want the old one still ready", w)
	}
}

func TestNotifyProbe(t *testing.T) {
	tp := startPools(t)
	gate := filepath.Join(tp.dir, "gate")
	c := testConfig("sd", "notify")
	c.Ready.Probe = config.ProbeNotify
	c.Env.Set["TEST_GATE"] = gate
	p := tp.add(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Start() = %v; want not ready before READY=1", err)
	}
	if s := p.Status().Workers[0].Status; s != "warming up" {
		t.Errorf("status line = %q; want warming up", s)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitReady(t.Context()); err != nil {
		t.Errorf("WaitReady() = %v", err)
	}
}

func TestInheritedSocket(t *testing.T) {
	tp := startPools(t)
	c := testConfig("fd3", "inherit")
	c.Socket = config.SocketInherit
	_, w := tp.start(t, c)
	if w.Network != "unix" {
		t.Errorf("endpoint = %s %s", w.Network, w.Address)
	}
}

func TestWorkerSurroundings(t *testing.T) {
	t.Setenv("WEIR_LISTEN", ":80")
	t.Setenv("LISTEN_FDS", "7")
	t.Setenv("WATCHDOG_USEC", "1")
	t.Setenv("NOTIFY_SOCKET", "/nowhere")
	t.Setenv("TEST_KEPT", "yes")
	leak, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0) // inheritable
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak) //nolint:errcheck // nothing was written
	tp := startPools(t)
	p, w := tp.start(t, testConfig("env", "report", "--at", "{socket}:{port}"))
	printedLine(t, p, "end")
	lines := p.Status().Workers[0].Output
	joined := strings.Join(lines, "\n")
	for _, want := range []string{"env WEIR_POOL=env", "env WEIR_WORKER=env/1", "env TEST_KEPT=yes",
		"env WEIR_SOCKET=" + w.Address, "args --at " + w.Address + ":2", "fd 0 /dev/null",
		"status NoNewPrivs: 1", "status Umask: 0022"} {
		if !strings.Contains(joined, want) {
			t.Errorf("worker does not see %q:\n%s", want, joined)
		}
	}
	for _, l := range lines {
		for _, bad := range []string{"env WEIR_LISTEN", "env LISTEN_", "env WATCHDOG",
			"env NOTIFY_SOCKET=/nowhere"} {
			if strings.HasPrefix(l, bad) {
				t.Errorf("worker sees %q", l)
			}
		}
		// What the worker's own Go runtime opened is its poller, its CPU quota, the directory it lists.
		fd, ok := strings.CutPrefix(l, "fd ")
		if strings.HasPrefix(l, "fd 3 socket:") {
			continue // WEIR_CONTROL_FD
		}
		if ok && fd[0] > '2' && !strings.Contains(l, "anon_inode") && !strings.Contains(l, "/cgroup") &&
			!strings.HasSuffix(l, "/fd") {
			t.Errorf("leaked into the worker: %s", l)
		}
	}
}

func TestSupervisorKilledTakesWorkersAlong(t *testing.T) {
	stopSubreaper(t) // set by other tests: the orphan is for init, who reaps it
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a test's directory
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "TEST_ROLE=supervise", "TEST_DIR="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("supervisor's worker: %q, %v", line, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	pidfd := openPidfd(t, pid)
	defer syscall.Close(pidfd) //nolint:errcheck // nothing was written
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed
	if !pollReadable(t, pidfd, 5*time.Second) {
		t.Errorf("worker %d lives on after its supervisor was killed", pid)
	}
}

func TestGroupDiesWithLeader(t *testing.T) {
	tp := startPools(t)
	p, w := tp.start(t, testConfig("fam", "family"))
	child, err := strconv.Atoi(strings.TrimPrefix(printedLine(t, p, "child "), "child "))
	if err != nil {
		t.Fatal(err)
	}
	pidfd := openPidfd(t, child)
	defer syscall.Close(pidfd) //nolint:errcheck // nothing was written
	if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !pollReadable(t, pidfd, 5*time.Second) {
		t.Errorf("child %d of worker %d lives on", child, w.PID)
	}
}

func TestFloodIsBounded(t *testing.T) {
	tp := startPools(t)
	c := testConfig("loud", "flood")
	c.Output.Lines = 100
	p, _ := tp.start(t, c)
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(tp.out.String(), "loud/1 | dropped ") {
		if time.Now().After(deadline) {
			t.Fatalf("no line about dropped lines in:\n%.2000s", tp.out)
		}
		p.Status()
	}
	if n := strings.Count(tp.out.String(), "\n"); n > 500 {
		t.Errorf("%d lines came through; want about 100 a second", n)
	}
}

func TestSocketPathTooLong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	ps, err := NewPools(PoolsOptions{Link: nopLink{}, RuntimeDir: dir, Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer ps.Close(t.Context()) //nolint:errcheck // nothing runs
	c := testConfig("deep", "serve")
	c.RapidFail.Failures = 1
	p, err := ps.Add(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("Start() = %v; want the path named", err)
	}
}
