package supervisor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"weir/supervisor/config"
)

// halt is Pool.halt on the machine's loop.
func (m *machine) halt(e poolEvent) *waiter {
	m.p.event(e, m.env.t)
	m.p.settle(m.env.t)
	return m.wait(m.p.emptyWaiter())
}

func servingWorkers(t *testing.T, workers int) *machine {
	m := started(t, func(c *PoolConfig) {
		c.Workers, c.StopTimeout = workers, config.Duration(time.Minute)
	})
	for n := range m.p.workers {
		m.happens(n, evReady)
	}
	m.env.calls = nil
	return m
}

func TestDrainHasNoDeadline(t *testing.T) {
	m := servingWorkers(t, 1)
	w := m.halt(evPoolDrain)
	m.want("refused at once", "stopped", "drain 1")
	m.later(24 * time.Hour)
	m.want("what has begun may take a day")
	m.wantWaiting("it has not ended", w)
	m.happens(1, evDrained)
	m.want("once it has finished", "SIGTERM 1")
	m.later(time.Minute)
	m.want("the end of a worker that finished has a deadline", "SIGKILL 1")
	m.happens(1, evExited)
	m.wantResult("no process is left", w, "")
	m.wantState("afterwards", PoolStopped)
}

func TestStopHastensDrain(t *testing.T) {
	m := servingWorkers(t, 1)
	m.halt(evPoolDrain)
	m.later(time.Hour)
	m.env.calls = nil
	m.halt(evPoolStop)
	m.later(time.Minute - 1)
	m.want("within stop_timeout")
	m.later(1)
	m.want("at stop_timeout", "SIGTERM 1")
}

func TestDrainDoesNotSlowStop(t *testing.T) {
	m := servingWorkers(t, 1)
	m.halt(evPoolStop)
	m.env.calls = nil
	m.halt(evPoolDrain)
	m.later(time.Minute)
	m.want("the deadline of the stop holds", "SIGTERM 1")
}

func TestDisable(t *testing.T) {
	m := servingWorkers(t, 1)
	w := m.halt(evPoolDisable)
	m.want("refused at once", "disabled", "drain 1")
	m.wantWaiting("the worker is there", w)
	m.happens(1, evDrained)
	m.happens(1, evExited)
	m.wantResult("empty", w, "")
	m.wantState("empty", PoolDisabled)
	m.env.calls = nil
	c := *m.p.conf
	c.Command = []string{"other"}
	m.wantResult("a reload", m.wait(m.p.apply(c, m.env.t)), "")
	m.later(time.Hour)
	m.want("nothing starts it")
	m.wantState("after a reload", PoolDisabled)
	front := &fakeEnv{}
	m.ps.announce(front)
	m.env.calls = front.calls
	m.want("a front that starts is told", "disabled")
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.want("enabled by a start", "available", "spawn 2")
}

func TestDisableFailedPoolStopsItsProbes(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.RapidFail.Failures = 1 })
	m.happens(1, evExited)
	m.env.calls = nil
	m.halt(evPoolDisable)
	m.later(time.Hour)
	m.want("no half-open probe", "disabled")
	m.wantState("at once, as it has no worker", PoolDisabled)
}

func TestStartDuringDisable(t *testing.T) {
	m := servingWorkers(t, 1)
	w := m.halt(evPoolDisable)
	m.env.calls = nil
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.want("a fresh worker beside the one that leaves", "available", "spawn 2")
	m.wantResult("who waited for the end", w, "supervisor: pool shop: stop: started again")
	m.happens(1, evDrained)
	m.happens(1, evExited)
	m.wantState("it goes on", PoolStarting)
}

func TestReleaseWorker(t *testing.T) {
	for _, tt := range []struct {
		desc    string
		patient bool
		after   []string // a minute later
	}{{"drain", true, nil}, {"stop", false, []string{"SIGTERM 1"}}} {
		m := servingWorkers(t, 2)
		w := m.wait(m.p.releaseWorker(1, tt.patient, m.env.t))
		m.want(tt.desc+": its place is filled at once", "drain 1", "spawn 3")
		m.happens(3, evSpawned)
		m.env.calls = nil
		m.later(time.Minute)
		m.want(tt.desc+": after stop_timeout", tt.after...)
		if tt.patient {
			m.happens(1, evDrained)
		}
		m.wantWaiting(tt.desc, w)
		m.happens(1, evExited)
		m.wantResult(tt.desc, w, "")
		if len(m.p.failures) != 0 {
			t.Errorf("%s: the end of a worker that was asked to leave counts as a failure", tt.desc)
		}
	}
	m := servingWorkers(t, 1)
	w := m.wait(m.p.releaseWorker(9, true, m.env.t))
	if err := <-w.ch; !errors.Is(err, ErrNoWorker) {
		t.Errorf("worker 9: %v; want ErrNoWorker", err)
	}
}

func TestReleaseWorkerTwice(t *testing.T) {
	m := servingWorkers(t, 1)
	m.wait(m.p.releaseWorker(1, true, m.env.t))
	m.happens(2, evSpawned)
	m.later(time.Hour)
	m.env.calls = nil
	m.wait(m.p.releaseWorker(1, false, m.env.t))
	m.later(time.Minute)
	m.want("a stop hastens its drain", "SIGTERM 1")
}

func TestScale(t *testing.T) {
	m := servingWorkers(t, 1)
	w := m.wait(m.p.scale(3, m.env.t))
	m.want("up", "spawn 2", "spawn 3")
	for n := range uint64(2) {
		m.wantWaiting("not all are ready", w)
		m.happens(n+2, evSpawned)
		m.happens(n+2, evReady)
	}
	m.wantResult("all are ready", w, "")
	m.env.calls = nil

	c := *m.p.conf
	c.Workers = 1 // as configured before
	m.wantResult("a reload that leaves the count alone", m.wait(m.p.apply(c, m.env.t)), "")
	m.want("keeps what was scaled")
	c.Workers = 2
	m.wait(m.p.apply(c, m.env.t))
	m.want("a reload that changes the count wins", "drain 3")
	m.happens(3, evDrained)
	m.happens(3, evExited)

	w = m.wait(m.p.scale(1, m.env.t))
	m.wantWaiting("down: one leaves", w)
	m.happens(2, evDrained)
	m.happens(2, evExited)
	m.wantResult("down", w, "")
}

// A fixed number may come as equal bounds, as it does from a file.
func TestScaleOfEqualBounds(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 1, Max: 1} })
	m.wait(m.p.scale(2, m.env.t))
	m.want("up", "spawn 2")
	c := *m.p.conf
	c.Scale.Min, c.Scale.Max = 3, 3
	m.p.apply(c, m.env.t)
	m.want("a reload that changes the number", "spawn 3")
}

func TestScaleGoesOnTrying(t *testing.T) {
	m := servingWorkers(t, 1)
	w := m.wait(m.p.scale(2, m.env.t))
	m.happens(2, evSpawned)
	m.happens(2, evExited)
	m.wantResult("the new worker died", w,
		"supervisor: pool shop: scale: supervisor: worker shop/2 (pid 1002): exit status 1")
	m.env.calls = nil
	m.later(100 * time.Millisecond)
	m.want("after the back-off", "spawn 3")
}

func TestScaleOfStoppedPool(t *testing.T) {
	m := newMachine(t, nil)
	m.wantResult("stopped", m.wait(m.p.scale(2, m.env.t)), "")
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.want("its next start", "available", "spawn 1", "spawn 2")
	for _, n := range []int{-1, 0, poolWorkersMax + 1} {
		if err := m.p.Scale(t.Context(), n); err == nil {
			t.Errorf("Scale(%d) = nil; want an error", n)
		}
	}
}

// A scaled number of a pool that starts on demand, and of one that is stopped and started, is the one
// that is started.
func TestScaleHoldsOverStops(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Start, c.Idle = config.StartOnDemand, idleAfter(time.Minute, config.IdleTerminate)
	})
	m.wait(m.p.scale(2, m.env.t))
	m.want("without a request", "spawn 1", "spawn 2")
	m.comesUp(1)
	m.comesUp(2)
	m.env.calls = nil
	m.later(time.Minute)
	m.want("idle ones end all the same", "drain 2", "drain 1")
	m.leaves(1)
	m.leaves(2)
	m.env.calls = nil
	m.waits()
	m.want("the next demand", "spawn 3", "spawn 4")

	m = servingWorkers(t, 1)
	m.wait(m.p.scale(2, m.env.t))
	m.halt(evPoolStop)
	m.later(time.Hour)
	m.happens(1, evExited)
	m.happens(2, evExited)
	m.env.calls = nil
	c := *m.p.conf
	c.Concurrency = 9
	m.p.apply(c, m.env.t)
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.want("started again", "available", "spawn 3", "spawn 4")
	m.halt(evPoolStop)
	c.Workers = 3
	m.p.apply(c, m.env.t)
	if got := m.p.wanted(); got != 3 {
		t.Errorf("a reload of the stopped pool with three workers: %d are wanted; want 3", got)
	}
}

// In a pool that load scales the verb sets where it goes on from, within its bounds.
func TestScaleWithinBounds(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 2, Max: 4} })
	for _, n := range []int{1, 5} {
		m.wantResult("of 2 to 4", m.wait(m.p.scale(n, m.env.t)), fmt.Sprintf("supervisor: pool shop: "+
			"scale: outside of workers.min to workers.max: %d is not in 2-4", n))
	}
	m.want("nothing has changed")
	m.wait(m.p.scale(3, m.env.t))
	m.want("asked for", "spawn 3")
	m.comesUp(3)
	m.env.calls = nil
	m.reports(0, 0, 8, 8, 8)
	m.want("load goes on from there", "spawn 4")

	m = newMachine(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 2, Max: 4} })
	m.wait(m.p.scale(3, m.env.t))
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.want("kept for the start", "available", "spawn 1", "spawn 2", "spawn 3")
}

// A worker that is about to be suspended is drained as one that serves: for as long as it takes.
func TestDrainOfSuspendingWorker(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.Idle = idleAfter(time.Minute, config.IdleSuspend) })
	m.later(time.Minute)
	m.wait(m.p.releaseWorker(1, true, m.env.t))
	m.happens(2, evSpawned)
	m.env.calls = nil
	m.later(80 * time.Second)
	m.want("past stop_timeout")
}
