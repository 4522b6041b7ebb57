package supervisor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

// disable disables worker n, which holds nothing.
func (m *machine) disable(n uint64) {
	m.Helper()
	w := m.wait(m.p.disableWorker(n, m.env.t))
	m.happens(n, evDrained)
	m.wantResult("disabled", w, "")
}

// wantStates wants the workers that there are to be in these states, oldest first.
func (m *machine) wantStates(why string, want ...WorkerState) {
	m.Helper()
	var got []WorkerState
	for _, n := range m.p.sortedWorkers() {
		got = append(got, m.p.workers[n].state)
	}
	if len(got) != len(want) {
		m.Fatalf("%s: workers are %v; want %v", why, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			m.Errorf("%s: workers are %v; want %v", why, got, want)
			return
		}
	}
}

func TestDisableWorker(t *testing.T) {
	m := servingWorkers(t, 2)
	lines := m.logged()
	w := m.wait(m.p.disableWorker(1, m.env.t))
	m.want("it leaves rotation, and nobody is started", "rest 1")
	m.later(time.Hour)
	m.wantWaiting("what has begun may take an hour", w)
	m.happens(1, evDrained)
	m.wantResult("it holds nothing", w, "")
	m.later(24 * time.Hour)
	m.want("it is left alone for a day")
	m.wantStates("after a day", WorkerDisabled, WorkerReady)
	m.wantState("the other serves", PoolRunning)

	m.wantResult("disabled twice", m.wait(m.p.disableWorker(1, m.env.t)), "")
	m.wantResult("started", m.wait(m.p.startWorker(1, m.env.t)), "")
	m.want("back in rotation", "resume 1", "ready 1 8")
	m.wantResult("started twice", m.wait(m.p.startWorker(1, m.env.t)), "")
	m.want("nothing to do")
	for _, want := range []string{
		`worker=shop/1 pid=1001 from=ready to=disabling reason="asked for"`,
		`worker=shop/1 pid=1001 from=disabling to=disabled reason=`,
		`worker=shop/1 pid=1001 from=disabled to=ready reason="asked for"`,
	} {
		if strings.Count(lines.String(), want) != 1 {
			t.Errorf("no one line %s in\n%s", want, lines)
		}
	}
}

// A start while the worker still holds requests calls the rest off; who waited for it is told.
func TestStartOfDisablingWorker(t *testing.T) {
	m := servingWorkers(t, 2)
	w := m.wait(m.p.disableWorker(1, m.env.t))
	m.wantResult("started", m.wait(m.p.startWorker(1, m.env.t)), "")
	m.wantResult("who waited", w, "supervisor: worker shop/1: cannot be done now: it is ready meanwhile")
	m.happens(1, evDrained)
	m.wantStates("a late word of a front", WorkerReady, WorkerReady)
}

// A pool all of whose workers are disabled refuses requests: nobody would come for them.
func TestEveryWorkerDisabled(t *testing.T) {
	m := servingWorkers(t, 2)
	m.disable(1)
	m.wantState("one serves", PoolRunning)
	m.env.calls = nil
	lines := m.logged()
	m.wait(m.p.disableWorker(2, m.env.t))
	m.want("none serves", "rest 2", "disabled")
	if got := strings.Count(lines.String(), "msg=pool"); got != 1 || !strings.Contains(lines.String(),
		`from=running to=disabled want=running reason="every worker is disabled"`) {
		t.Errorf("%d lines about the pool; want one, in\n%s", got, lines)
	}
	m.wantState("none serves", PoolDisabled)
	m.happens(2, evDrained)
	front := &fakeEnv{}
	m.ps.announce(front)
	if got := strings.Join(front.calls, ", "); got != "disabled" {
		t.Errorf("a front that starts is told %q; want disabled", got)
	}
	m.waits()
	m.later(time.Hour)
	m.want("a late request starts nobody")
	m.wait(m.p.startWorker(2, m.env.t))
	m.want("one is enough", "resume 2", "ready 2 8", "available")
	m.wantState("one serves again", PoolRunning)
	m.wait(m.p.disableWorker(2, m.env.t))
	m.happens(2, evDrained)
	m.env.calls = nil

	m.wait(m.p.scale(3, m.env.t))
	m.want("a further worker may come: requests wait for it", "available", "spawn 3")
	m.wantState("a further worker may come", PoolStarting)
	m.comesUp(3)
	m.env.calls = nil
	m.wait(m.p.disableWorker(3, m.env.t))
	m.happens(3, evDrained)
	m.env.calls = nil
	m.p.enableAll(m.env.t)
	m.want("a start of the pool", "resume 1", "ready 1 8", "available", "resume 2", "ready 2 8",
		"resume 3", "ready 3 8")
}

// The end of a disabled worker is like that of any other: its place is filled.
func TestEndOfDisabledWorker(t *testing.T) {
	m := servingWorkers(t, 1)
	m.later(time.Minute)
	m.disable(1)
	m.env.calls = nil
	m.happens(1, evExited)
	m.want("SIGKILLed by somebody", "gone 1", "forget 1", "spawn 2", "available")
	m.wantState("requests wait for the fresh one", PoolStarting)
	if got := m.p.totals.mishaps[mishapExit]; got != 1 || len(m.p.failures) != 0 {
		t.Errorf("%d mishaps, failures %v; want one, and none so long after ready", got, m.p.failures)
	}
	m.comesUp(2)
	m.disable(2)
	m.env.calls = nil
	m.wait(m.p.releaseWorker(2, true, m.env.t))
	m.want("drained: it has nothing to finish", "SIGTERM 2", "spawn 3", "available")

	m = servingWorkers(t, 2)
	m.wait(m.p.disableWorker(1, m.env.t))
	m.env.calls = nil
	m.happens(1, evHung)
	m.want("it hangs with a request", "SIGTERM 1", "spawn 3")
}

// Rules leave it alone: a recycle of all, limits, idle time, scaling. What is about it by name does not.
func TestDisabledWorkerIsLeftAlone(t *testing.T) {
	m := serving(t, func(c *PoolConfig) {
		c.Workers, c.Recycle.Age, c.Recycle.Jitter = 2, config.Duration(time.Hour), config.PercentOff
	})
	m.disable(1)
	m.env.calls = nil
	m.later(59 * time.Minute)
	m.want("nothing is due")
	m.later(time.Minute)
	m.want("only the other one is too old", "spawn 3")
	m.comesUp(3)
	m.leaves(2)
	m.env.calls = nil
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.want("a recycle of all", "spawn 4")
	m.comesUp(4)
	m.leaves(3)
	m.wantResult("a recycle of all", w, "")
	m.wantStates("after it", WorkerDisabled, WorkerReady)
	m.env.calls = nil
	w = m.wait(m.p.recycle(order{causeCommand, "test"}, 1, m.env.t))
	m.want("a recycle of this one", "spawn 5")
	m.comesUp(5)
	m.want("its replacement is ready", "ready 5 8", "SIGTERM 1")
	m.happens(1, evExited)
	m.wantResult("a recycle of this one", w, "")
	m.wantStates("after it", WorkerReady, WorkerReady)
}

// A reload keeps a disabled worker, and has it replaced by its start if it would be another one.
func TestReloadOfDisabledWorker(t *testing.T) {
	m := servingWorkers(t, 2)
	m.disable(1)
	m.env.calls = nil
	c := *m.p.conf
	c.Recycle.Requests = 1000
	m.wantResult("what does not concern it", m.wait(m.p.apply(c, m.env.t)), "")
	m.want("what does not concern it")
	c.Command = []string{"other"}
	w := m.wait(m.p.apply(c, m.env.t))
	m.want("another command", "spawn 3")
	m.comesUp(3)
	m.want("the other one is replaced", "ready 3 8", "drain 2")
	m.leaves(2)
	m.wantResult("the reload does not wait for it", w, "")
	m.wantStates("after the reload", WorkerDisabled, WorkerReady)
	m.env.calls = nil
	w = m.wait(m.p.startWorker(1, m.env.t))
	m.want("its start", "SIGTERM 1", "spawn 4")
	m.wantWaiting("a fresh one starts", w)
	m.comesUp(4)
	m.wantResult("a fresh one is ready", w, "")
	m.happens(1, evExited)
	m.wantStates("in the end", WorkerReady, WorkerReady)

	m = servingWorkers(t, 1)
	m.disable(1)
	c = *m.p.conf
	c.Command = []string{"other"}
	m.wait(m.p.apply(c, m.env.t))
	m.wantState("the only one", PoolDisabled)
	m.env.calls = nil
	m.p.enableAll(m.env.t)
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.want("a start of the pool: requests wait for the fresh one", "SIGTERM 1", "available", "spawn 2")
	m.wantState("a start of the pool", PoolStarting)

	m = servingWorkers(t, 2)
	m.disable(1)
	c = *m.p.conf
	c.Workers = 1
	m.env.calls = nil
	m.wait(m.p.apply(c, m.env.t))
	m.want("fewer workers: the disabled one goes, and the other serves on", "SIGTERM 1")
}

func TestVerbsOfPoolWithDisabledWorker(t *testing.T) {
	for _, e := range []poolEvent{evPoolStop, evPoolDrain, evPoolDisable} {
		m := servingWorkers(t, 2)
		m.disable(1)
		m.disable(2)
		w := m.halt(e)
		m.happens(1, evExited)
		m.wantWaiting(e.String(), w)
		m.happens(2, evExited)
		m.wantResult(e.String(), w, "")
		want := PoolStopped
		if e == evPoolDisable {
			want = PoolDisabled
		}
		m.wantState(e.String(), want)
	}
}

// In a pool that load scales a disabled worker is no capacity, but a process among the most allowed.
func TestScalingBesideDisabledWorker(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 1, Max: 3} })
	m.disable(1)
	m.wantState("another may come", PoolRunning)
	m.env.calls = nil
	m.waits()
	m.want("the first request", "spawn 2")
	m.wantState("it waits", PoolStarting)
	m.comesUp(2)
	m.env.calls = nil
	m.reports(0, 0, 0, 8)
	m.want("full", "spawn 3")
	m.comesUp(3)
	m.env.calls = nil
	m.reports(5, time.Second, 0, 8, 8)
	m.later(time.Minute)
	m.want("three is the most")
	if at := m.p.fleet.lookAt; !at.IsZero() {
		t.Errorf("the load is looked at again at %v; want never, as there may be no more", at)
	}
	m.reports(0, 0, 0, 0, 0)
	m.later(11 * time.Second)
	m.want("low load takes one that serves, not both", "drain 3")
	m.leaves(3)
	m.later(time.Hour)
	m.wantStates("in the end", WorkerDisabled, WorkerReady)

	m = serving(t, func(c *PoolConfig) {
		c.Scale, c.Idle = Scaling{Min: 1, Max: 2}, idleAfter(time.Minute, config.IdleTerminate)
	})
	m.disable(1)
	m.waits()
	m.comesUp(2)
	m.env.calls = nil
	m.later(time.Hour)
	m.want("idle, but one that serves is kept")
}

// A pool of which one worker is disabled and the other keeps dying has failed, and is probed by the other.
func TestRapidFailBesideDisabledWorker(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Workers, c.RapidFail.Failures = 2, 1 })
	m.happens(1, evReady)
	m.disable(1)
	m.happens(2, evExited)
	m.wantState("nobody serves", PoolFailed)
	m.env.calls = nil
	m.later(1600 * time.Millisecond)
	m.want("the probe", "spawn 3")
	m.happens(3, evSpawned)
	m.happens(3, evExited)
	m.env.calls = nil
	m.later(3200 * time.Millisecond)
	m.want("the next probe", "spawn 4")
	m.env.calls = nil
	m.wait(m.p.startWorker(1, m.env.t))
	m.want("the disabled one heals it", "resume 1", "ready 1 8", "available")
	m.wantState("healed", PoolRunning)
}

func TestRefusedDisable(t *testing.T) {
	m := started(t, nil)
	wantRefused := func(desc string, w *waiter, want error) {
		t.Helper()
		m.p.settle(m.env.t)
		select {
		case err := <-w.ch:
			if !errors.Is(err, want) {
				t.Errorf("%s: %v; want %v", desc, err, want)
			}
		default:
			t.Errorf("%s: not refused", desc)
		}
	}
	disable := func(n uint64) *waiter { return m.wait(m.p.disableWorker(n, m.env.t)) }
	wantRefused("it starts", disable(1), ErrWorkerState)
	wantRefused("there is none", disable(9), ErrNoWorker)
	m.happens(1, evReady)
	m.wait(m.p.recycle(order{causeCommand, "test"}, 1, m.env.t))
	wantRefused("it is being replaced", disable(1), ErrWorkerState)
	m.happens(2, evSpawned)
	wantRefused("it replaces another", disable(2), ErrWorkerState)
	m.happens(2, evReady)
	wantRefused("it leaves", disable(1), ErrWorkerState)
	wantRefused("start of one that leaves", m.wait(m.p.startWorker(1, m.env.t)), ErrWorkerState)
	m.p.workers[2].falter("test", m.env.t)
	wantRefused("it does not answer", disable(2), ErrWorkerState)
	m.halt(evPoolStop)
	wantRefused("the pool is stopped", disable(2), ErrPoolStopped)
	wantRefused("start in a stopped pool", m.wait(m.p.startWorker(2, m.env.t)), ErrPoolStopped)
}

// A suspended worker is woken to be disabled: who disables it may want to look at it.
func TestDisableOfSuspendedWorker(t *testing.T) {
	m := serving(t, func(c *PoolConfig) {
		c.Workers, c.Idle = 2, idleAfter(time.Minute, config.IdleSuspend)
	})
	m.later(time.Minute)
	m.happens(1, evDrained)
	m.env.calls = nil
	m.wantResult("suspended", m.wait(m.p.disableWorker(1, m.env.t)), "")
	w := m.wait(m.p.disableWorker(2, m.env.t))
	m.want("the other one still holds requests", "resume 1", "disabled")
	m.happens(2, evDrained)
	m.wantResult("suspending", w, "")
	m.later(time.Hour)
	m.want("neither is suspended any more")
	m.wantStates("in the end", WorkerDisabled, WorkerDisabled)
}
