package supervisor

import (
	"errors"
	"testing"
	"time"

	"weir/supervisor/config"
)

func TestBackoffBeforeReady(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.RapidFail.Failures = config.CountOff })
	n := uint64(1)
	for _, wait := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000} {
		wait *= time.Millisecond
		m.happens(n, evExited)
		m.env.calls = nil
		m.later(wait - time.Millisecond)
		m.want("before the back-off is over")
		m.later(time.Millisecond)
		n++
		m.want("after the back-off", "spawn "+itoa(n))
		m.happens(n, evSpawned)
	}
}

func itoa(n uint64) string { return WorkerRef{"", n}.String()[1:] }

func TestDeathFromReadyIsReplacedAtOnce(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	m.later(time.Minute)
	m.env.calls = nil
	m.happens(1, evExited)
	m.want("a death from ready", "gone 1", "forget 1", "spawn 2")
	m.wantState("no worker is ready", PoolStarting)
	if len(m.p.failures) != 0 {
		t.Error("a death long after ready counts as a failure")
	}
}

func TestEarlyDeathsBackOffUnlessServed(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.RapidFail.Failures = config.CountOff })
	m.happens(1, evReady)
	m.env.calls = nil
	m.happens(1, evExited)
	m.want("the first early death", "gone 1", "forget 1", "spawn 2")
	m.happens(2, evSpawned)
	m.happens(2, evReady)
	m.env.calls = nil
	m.happens(2, evExited)
	m.want("the second in a row", "gone 2", "forget 2")
	m.later(100 * time.Millisecond)
	m.want("after the back-off", "spawn 3")
	m.happens(3, evSpawned)
	m.happens(3, evReady)
	m.happens(3, evServed)
	m.env.calls = nil
	m.happens(3, evExited)
	m.want("a worker that served", "gone 3", "forget 3", "spawn 4")
	if len(m.p.failures) != 3 {
		t.Errorf("%d failures; want 3: each died within 10 s of ready", len(m.p.failures))
	}
}

func TestRapidFailNeedsNoReadyWorker(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Workers, c.RapidFail.Failures = 2, 3 })
	m.happens(1, evReady)
	n := uint64(2)
	for range 5 {
		m.happens(n, evExited)
		m.later(time.Minute / 2)
		n++
		m.happens(n, evSpawned)
	}
	m.wantState("one worker serves", PoolRunning)
	m.env.calls = nil
	m.happens(1, evExited)
	m.happens(n, evExited)
	m.wantState("none serves", PoolFailed)
}

func TestHalfOpenProbes(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Workers, c.RapidFail.Failures = 3, 1 })
	m.happens(1, evExited)
	m.happens(2, evExited)
	m.happens(3, evExited)
	m.wantState("after the failure", PoolFailed)
	m.env.calls = nil
	m.later(1600*time.Millisecond - 1)
	m.want("before the probe")
	m.later(1)
	m.want("the probe is one worker", "spawn 4")
	m.happens(4, evSpawned)
	m.happens(4, evExited)
	m.env.calls = nil
	m.later(3200*time.Millisecond - 1)
	m.want("the next probe waits longer")
	m.later(1)
	m.want("the next probe", "spawn 5")
	m.happens(5, evSpawned)
	m.env.calls = nil
	m.happens(5, evReady)
	m.want("healed", "ready 5 8", "available", "spawn 6", "spawn 7")
	m.wantState("healed", PoolRunning)
}

func TestStayDownAndExit(t *testing.T) {
	told := ""
	for _, then := range []config.Then{config.ThenStayDown, config.ThenExit} {
		m := started(t, func(c *PoolConfig) {
			c.RapidFail = config.RapidFail{Failures: 1, Then: then}
		})
		m.ps.opts.OnExit = func(pool string, err error) {
			if errors.Is(err, ErrPoolFailed) {
				told = pool
			}
		}
		m.happens(1, evExited)
		m.env.calls = nil
		m.later(time.Hour)
		m.want(string(then)+": no probe", []string(nil)...)
		if want := map[config.Then]string{config.ThenExit: "shop"}[then]; told != want {
			t.Errorf("%s: OnExit told of %q; want %q", then, told, want)
		}
	}
}

func TestReadyDeadline(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Ready.Timeout = config.Duration(time.Minute) })
	m.later(time.Minute - 1)
	m.want("before")
	m.later(1)
	m.want("at the deadline", "examine 1")
	m.happens(1, evExamined)
	m.want("once known", "SIGKILL 1")
	m.later(time.Second)
	m.want("its place is filled after the back-off", "spawn 2")
}

func TestStopLadder(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.StopTimeout = config.Duration(time.Minute) })
	m.happens(1, evReady)
	m.env.calls = nil
	m.p.event(evPoolStop, m.env.t)
	m.want("asked to stop", "stopped", "drain 1")
	m.later(time.Minute)
	m.want("the drain takes too long", "SIGTERM 1")
	m.later(time.Minute)
	m.want("SIGTERM does not help", "SIGKILL 1")
	m.later(killPatience)
	m.want("nor does SIGKILL: said, and tried again", "SIGKILL 1")
	m.happens(1, evExited)
	m.want("at last", "gone 1", "forget 1")
	m.wantState("at last", PoolStopped)
	m.later(time.Hour)
	m.want("a stopped pool stays stopped")
}

func TestHangRule(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	m.later(time.Minute)
	m.env.calls = nil
	m.happens(1, evHung)
	m.want("kill", "drain 1", "SIGTERM 1", "spawn 2")

	m = started(t, func(c *PoolConfig) { c.Hang.Action = config.HangLog })
	m.happens(1, evReady)
	m.env.calls = nil
	m.happens(1, evHung)
	m.want("log")
}

func TestRecycleOneAfterTheOther(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Workers = 2 })
	m.happens(1, evReady)
	m.happens(2, evReady)
	m.env.calls = nil
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.want("surge is one", "spawn 3")
	m.happens(3, evSpawned)
	m.happens(3, evReady)
	m.want("ready first, then the old goes, then the next", "ready 3 8", "drain 1", "spawn 4")
	m.happens(1, evDrained)
	m.happens(1, evExited)
	m.happens(4, evSpawned)
	m.happens(4, evReady)
	m.happens(2, evDrained)
	m.wantWaiting("one old worker is there", w)
	m.happens(2, evExited)
	m.wantResult("all old workers are gone", w, "")
}

// wait makes w one of the pool's waiters, as Pool.wait does.
func (m *machine) wait(w *waiter) *waiter {
	w.ch = make(chan error, 1)
	m.p.waiters = append(m.p.waiters, w)
	m.p.settle(m.env.t)
	return w
}

func (m *machine) wantWaiting(why string, w *waiter) {
	m.Helper()
	if len(w.ch) != 0 {
		m.Errorf("%s: told %v; want it to wait", why, <-w.ch)
	}
}

func (m *machine) wantResult(why string, w *waiter, want string) {
	m.Helper()
	if len(w.ch) == 0 {
		m.Fatalf("%s: nothing told", why)
	}
	got := ""
	if err := <-w.ch; err != nil {
		got = err.Error()
	}
	if got != want {
		m.Errorf("%s: told %q; want %q", why, got, want)
	}
}

func TestRecycleCalledOff(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.happens(2, evSpawned)
	m.env.calls = nil
	m.happens(2, evExited)
	m.wantResult("the replacement died", w,
		"supervisor: pool shop: replacement: supervisor: worker shop/2 (pid 1002): exit status 1")
	m.later(time.Hour)
	m.want("the old worker stays, nothing is tried again", "forget 2")
	m.wantState("the old worker stays", PoolRunning)
}

func TestRecycleRefused(t *testing.T) {
	m := newMachine(t, nil)
	m.wantResult("stopped", m.wait(m.p.recycle(order{causeCommand, ""}, 0, m.env.t)),
		"supervisor: pool shop: recycle: pool is stopped")
	m = started(t, nil)
	m.wantResult("unknown worker", m.wait(m.p.recycle(order{causeCommand, ""}, 9, m.env.t)),
		"supervisor: pool shop: worker 9: no such worker")
}

func TestOldWorkerDiesDuringRecycle(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	m.p.recycle(order{causeCommand, "test"}, 0, m.env.t)
	m.env.calls = nil
	m.happens(1, evExited)
	m.want("its replacement takes its place, no third is started", "gone 1", "forget 1")
	m.later(time.Second)
	m.want("nor later")
}

func TestApplyWorkersUpAndDown(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	m.env.calls = nil
	c := *m.p.conf
	c.Workers = 3
	m.p.apply(c, m.env.t)
	m.want("up", "spawn 2", "spawn 3")
	c.Workers = 1
	m.p.apply(c, m.env.t)
	m.want("down: the youngest first", "SIGTERM 3", "SIGTERM 2")
	if m.p.workers[1].state != WorkerReady {
		t.Error("the first worker was touched")
	}
}

func TestApplyGoesOnTrying(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	c := *m.p.conf
	c.Command = []string{"other"}
	w := m.wait(m.p.apply(c, m.env.t))
	m.env.calls = nil
	m.happens(2, evSpawnFailed)
	if len(w.ch) == 0 || !errors.Is(<-w.ch, ErrCommandNotFound) {
		t.Error("the failed replacement was not told")
	}
	m.later(100 * time.Millisecond)
	m.want("the old worker stays and the new one is tried again", "forget 2", "spawn 3")
	m.happens(3, evSpawned)
	m.env.calls = nil
	m.happens(3, evReady)
	m.want("until it works", "ready 3 8", "drain 1")
}

func TestAskedToLeaveBeforeSpawned(t *testing.T) {
	m := newMachine(t, nil)
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.p.event(evPoolStop, m.env.t)
	m.env.calls = nil
	m.happens(1, evSpawned)
	m.want("it is told as soon as it is there", "SIGTERM 1")
}

func TestLateEventsOfUnknownWorkers(t *testing.T) {
	m := started(t, nil)
	m.happens(77, evDrained)
	m.ps.dispatch(&event{worker: WorkerRef{"other", 1}, kind: evHung}, m.env.t)
	m.want("nothing")
}

func TestRefusedHintsAreBounded(t *testing.T) {
	m := started(t, nil)
	for range 1000 {
		m.ps.WorkerRefused(WorkerRef{"shop", 1}, "connection refused")
	}
	if n := len(m.ps.inbox); n != 1 {
		t.Errorf("%d hints wait; want 1 per worker", n)
	}
}

func TestAnnounce(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Workers = 2 })
	m.happens(1, evReady)
	m.happens(2, evReady)
	m.p.dismiss(m.p.workers[2], "test", m.env.t)
	front := &fakeEnv{}
	m.ps.announce(front)
	m.env.calls = front.calls
	m.want("a new front", "available", "ready 1 8", "drain 2")
}
