package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// lines is a writer that tests wait on.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	got chan struct{}
}

func newLines() *lines { return &lines{got: make(chan struct{}, 1)} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.got <- struct{}{}:
	default:
	}
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) wait(t *testing.T, want string) {
	t.Helper()
	for late := time.After(20 * time.Second); !strings.Contains(l.String(), want); {
		select {
		case <-l.got:
		case <-late:
			t.Fatalf("no %q in:\n%s", want, l)
		}
	}
}

// instance is a supervisor in this process with fake fronts.
type instance struct {
	t      *testing.T
	sup    *Supervisor
	status *lines
	log    *lines
	done   chan error
	client *admin.Client

	mu   sync.Mutex
	next *config.Loaded // what a reload finds
	err  error
}

// shortDir is a directory whose path leaves room for workers' sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	d, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(d) })
	return d
}

func instanceConfig(dir, orders string, addresses ...string) *config.Loaded {
	c := config.Default()
	c.Loops, c.Fronts, c.RuntimeDir = 2, 1, dir
	c.Sites = siteNames(orders)
	c.Timeouts.Drain = config.Duration(5 * time.Second)
	for _, a := range addresses {
		c.Listeners = append(c.Listeners, config.Listener{Address: a, Backlog: 128, Mode: 0o600})
	}
	return &config.Loaded{Config: c}
}

func newInstance(t *testing.T, c *config.Loaded) *instance {
	t.Helper()
	in := &instance{t: t, status: newLines(), log: newLines(), done: make(chan error, 1)}
	var err error
	in.sup, err = New(Options{
		Config: c, Counters: fakeCounters, Status: in.status, Version: "test",
		Logger: slog.New(slog.NewTextHandler(in.log, nil)),
		Load: func() (*config.Loaded, error) {
			in.mu.Lock()
			defer in.mu.Unlock()
			return in.next, in.err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	in.sup.adopt = false
	in.client = admin.NewClient(filepath.Join(c.Config.RuntimeDir, admin.SocketName))
	return in
}

func (in *instance) run() {
	go func() { in.done <- in.sup.Run(context.Background()) }()
}

// startInstance returns when it is ready, and ends it with the test.
func startInstance(t *testing.T, c *config.Loaded) *instance {
	t.Helper()
	in := newInstance(t, c)
	in.run()
	t.Cleanup(func() {
		in.sup.Shutdown()
		<-in.sup.Stopped()
		in.join()
	})
	in.status.wait(t, "weir: ready: ")
	return in
}

// join waits for the end of Run; its error stays to be read again.
func (in *instance) join() error {
	in.t.Helper()
	select {
	case err := <-in.done:
		in.done <- err
		return err
	case <-time.After(20 * time.Second):
		in.t.Fatalf("Run does not end:\n%s", in.log)
		return nil
	}
}

func (in *instance) state() *admin.Status {
	in.t.Helper()
	st, err := in.client.Status(context.Background())
	if err != nil {
		in.t.Fatal(err)
	}
	return st
}

func (in *instance) report(st *admin.Status) (r fakeReport) {
	in.t.Helper()
	if err := json.Unmarshal(st.Fronts[0].Report, &r); err != nil {
		in.t.Fatalf("report %q: %v", st.Fronts[0].Report, err)
	}
	return r
}

// url is the real address of the i-th listener.
func (in *instance) addr(i int) string {
	in.sup.mu.Lock()
	defer in.sup.mu.Unlock()
	return in.sup.listeners[i].actual
}

// ask is the pid of the front that answers.
func ask(address string) (int, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	b, err := io.ReadAll(c)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

func (in *instance) wantFront(address string, want int, why string) {
	in.t.Helper()
	if pid, err := ask(address); err != nil || pid != want {
		in.t.Errorf("%s: %s is answered by %d, %v; want %d", why, address, pid, err, want)
	}
}

// singleLoop makes all sockets of an address be served by the fake, which has one loop.
func singleLoop(c *config.Loaded) *config.Loaded {
	c.Config.Loops = 1
	return c
}

func TestInstanceLife(t *testing.T) {
	dir := shortDir(t)
	in := startInstance(t, singleLoop(instanceConfig(dir, "", "127.0.0.1:0")))
	st := in.state()
	if st.State != "running" || st.PID != os.Getpid() || st.RuntimeDir != dir || len(st.Fronts) != 1 ||
		st.Fronts[0].State != "up" || len(st.Listeners) != 1 || st.Version != "test" {
		t.Errorf("status = %+v", st)
	}
	address := in.addr(0)
	want := "weir: ready: http://" + address + " (pid " + strconv.Itoa(os.Getpid()) + ", "
	if got := in.status.String(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " ms)\n") {
		t.Errorf("ready line %q; want %q, milliseconds", got, want)
	}
	in.wantFront(address, st.Fronts[0].PID, "after start")
	if err := in.client.Shutdown(context.Background(), true); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := in.join(); err != nil {
		t.Errorf("Run() = %v; want nil", err)
	}
	if _, err := ask(address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: %v; want %v", err, syscall.ECONNREFUSED)
	}
	if _, err := os.Lstat(filepath.Join(dir, admin.SocketName)); err == nil {
		t.Error("admin.sock is left over")
	}
	if _, err := admin.Find(dir, os.Getenv); !errors.Is(err, admin.ErrNoInstance) {
		t.Errorf("Find after the end = %v; want %v", err, admin.ErrNoInstance)
	}
}

// Nobody may be refused while a front is dead, and its successor goes on where it ended.
func TestFrontKilled(t *testing.T) {
	in := startInstance(t, singleLoop(instanceConfig(shortDir(t), "", "127.0.0.1:0")))
	address := in.addr(0)
	before := in.state()
	in.wantFront(address, before.Fronts[0].PID, "before")
	if err := syscall.Kill(before.Fronts[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	pid := before.Fronts[0].PID
	refused := 0
	for deadline := time.Now().Add(20 * time.Second); pid == before.Fronts[0].PID; {
		got, err := ask(address)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			refused++
		case err == nil:
			pid = got
		}
		if time.Now().After(deadline) {
			t.Fatalf("no successor:\n%s", in.log)
		}
	}
	if refused > 0 {
		t.Errorf("%d connections were refused", refused)
	}
	after := in.state()
	if f := after.Fronts[0]; f.PID != pid || f.Restarts != 1 || !strings.Contains(f.LastExit, "killed") {
		t.Errorf("front = %+v; want pid %d, 1 restart, last exit killed", f, pid)
	}
	if n := after.Counters["configured"]; n != 2 {
		t.Errorf("counter configured = %d; want 2: one of the dead front and one of this", n)
	}
}

func TestFrontRefusesFirstConfiguration(t *testing.T) {
	in := newInstance(t, instanceConfig(shortDir(t), orderRefuse, "127.0.0.1:0"))
	in.run()
	if err := in.join(); err == nil || !strings.Contains(err.Error(), "the fake front refuses") {
		t.Errorf("Run() = %v; want the front's words", err)
	}
}

func TestFrontNeverStarts(t *testing.T) {
	in := newInstance(t, instanceConfig(shortDir(t), orderDie, "127.0.0.1:0"))
	in.run()
	err := in.join()
	if err == nil || !strings.Contains(err.Error(), "ended 3 times before it accepted: exit status 7") {
		t.Errorf("Run() = %v; want three deaths", err)
	}
}

func TestReload(t *testing.T) {
	dir := shortDir(t)
	in := startInstance(t, singleLoop(instanceConfig(dir, "", "127.0.0.1:0")))
	first := in.addr(0)
	pid := in.state().Fronts[0].PID
	second := singleLoop(instanceConfig(dir, "a", first, "unix:"+filepath.Join(dir, "s")))
	reload := func(desc string, c *config.Loaded, loadErr error, want error) {
		t.Helper()
		in.mu.Lock()
		in.next, in.err = c, loadErr
		in.mu.Unlock()
		if err := in.client.Reload(context.Background(), true); !errors.Is(err, want) {
			t.Errorf("%s: Reload = %v; want %v", desc, err, want)
		}
		if got := in.state().Fronts[0].PID; got != pid {
			t.Errorf("%s: the front %d was replaced by %d", desc, pid, got)
		}
	}
	serves := func(desc, address string) { t.Helper(); in.wantFront(address, pid, desc) }

	reload("bad file", nil, errors.New("x.yaml:1:1: bad"), admin.ErrRefused)
	serves("bad file", first)
	refusing := singleLoop(instanceConfig(dir, orderRefuse, first, "127.0.0.1:0"))
	refusing.Config.Listeners[0].Address = "127.0.0.1:0"
	refusing.Config.Listeners = refusing.Config.Listeners[:1]
	reload("refused by the front", refusing, nil, admin.ErrRefused)
	serves("refused by the front", first)
	busy := singleLoop(instanceConfig(dir, "a", "127.0.0.1:0", "unix:/does/not/exist"))
	reload("cannot bind", busy, nil, admin.ErrRefused)
	serves("cannot bind", first)

	// 127.0.0.1:0 gives way to the same port by number: bound beside the old socket.
	reload("good", second, nil, nil)
	serves("good", first)
	if c, err := net.Dial("unix", filepath.Join(dir, "s")); err != nil {
		t.Errorf("new listener: %v", err)
	} else {
		_ = c.Close()
	}
	if got := in.report(in.state()).Orders; len(got) != 1 || got[0] != "a" {
		t.Errorf("the front has sites %q; want a", got)
	}
	third := singleLoop(instanceConfig(dir, "b", "unix:"+filepath.Join(dir, "s")))
	reload("removes a listener", third, nil, nil)
	if _, err := ask(first); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("removed listener: %v; want %v", err, syscall.ECONNREFUSED)
	}
}

// A configuration that kills the front must not be the one its successor gets.
func TestReloadThatKillsTheFront(t *testing.T) {
	dir := shortDir(t)
	c := singleLoop(instanceConfig(dir, "a", "127.0.0.1:0"))
	in := startInstance(t, c)
	address := in.addr(0)
	in.mu.Lock()
	in.next = singleLoop(instanceConfig(dir, orderDie, "127.0.0.1:0"))
	in.mu.Unlock()
	err := in.client.Reload(context.Background(), true)
	if !errors.Is(err, admin.ErrRefused) || !strings.Contains(err.Error(), errFrontGone.Error()) {
		t.Errorf("Reload = %v; want %v", err, errFrontGone)
	}
	if err := in.sup.fronts.ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	st := in.state()
	in.wantFront(address, st.Fronts[0].PID, "after")
	if got := in.report(st).Orders; len(got) != 1 || got[0] != "a" {
		t.Errorf("the front has sites %q; want a", got)
	}
}

func TestDrainBoundIsKept(t *testing.T) {
	c := instanceConfig(shortDir(t), orderStubborn, "127.0.0.1:0")
	c.Config.Timeouts.Drain = config.Duration(50 * time.Millisecond)
	in := startInstance(t, c)
	pid := in.state().Fronts[0].PID
	in.sup.Drain()
	if err := in.join(); err != nil {
		t.Errorf("Run() = %v; want nil", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the stubborn front: %v; want %v", err, syscall.ESRCH)
	}
}

func TestShutdownCutsTheDrain(t *testing.T) {
	c := instanceConfig(shortDir(t), orderStubborn, "127.0.0.1:0")
	c.Config.Timeouts.Drain = config.Duration(time.Hour)
	c.Config.Timeouts.DrainDelay = config.Duration(time.Hour)
	in := startInstance(t, c)
	in.sup.Drain()
	in.log.wait(t, "msg=draining")
	in.sup.Shutdown()
	if err := in.join(); err != nil {
		t.Errorf("Run() = %v; want nil", err)
	}
}

func TestDrainWhileStarting(t *testing.T) {
	in := newInstance(t, instanceConfig(shortDir(t), "", "127.0.0.1:0"))
	in.sup.Drain()
	in.run()
	if err := in.join(); err != nil {
		t.Errorf("Run() = %v; want nil", err)
	}
	if got := in.status.String(); strings.Contains(got, "ready") {
		t.Errorf("said %q", got)
	}
}

func TestUserOfTheFront(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change users")
	}
	dir := shortDir(t)
	c := instanceConfig(filepath.Join(dir, "run"), "", "127.0.0.1:0")
	c.Config.User = "12345:12346"
	in := startInstance(t, c)
	if got := in.report(in.state()).UID; got != 12345 {
		t.Errorf("the front runs as %d; want 12345", got)
	}
	if strings.Contains(in.log.String(), "running as root") {
		t.Errorf("warned although there is a user:\n%s", in.log)
	}
}

func TestTwoFronts(t *testing.T) {
	c := instanceConfig(shortDir(t), "", "127.0.0.1:0")
	c.Config.Fronts, c.Config.Loops = 2, 1
	in := startInstance(t, c)
	st := in.state()
	seen := map[int]bool{}
	for i := 0; i < 200 && len(seen) < 2; i++ {
		pid, err := ask(in.addr(0))
		if err != nil {
			t.Fatal(err)
		}
		seen[pid] = true
	}
	if !seen[st.Fronts[0].PID] || !seen[st.Fronts[1].PID] {
		t.Errorf("answered by %v; want both of %+v", seen, st.Fronts)
	}
	if st.Listeners[0].Sockets != 2 {
		t.Errorf("%d sockets; want 2", st.Listeners[0].Sockets)
	}
}

func TestAdminRecycleUnknownPool(t *testing.T) {
	in := startInstance(t, instanceConfig(shortDir(t), "", "127.0.0.1:0"))
	for _, wait := range []bool{true, false} {
		if err := in.client.Recycle(context.Background(), "nope", wait); !errors.Is(err, admin.ErrUnknownPool) {
			t.Errorf("Recycle, wait %v = %v; want %v", wait, err, admin.ErrUnknownPool)
		}
	}
}
