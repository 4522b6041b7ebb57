package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

// fakeEnv is env and Link in one: it records, and its clock stands.
type fakeEnv struct {
	t     time.Time
	calls []string
	used  time.Duration // processor time of every worker
	mem   memory        // what measure finds
	holds bool          // measure is not done until the test says so
	held  []func()
	view  memoryView        // what memory finds
	slow  time.Duration     // slow start of the last worker put into rotation
	files fileSet           // what scan finds
	part  float64           // what spread gives
	place place             // where workers are spawned
	found map[uint64]string // what an audit finds of a worker
}

func (f *fakeEnv) note(format string, a ...any) { f.calls = append(f.calls, fmt.Sprintf(format, a...)) }

func (f *fakeEnv) now() time.Time                       { return f.t }
func (f *fakeEnv) jitter(d time.Duration) time.Duration { return d }
func (f *fakeEnv) spawn(w WorkerRef, _ *PoolConfig)     { f.note("spawn %d", w.N) }
func (f *fakeEnv) examine(w WorkerRef)                  { f.note("examine %d", w.N) }
func (f *fakeEnv) recheck(w WorkerRef, _ Endpoint)      { f.note("recheck %d", w.N) }
func (f *fakeEnv) spread() float64                      { return f.part }
func (f *fakeEnv) lines(WorkerRef) []string             { return nil }
func (f *fakeEnv) suspend(w WorkerRef)                  { f.note("suspend %d", w.N) }
func (f *fakeEnv) resume(w WorkerRef)                   { f.note("resume %d", w.N) }
func (f *fakeEnv) memory() memoryView                   { return f.view }
func (f *fakeEnv) forget(w WorkerRef)                   { f.note("forget %d", w.N) }
func (f *fakeEnv) measure(_ []WorkerRef, _ bool, done func(memory)) {
	if f.holds {
		f.held = append(f.held, func() { done(f.mem) })
		return
	}
	done(f.mem)
}
func (f *fakeEnv) scan(_ []string, done func(fileSet)) { done(f.files) }
func (f *fakeEnv) cpuTime(w WorkerRef) (time.Duration, error) {
	f.note("cpu %d", w.N)
	return f.used, nil
}
func (f *fakeEnv) ping(w WorkerRef, n uint64)     { f.note("ping %d %d", w.N, n) }
func (f *fakeEnv) autopsy(w WorkerRef, a autopsy) { f.note("autopsy %d %s %s", w.N, a.dump, a.hook) }
func (f *fakeEnv) hook(h hook)                    { f.note("hook %s %d", h.args(), h.pid) }
func (f *fakeEnv) rss(WorkerRef) (int64, bool)    { return 4096, true }
func (f *fakeEnv) verify(w WorkerRef) string      { return f.found[w.N] }
func (f *fakeEnv) disown(w WorkerRef)             { f.note("disown %d", w.N) }
func (f *fakeEnv) fetch(w WorkerRef, _ Endpoint, c config.Ping) {
	f.note("fetch %d %s", w.N, c.HTTP)
}
func (f *fakeEnv) signal(w WorkerRef, kill bool) {
	if kill {
		f.note("SIGKILL %d", w.N)
	} else {
		f.note("SIGTERM %d", w.N)
	}
}

func (f *fakeEnv) PoolAvailable(_ string, a Availability) {
	f.note("%s", [...]string{"available", "failed", "stopped", "disabled"}[a])
}
func (f *fakeEnv) WorkerReady(w WorkerRef, e Endpoint) {
	f.slow = e.SlowStart
	f.note("ready %d %d", w.N, e.Concurrency)
}
func (f *fakeEnv) WorkerDrain(w WorkerRef)          { f.note("drain %d", w.N) }
func (f *fakeEnv) WorkerRest(w WorkerRef)           { f.note("rest %d", w.N) }
func (f *fakeEnv) WorkerFail(w WorkerRef, _ string) { f.note("fail %d", w.N) }
func (f *fakeEnv) WorkerGone(w WorkerRef)           { f.note("gone %d", w.N) }

// machine drives one pool without processes, in the words of the life of workers. Its test's goroutine
// is the main loop.
type machine struct {
	*testing.T
	env *fakeEnv
	ps  *Pools
	p   *Pool
}

// newMachine has a pool "shop" with one worker wanted, stopped.
func newMachine(t *testing.T, change func(*PoolConfig)) *machine {
	t.Helper()
	m := &machine{T: t, env: &fakeEnv{t: time.Unix(1e9, 0), mem: memory{free: -1}}}
	m.ps = newPools(PoolsOptions{Link: m.env})
	m.ps.env = m.env
	c := PoolConfig{Name: "shop", Command: []string{"app"}, Concurrency: 8}
	if change != nil {
		change(&c)
	}
	m.p = m.ps.add(c)
	m.env.calls = nil
	return m
}

// started is newMachine with the pool started and its workers spawned: 1 to Workers.
func started(t *testing.T, change func(*PoolConfig)) *machine {
	t.Helper()
	m := newMachine(t, change)
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	for n := range m.p.workers {
		m.happens(n, evSpawned)
	}
	m.env.calls = nil
	return m
}

// happens brings an event to worker n, as the loop does.
func (m *machine) happens(n uint64, kind workerEvent) {
	m.Helper()
	e := event{worker: WorkerRef{"shop", n}, kind: kind, text: "test"}
	switch kind {
	case evSpawned:
		e.pid, e.place = int(1000+n), m.env.place
	case evReady:
		e.endpoint = Endpoint{Network: "unix", Address: "/s"}
	case evSpawnFailed:
		e.err = fmt.Errorf("spawn: %w", ErrCommandNotFound)
	case evExited:
		e.exit = ExitStatus{How: "exit status 1"}
	}
	m.ps.dispatch(&e, m.env.t)
}

// later moves the clock and lets clocks ring, each at its own time.
func (m *machine) later(d time.Duration) {
	end := m.env.t.Add(d)
	for {
		at := m.ps.next()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(m.env.t) {
			m.env.t = at
		}
		m.ps.turn(nil)
	}
	m.env.t = end
	m.ps.turn(nil)
}

// want checks what was asked for since the last want, in order.
func (m *machine) want(why string, calls ...string) {
	m.Helper()
	if !slices.Equal(m.env.calls, calls) {
		m.Errorf("%s: calls %q; want %q", why, m.env.calls, calls)
	}
	m.env.calls = nil
}

func (m *machine) wantState(why string, want PoolState) {
	m.Helper()
	if m.p.state != want {
		m.Errorf("%s: pool is %s; want %s", why, m.p.state, want)
	}
}

// workerSteps is the worker's table as behaviour: what each event does in each state.
// "state: calls"; "bug" panics.
var workerSteps = map[WorkerState]map[workerEvent]string{
	WorkerStarting: {
		evDisable: "starting", evEnable: "starting",
		evSuspend: "starting", evWake: "starting",
		evSpawned: "starting", evSpawnFailed: "gone: forget 1", evReady: "ready: ready 1 8",
		evReadyLate: "starting: examine 1", evExamined: "stopping: SIGKILL 1",
		evStopNotice: "stopping: SIGTERM 1", evServed: "starting", evRefused: "starting",
		evUnserving: "starting", evSilent: "bug", evHung: "starting", evOrphan: "starting",
		evAutopsied: "bug", evKeepLate: "bug", evDrain: "stopping: SIGTERM 1",
		evDrained: "starting", evDrainLate: "bug", evStopLate: "bug", evKillLate: "bug",
		evKill: "stopping: SIGKILL 1", evExited: "gone: forget 1",
	},
	WorkerReady: {
		evDisable: "disabling: rest 1", evEnable: "ready",
		evSuspend: "suspending: drain 1", evWake: "ready",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "ready", evReadyLate: "bug",
		evExamined: "ready", evStopNotice: "draining: drain 1", evServed: "ready",
		evRefused: "ready: recheck 1", evUnserving: "stopping: drain 1, SIGTERM 1",
		evSilent: "ready: fail 1", evHung: "stopping: drain 1, SIGTERM 1",
		evOrphan: "orphaned: drain 1", evAutopsied: "bug", evKeepLate: "bug",
		evDrain: "draining: drain 1", evDrained: "ready",
		evDrainLate: "bug", evStopLate: "bug", evKillLate: "bug",
		evKill: "stopping: drain 1, SIGKILL 1", evExited: "gone: gone 1, forget 1",
	},
	WorkerSuspending: {
		evDisable: "disabling", evEnable: "ready: resume 1, ready 1 8",
		evSilent: "bug", evOrphan: "suspending", evAutopsied: "bug", evKeepLate: "bug",
		evSuspend: "suspending", evWake: "ready: resume 1, ready 1 8",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "suspending", evReadyLate: "bug",
		evExamined: "suspending", evStopNotice: "draining", evServed: "suspending",
		evRefused: "suspending", evUnserving: "stopping: SIGTERM 1", evHung: "stopping: SIGTERM 1",
		evDrain: "draining", evDrained: "suspended: suspend 1",
		evDrainLate: "bug", evStopLate: "bug", evKillLate: "bug",
		evKill: "stopping: SIGKILL 1", evExited: "gone: gone 1, forget 1",
	},
	WorkerSuspended: {
		evDisable: "disabled: resume 1", evEnable: "ready: resume 1, ready 1 8",
		evSilent: "bug", evOrphan: "suspended", evAutopsied: "bug", evKeepLate: "bug",
		evSuspend: "suspended", evWake: "ready: resume 1, ready 1 8",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "suspended", evReadyLate: "bug",
		evExamined: "suspended", evStopNotice: "stopping: resume 1, SIGTERM 1",
		evServed: "suspended", evRefused: "suspended", evUnserving: "suspended",
		evHung: "suspended", evDrain: "stopping: resume 1, SIGTERM 1", evDrained: "suspended",
		evDrainLate: "bug", evStopLate: "bug", evKillLate: "bug",
		evKill: "stopping: SIGKILL 1", evExited: "gone: gone 1, forget 1",
	},
	WorkerDisabling: {
		evDisable: "disabling", evEnable: "ready: resume 1, ready 1 8",
		evSilent: "bug", evOrphan: "orphaned", evAutopsied: "bug", evKeepLate: "bug",
		evSuspend: "disabling", evWake: "disabling",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "disabling", evReadyLate: "bug",
		evExamined: "disabling", evStopNotice: "draining", evServed: "disabling",
		evRefused: "disabling", evUnserving: "disabling", evHung: "stopping: SIGTERM 1",
		evDrain: "draining", evDrained: "disabled",
		evDrainLate: "bug", evStopLate: "bug", evKillLate: "bug",
		evKill: "stopping: SIGKILL 1", evExited: "gone: gone 1, forget 1",
	},
	WorkerDisabled: {
		evDisable: "disabled", evEnable: "ready: resume 1, ready 1 8",
		evSilent: "bug", evOrphan: "disabled", evAutopsied: "bug", evKeepLate: "bug",
		evSuspend: "disabled", evWake: "disabled",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "disabled", evReadyLate: "bug",
		evExamined: "disabled", evStopNotice: "stopping: SIGTERM 1", evServed: "disabled",
		evRefused: "disabled", evUnserving: "disabled", evHung: "disabled",
		evDrain: "stopping: SIGTERM 1", evDrained: "disabled",
		evDrainLate: "bug", evStopLate: "bug", evKillLate: "bug",
		evKill: "stopping: SIGKILL 1", evExited: "gone: gone 1, forget 1",
	},
	WorkerDraining: {
		evDisable: "draining", evEnable: "draining",
		evSuspend: "draining", evWake: "draining",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "draining", evReadyLate: "bug",
		evExamined: "draining", evStopNotice: "draining", evServed: "draining",
		evRefused: "draining", evUnserving: "draining", evSilent: "bug",
		evHung: "stopping: SIGTERM 1", evOrphan: "orphaned", evAutopsied: "bug", evKeepLate: "bug",
		evDrain: "draining", evDrained: "stopping: SIGTERM 1",
		evDrainLate: "stopping: SIGTERM 1", evStopLate: "bug", evKillLate: "bug",
		evKill: "stopping: SIGKILL 1", evExited: "gone: gone 1, forget 1",
	},
	WorkerOrphaned: {
		evDisable: "orphaned", evEnable: "orphaned",
		evSuspend: "orphaned", evWake: "orphaned",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "orphaned", evReadyLate: "bug",
		evExamined: "orphaned", evStopNotice: "orphaned", evServed: "orphaned",
		evRefused: "orphaned", evUnserving: "orphaned", evSilent: "bug", evHung: "orphaned",
		evOrphan: "orphaned", evAutopsied: "orphaned", evKeepLate: "stopping: SIGKILL 1",
		evDrain: "stopping: SIGKILL 1", evDrained: "orphaned", evDrainLate: "bug",
		evStopLate: "bug", evKillLate: "bug", evKill: "stopping: SIGKILL 1",
		evExited: "gone: gone 1, forget 1",
	},
	WorkerStopping: {
		evDisable: "stopping", evEnable: "stopping",
		evSuspend: "stopping", evWake: "stopping",
		evSpawned: "stopping: SIGTERM 1", evSpawnFailed: "gone: forget 1", evReady: "stopping",
		evReadyLate: "bug", evExamined: "stopping", evStopNotice: "stopping",
		evServed: "stopping", evRefused: "stopping", evUnserving: "stopping", evHung: "stopping",
		evSilent: "bug", evOrphan: "stopping", evAutopsied: "stopping: SIGTERM 1", evKeepLate: "bug",
		evDrain: "stopping", evDrained: "stopping", evDrainLate: "bug",
		evStopLate: "stopping: SIGKILL 1", evKillLate: "stopping: SIGKILL 1",
		evKill: "stopping: SIGKILL 1", evExited: "gone: gone 1, forget 1",
	},
	WorkerGone: {
		evDisable: "gone", evEnable: "gone",
		evSuspend: "gone", evWake: "gone",
		evSpawned: "bug", evSpawnFailed: "bug", evReady: "gone", evReadyLate: "bug",
		evExamined: "gone", evStopNotice: "gone", evServed: "gone", evRefused: "gone",
		evUnserving: "gone", evSilent: "bug", evHung: "gone", evOrphan: "gone",
		evAutopsied: "gone", evKeepLate: "bug", evDrain: "gone", evDrained: "gone",
		evDrainLate: "bug", evStopLate: "bug", evKillLate: "bug", evKill: "gone", evExited: "bug",
	},
}

// waysTo are events that bring a spawned worker to each state.
var waysTo = [workerStateCount][]workerEvent{
	WorkerReady:      {evReady},
	WorkerSuspending: {evReady, evSuspend},
	WorkerSuspended:  {evReady, evSuspend, evDrained},
	WorkerDisabling:  {evReady, evDisable},
	WorkerDisabled:   {evReady, evDisable, evDrained},
	WorkerDraining:   {evReady, evDrain},
	WorkerOrphaned:   {evReady, evOrphan},
	WorkerStopping:   {evReady, evDrain, evDrained},
	WorkerGone:       {evReady, evDrain, evDrained, evExited},
}

func TestWorkerTable(t *testing.T) {
	for s := range workerStateCount {
		for e := range workerEventCount {
			want, ok := workerSteps[s][e]
			if !ok {
				t.Errorf("%s, %s: no expectation", s, e)
				continue
			}
			m := started(t, func(c *PoolConfig) { c.RapidFail.Failures = config.CountOff })
			w := m.p.workers[1]
			way := waysTo[s]
			if s == WorkerStopping && (e == evSpawnFailed || e == evSpawned) {
				way = []workerEvent{evDrain} // it was never ready
			}
			for _, step := range way {
				w.handle(&event{kind: step}, m.env.t)
			}
			m.env.calls = nil
			if got := stepOf(m, w, e); got != want {
				t.Errorf("%s, %s: %s; want %s", s, e, got, want)
			}
		}
	}
}

// stepOf is what e does to w, in the form of workerSteps.
func stepOf(m *machine, w *worker, e workerEvent) (got string) {
	defer func() {
		if v := recover(); v != nil {
			if !strings.Contains(fmt.Sprint(v), "cannot happen") {
				panic(v)
			}
			got = "bug"
		}
	}()
	w.handle(&event{kind: e, err: errors.New("no process"), pid: 7}, m.env.t)
	got = w.state.String()
	if len(m.env.calls) > 0 {
		got += ": " + strings.Join(m.env.calls, ", ")
	}
	return got
}

// poolSteps is the pool's table as behaviour, in the form of workerSteps.
var poolSteps = map[PoolState]map[poolEvent]string{
	PoolStopped: {
		evPoolAllOff: "stopped",
		evPoolRest:   "stopped",
		evPoolStart:  "starting: available, spawn 1", evPoolStop: "stopped", evPoolUp: "stopped",
		evPoolDown: "stopped", evPoolRapid: "stopped", evPoolProbe: "stopped",
		evPoolEmpty: "stopped", evPoolDrain: "stopped", evPoolDisable: "disabled: disabled",
		evPoolVacant: "stopped",
	},
	PoolStarting: {
		evPoolAllOff: "starting: disabled, available",
		evPoolRest:   "running",
		evPoolStart:  "starting", evPoolStop: "starting: stopped, SIGTERM 1", evPoolUp: "running",
		evPoolDown: "starting", evPoolRapid: "failed: failed", evPoolProbe: "starting",
		evPoolEmpty: "stopped", evPoolDrain: "starting: stopped, SIGTERM 1",
		evPoolDisable: "starting: disabled, SIGTERM 1", evPoolVacant: "disabled",
	},
	PoolRunning: {
		evPoolAllOff: "starting: disabled, available",
		evPoolRest:   "running",
		evPoolStart:  "running", evPoolStop: "running: stopped, drain 1", evPoolUp: "running",
		evPoolDown: "starting", evPoolRapid: "failed: failed", evPoolProbe: "running",
		evPoolEmpty: "stopped", evPoolDrain: "running: stopped, drain 1",
		evPoolDisable: "running: disabled, drain 1", evPoolVacant: "disabled",
	},
	PoolFailed: {
		evPoolAllOff: "failed",
		evPoolRest:   "failed",
		evPoolStart:  "starting: available, spawn 2", evPoolStop: "stopped: stopped",
		evPoolUp: "running: available, spawn 2", evPoolDown: "failed", evPoolRapid: "failed",
		evPoolProbe: "failed: spawn 2", evPoolEmpty: "stopped",
		evPoolDrain: "stopped: stopped", evPoolDisable: "disabled: disabled",
		evPoolVacant: "disabled",
	},
	PoolDisabled: { // by a verb; see everyWorkerDisabled. What is heard of workers does not come here
		evPoolAllOff: "disabled", evPoolRest: "disabled",
		evPoolStart: "starting: available, spawn 1", evPoolStop: "stopped: stopped",
		evPoolUp: "disabled: disabled", evPoolDown: "disabled: disabled", evPoolRapid: "disabled: failed",
		evPoolProbe: "disabled", evPoolEmpty: "stopped", evPoolDrain: "disabled",
		evPoolDisable: "disabled", evPoolVacant: "disabled",
	},
}

// everyWorkerDisabled is what the events of a pool do where it is disabled by that.
var everyWorkerDisabled = map[poolEvent]string{
	evPoolAllOff: "disabled", evPoolRest: "disabled",
	evPoolStart: "disabled: disabled", evPoolStop: "disabled: stopped, SIGTERM 1",
	evPoolUp: "disabled: available, disabled", evPoolDown: "disabled: available, disabled",
	evPoolRapid: "failed: failed", evPoolProbe: "disabled", evPoolEmpty: "stopped",
	evPoolDrain: "disabled: stopped, SIGTERM 1", evPoolDisable: "disabled: SIGTERM 1",
	evPoolVacant: "disabled",
}

func TestPoolTable(t *testing.T) {
	for s := range poolStateCount {
		for e := range poolEventCount {
			want, ok := poolSteps[s][e]
			if !ok {
				t.Errorf("%s, %s: no expectation", s, e)
				continue
			}
			poolIn(t, s).wantStep(s.String(), e, want)
		}
	}
	for e := range poolEventCount {
		m := servingWorkers(t, 1)
		m.disable(1)
		m.env.calls = nil
		m.wantStep("every worker is disabled", e, everyWorkerDisabled[e])
	}
}

// wantStep wants what e does, in the form of poolSteps.
func (m *machine) wantStep(desc string, e poolEvent, want string) {
	m.Helper()
	m.p.event(e, m.env.t)
	if m.p.state != PoolStopped && e != evPoolEmpty && e != evPoolVacant {
		m.p.settle(m.env.t)
	}
	got := m.p.state.String()
	if len(m.env.calls) > 0 {
		got += ": " + strings.Join(m.env.calls, ", ")
	}
	if got != want {
		m.Errorf("%s, %s: %s; want %s", desc, e, got, want)
	}
}

// poolIn brings a pool into a state by what happens to its worker.
func poolIn(t *testing.T, s PoolState) *machine {
	t.Helper()
	if s == PoolStopped {
		return newMachine(t, nil)
	}
	if s == PoolDisabled {
		m := newMachine(t, nil)
		m.p.event(evPoolDisable, m.env.t)
		m.env.calls = nil
		return m
	}
	m := started(t, func(c *PoolConfig) { c.RapidFail.Failures = 1 })
	switch s {
	case PoolRunning:
		m.happens(1, evReady)
	case PoolFailed:
		m.happens(1, evExited)
	}
	m.wantState("set up", s)
	m.env.calls = nil
	return m
}
