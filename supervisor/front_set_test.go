package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/config"
)

// eventLog is LinkEvents that tests wait on.
type eventLog struct{ ch chan string }

func newEventLog() *eventLog { return &eventLog{make(chan string, 64)} }

func (e *eventLog) WorkerDrained(w WorkerRef)           { e.ch <- "drained " + w.String() }
func (e *eventLog) WorkerHung(w WorkerRef, s string)    { e.ch <- "hung " + w.String() + " " + s }
func (e *eventLog) WorkerRefused(w WorkerRef, s string) { e.ch <- "refused " + w.String() + " " + s }
func (e *eventLog) WorkerCircuit(w WorkerRef, s string) { e.ch <- "circuit " + w.String() + " " + s }
func (e *eventLog) PoolWaits(pool string)               { e.ch <- "waits " + pool }
func (e *eventLog) PoolLoad(l PoolLoad)                 { e.ch <- "load " + l.Pool }
func (e *eventLog) WorkerServed(w WorkerRef)            { e.ch <- "served " + w.String() }

func (e *eventLog) want(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-e.ch:
		if got != want {
			t.Fatalf("event %q; want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("no event; want %q", want)
	}
}

func (e *eventLog) wantNone(t *testing.T, why string) {
	t.Helper()
	select {
	case got := <-e.ch:
		t.Fatalf("%s: event %q; want none", why, got)
	default:
	}
}

// startFronts runs fake fronts without listeners.
func startFronts(t *testing.T, fronts int, orders string) (*frontSet, *eventLog) {
	t.Helper()
	c := instanceConfig("", orders)
	s, err := newFrontSet(frontOptions{
		exe: ownBinary(), argv0: os.Args[0], args: []string{"__front"}, stdout: os.Stdout,
		stderr: os.Stderr, fronts: fronts, loops: 1, counters: fakeCounters, log: discardLog(),
	})
	if err != nil {
		t.Fatal(err)
	}
	events := newEventLog()
	s.start(events, &c.Config, nil)
	t.Cleanup(func() {
		s.shutdown()
		s.free()
	})
	if err := s.ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s, events
}

func reportOf(t *testing.T, s *frontSet, slot int) (r fakeReport) {
	t.Helper()
	if err := json.Unmarshal(s.frontStatuses(context.Background())[slot].own, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLinkReachesPresentAndFutureFronts(t *testing.T) {
	s, _ := startFronts(t, 2, "")
	a, b := WorkerRef{"p", 1}, WorkerRef{"p", 2}
	s.PoolAvailable("p", Failed)
	s.WorkerReady(a, Endpoint{Network: "unix", Address: "/a", Concurrency: 5})
	s.WorkerReady(b, Endpoint{Network: "unix", Address: "/b", Concurrency: 1})
	s.WorkerGone(b)
	check := func(when string) {
		t.Helper()
		slots := 0
		for slot := range 2 {
			r := reportOf(t, s, slot)
			if r.Pools["p"] != Failed || len(r.Workers) != 1 {
				t.Errorf("%s: front %d knows %+v; want p failed, p/1", when, slot, r)
			}
			slots += r.Workers["p/1"]
		}
		if slots != 5 {
			t.Errorf("%s: %d slots in all; want 5", when, slots)
		}
	}
	check("present")
	pids := map[int]bool{}
	for _, f := range s.frontStatuses(context.Background()) {
		pids[f.pid] = true
		if err := syscall.Kill(f.pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	replaced := func() bool {
		for _, f := range s.fronts {
			if f.state != frontUp || pids[f.proc.Pid] {
				return false
			}
		}
		return true
	}
	if err := s.await(context.Background(), replaced); err != nil {
		t.Fatal(err)
	}
	check("future")
}

func TestDrainedWhenTheLastFrontSaysSo(t *testing.T) {
	s, events := startFronts(t, 2, orderSilent)
	w := WorkerRef{"p", 7}
	s.WorkerReady(w, Endpoint{Concurrency: 2})
	s.WorkerDrain(w)
	events.wantNone(t, "no front has answered")
	s.drained(0, w)
	events.wantNone(t, "one front has answered")
	s.drained(1, w)
	events.want(t, "drained p/7")
	s.drained(1, w)
	events.wantNone(t, "answered twice")
	s.WorkerDrain(w)
	s.drained(0, w)
	s.WorkerReady(w, Endpoint{Concurrency: 2})
	s.drained(1, w)
	events.wantNone(t, "it is back in rotation")
}

func TestLogOrdersReachFronts(t *testing.T) {
	s, _ := startFronts(t, 1, "")
	s.setLogLevel(config.LevelDebug)
	if got := reportOf(t, s, 0).Level; got != config.LevelDebug {
		t.Errorf("level %q; want %q", got, config.LevelDebug)
	}
	s.reopenLogs()
	if got := reportOf(t, s, 0).Level; got != "reopened" {
		t.Errorf("ReopenLogs was not called: %q", got)
	}
}

// A front that dies holds nothing any more.
func TestDrainedWhenTheFrontDies(t *testing.T) {
	s, events := startFronts(t, 1, orderSilent)
	w := WorkerRef{"p", 7}
	s.WorkerReady(w, Endpoint{Concurrency: 2})
	s.WorkerDrain(w)
	events.wantNone(t, "the front is silent")
	if err := syscall.Kill(s.frontStatuses(context.Background())[0].pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	events.want(t, "drained p/7")
}

func TestDrainedAtOnceWithoutFront(t *testing.T) {
	s, err := newFrontSet(frontOptions{fronts: 1, loops: 1, log: discardLog()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	events := newEventLog()
	s.events = events
	s.WorkerDrain(WorkerRef{"p", 1})
	events.want(t, "drained p/1")
}

func TestFrontBackoff(t *testing.T) {
	for _, tc := range []struct {
		early int
		want  time.Duration
	}{{0, 0}, {1, 0}, {2, frontBackoffMin}, {3, 2 * frontBackoffMin}, {100, frontBackoffMax}} {
		if got := frontBackoff(tc.early); got != tc.want {
			t.Errorf("frontBackoff(%d) = %s; want %s", tc.early, got, tc.want)
		}
	}
}

// A front that accepted is replaced at once, until that has happened too often in a row.
func TestFrontDeathAfterAccepting(t *testing.T) {
	s := &frontSet{log: discardLog(), changed: make(chan struct{})}
	f := &front{set: s, wasReady: true}
	for i := range frontUpDeaths + 3 {
		f.startedAt = time.Now()
		f.readyAt = f.startedAt
		got, again := f.died(errors.New("signal: killed"))
		if want := frontBackoff(i + 1 - frontUpDeaths); got != want || !again {
			t.Errorf("death %d: wait %s, %v; want %s", i+1, got, again, want)
		}
	}
	f.startedAt, f.readyAt, f.early = time.Now(), time.Time{}, 2
	if got, _ := f.died(errors.New("exit status 1")); got != frontBackoff(3) {
		t.Errorf("a death before accepting: wait %s; want %s", got, frontBackoff(3))
	}
}

func TestFrontEnv(t *testing.T) {
	env := []string{"PATH=/bin", "LISTEN_FDS=1", "NOTIFY_SOCKET=/x", "WATCHDOG_USEC=1", "HOME=/", "TZ=UTC",
		"GODEBUG=x", "API_KEY=s3cret", "WEIR_CONFIG=/x"}
	if got, want := strings.Join(frontEnv(env), " "), "TZ=UTC GODEBUG=x"; got != want {
		t.Errorf("frontEnv = %q; want %q", got, want)
	}
	if got, want := strings.Join(hostedEnv(env), " "), "PATH=/bin HOME=/ API_KEY=s3cret"; got != want {
		t.Errorf("hostedEnv = %q; want %q", got, want)
	}
}

// A peer that does not read must not stop those who speak to it, and must be found out.
func TestControlQueueSlowPeer(t *testing.T) {
	a, _ := controlEnds(t, false)
	q := &controlQueue{conn: a, slow: 20 * time.Millisecond, wake: make(chan struct{}, 1),
		done: make(chan struct{})}
	go q.run()
	for range 2000 {
		q.put("x", strings.Repeat("y", 1000))
	}
	<-q.done
	if err := q.cause(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cause() = %v; want %v", err, os.ErrDeadlineExceeded)
	}
	if _, _, err := a.Recv(); err == nil {
		t.Error("the channel is still open")
	}
}

func TestControlQueueBound(t *testing.T) {
	q := &controlQueue{wake: make(chan struct{}, 1)} // nobody sends
	for range frontQueueMax {
		q.put("x", nil)
	}
	if err := q.cause(); err != nil {
		t.Fatalf("cause() = %v before the bound", err)
	}
	q.put("x", nil)
	if q.cause() == nil || len(q.items) != frontQueueMax {
		t.Errorf("cause() = %v with %d messages; want an error, %d", q.cause(), len(q.items), frontQueueMax)
	}
}

func TestControlQueueOrder(t *testing.T) {
	a, b := controlEnds(t, false)
	q := newControlQueue(a)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 500 {
			q.put("n", i)
		}
		q.close(true)
	})
	for i := range 500 {
		m, _, err := b.Recv()
		var n int
		if err == nil {
			err = m.Decode(&n)
		}
		if err != nil || n != i {
			t.Fatalf("message %d = %d, %v", i, n, err)
		}
	}
	wg.Wait()
	<-q.done
}

func TestSessionRefusesAnotherVersion(t *testing.T) {
	ours, theirs, err := socketPair(controlSocketType)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewControlConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	counters, err := NewCounters(fakeCounters, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer counters.Close()
	m, err := NewMessage(kindHello, helloBody{Version: controlVersion + 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(&m, []int{int(counters.file.Fd())}); err != nil {
		t.Fatal(err)
	}
	if _, err := AttachFront(theirs); err == nil || !strings.Contains(err.Error(), "speaks version") {
		t.Errorf("AttachFront = %v; want a refusal", err)
	}
}

// A pool's worker must not notice that the front died.
func TestWorkerSurvivesFront(t *testing.T) {
	c := singleLoop(instanceConfig(shortDir(t), "", "127.0.0.1:0"))
	p := config.DefaultPool("p")
	p.Command, p.Dir, p.Workers = []string{os.Args[0]}, "", config.FixedWorkers(1)
	p.Env.Set = map[string]string{"TEST_ROLE": "serve"}
	c.Config.Pools = []config.Pool{p}
	in := startInstance(t, c)
	if got := in.status.String(); !strings.Contains(got, ", workers 1/1, ") {
		t.Errorf("ready line %q; want workers 1/1", got)
	}
	before := in.state()
	front := before.Fronts[0].PID
	if err := syscall.Kill(front, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	fs := in.sup.fronts
	if err := fs.await(context.Background(), func() bool {
		f := fs.fronts[0]
		return f.state == frontUp && f.proc.Pid != front
	}); err != nil {
		t.Fatal(err)
	}
	after := in.state()
	if got, want := after.Pools[0].Workers[0].PID, before.Pools[0].Workers[0].PID; got != want {
		t.Errorf("worker pid %d; want %d as before", got, want)
	}
	if got := in.report(after).Workers; len(got) != 1 || got["p/1"] == 0 {
		t.Errorf("the new front has workers %v; want p/1", got)
	}
	if err := in.client.Recycle(context.Background(), "p", true); err != nil {
		t.Errorf("Recycle = %v", err)
	}
	if got := in.report(in.state()).Workers; len(got) != 1 || got["p/2"] == 0 {
		t.Errorf("after recycling the front has workers %v; want p/2", got)
	}
}

func TestCommandNotFoundEndsTheStart(t *testing.T) {
	c := instanceConfig(shortDir(t), "", "127.0.0.1:0")
	p := config.DefaultPool("p")
	p.Command, p.Dir = []string{"weir-no-such-program"}, ""
	p.Workers = config.FixedWorkers(1)
	c.Config.Pools = []config.Pool{p}
	in := newInstance(t, c)
	in.run()
	if err := in.join(); !errors.Is(err, ErrCommandNotFound) {
		t.Errorf("Run() = %v; want %v", err, ErrCommandNotFound)
	}
}

// TestSync: it returns when every front has carried out what it was told before, and does not wait for
// one that has ended.
func TestSync(t *testing.T) {
	s, _ := startFronts(t, 2, "")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for range 3 {
		if err := s.sync(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	for _, f := range s.fronts {
		if f.synced != 3 {
			t.Errorf("front %d: synced %d; want 3", f.slot, f.synced)
		}
	}
	s.mu.Unlock()
	pid := s.frontStatuses(ctx)[0].pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	soon, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if err := s.sync(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sync with a front that stands still: %v; want it to wait", err)
	}
	waited := make(chan error)
	go func() { waited <- s.sync(ctx) }()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("sync with a front that ended: %v", err)
	}
}
