package supervisor

import (
	"testing"
	"time"

	"weir/supervisor/config"
)

func idleAfter(d time.Duration, a config.IdleAction) config.Idle {
	return config.Idle{After: config.Duration(d), Action: a}
}

func TestIdleTerminate(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Scale = Scaling{Min: 1, Max: 3, Scale: config.Scale{Cooldown: config.Duration(time.Hour)}}
		c.Idle = idleAfter(time.Minute, config.IdleTerminate)
	})
	m.happens(1, evReady)
	m.p.setTarget(3, "test", m.env.t)
	m.p.settle(m.env.t)
	m.happens(2, evSpawned)
	m.happens(3, evSpawned)
	m.happens(2, evReady)
	m.happens(3, evReady)
	m.env.calls = nil
	m.later(30 * time.Second)
	m.reports(0, 0, 1, 0, 1) // held for long, without a further report
	m.later(30*time.Second - 1)
	m.want("idle for less")
	m.later(1)
	m.want("the one that held nothing", "drain 2")
	m.happens(2, evDrained)
	m.happens(2, evExited)
	m.env.calls = nil
	m.later(time.Minute)
	m.want("streams are work")
	m.reports(0, 0, 1, 0, 0)
	m.later(time.Minute)
	m.want("idle after its stream", "drain 3")
	m.reports(0, 0, 0)
	m.later(30 * time.Minute)
	m.wantTarget("the minimum stays", 1)
}

func TestIdleOnDemand(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Start, c.Workers = config.StartOnDemand, 2
		c.Idle = idleAfter(time.Minute, config.IdleTerminate)
	})
	m.waits()
	m.happens(1, evSpawned)
	m.happens(2, evSpawned)
	m.happens(1, evReady)
	m.happens(2, evReady)
	m.env.calls = nil
	m.later(time.Minute)
	m.want("both are idle", "drain 2", "drain 1")
	m.wantState("until the next request", PoolRunning)
	m.waits()
	m.want("the next request", "spawn 3", "spawn 4")
}

func TestIdleLeavesFixedWorkersAlone(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Idle = idleAfter(time.Minute, config.IdleTerminate) })
	m.happens(1, evReady)
	m.env.calls = nil
	m.later(time.Hour)
	m.want("all are wanted")
}

func TestIdleSuspend(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Workers, c.Idle = 2, idleAfter(time.Minute, config.IdleSuspend)
		c.SlowStart = config.Duration(time.Second)
	})
	m.happens(1, evReady)
	m.later(time.Second)
	m.happens(2, evReady)
	m.env.calls = nil
	m.later(59 * time.Second)
	m.want("the first is idle: out of rotation before it is stopped", "drain 1")
	m.happens(1, evDrained)
	m.want("drained", "suspend 1")
	m.later(time.Second)
	m.happens(2, evDrained)
	m.want("the other", "drain 2", "suspend 2")
	m.wantState("suspended workers are there to be woken", PoolRunning)
	m.later(time.Hour)
	m.want("they sleep")
	if m.env.slow != time.Second {
		t.Errorf("a fresh worker's slow start is %v; want 1s", m.env.slow)
	}
	m.waits()
	m.want("a request wakes the last", "resume 2", "ready 2 8")
	if m.env.slow != 0 {
		t.Errorf("a woken worker's slow start is %v; want none: it is warm", m.env.slow)
	}
	m.reports(0, 0, 0, 8)
	m.want("more work wakes the other, no third is started", "resume 1", "ready 1 8")
	m.reports(0, 0, 0, 0)
	m.later(time.Minute)
	m.want("and again", "drain 2", "drain 1")
	m.waits()
	m.want("woken while it drains: it goes on", "resume 1", "ready 1 8")
	m.happens(1, evDrained)
	m.want("an old word")
}

// A sleeping worker is one that serves: a sibling that does not start is no reason to refuse requests.
func TestSuspendedPoolDoesNotFail(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Workers, c.RapidFail.Failures = 2, 1
		c.Idle = idleAfter(time.Minute, config.IdleSuspend)
	})
	m.happens(1, evReady)
	m.later(time.Minute)
	m.happens(1, evDrained)
	m.happens(2, evExited)
	m.wantState("the other one died", PoolRunning)
}

func TestSuspendIsCalledOff(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Idle = idleAfter(time.Minute, config.IdleSuspend) })
	m.happens(1, evReady)
	m.env.calls = nil
	m.later(time.Minute)
	m.want("idle", "drain 1")
	m.later(parkPatience)
	m.want("it is never drained: back into rotation", "resume 1", "ready 1 8")
}

func TestSuspendedWorkers(t *testing.T) {
	suspended := func() *machine {
		m := started(t, func(c *PoolConfig) { c.Idle = idleAfter(time.Minute, config.IdleSuspend) })
		m.happens(1, evReady)
		m.later(time.Minute)
		m.happens(1, evDrained)
		m.env.calls = nil
		return m
	}
	m := suspended()
	m.happens(1, evExited)
	m.want("one that dies is replaced", "gone 1", "forget 1", "spawn 2")
	m.wantState("one that dies is replaced", PoolStarting)

	m = suspended()
	m.p.event(evPoolStop, m.env.t)
	m.want("stop", "stopped", "resume 1", "SIGTERM 1")

	m = suspended()
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.happens(2, evSpawned)
	m.env.calls = nil
	m.happens(2, evReady)
	m.want("recycle", "ready 2 8", "resume 1", "SIGTERM 1")
	m.happens(1, evExited)
	m.wantResult("recycle", w, "")

	m = suspended()
	c := *m.p.conf
	c.Idle.After = config.Off
	m.p.apply(c, m.env.t)
	m.want("idle off: nobody would wake it", "resume 1", "ready 1 8")

	m = suspended()
	m.wantResult("a pool that sleeps has started", m.wait(m.p.readyWaiter()), "")
	c = *m.p.conf
	c.Workers = 2
	w = m.wait(m.p.apply(c, m.env.t))
	m.happens(2, evSpawned)
	m.happens(2, evReady)
	m.wantResult("a changed number of workers does not wait for those that sleep", w, "")
}

// A pool that sleeps is recycled as one that serves: its workers count as there, and tell where the old
// program runs from. Nobody is woken because a worker is old.
func TestRecycleOfSuspendedWorkers(t *testing.T) {
	sleeping := func(change func(c *config.Recycle)) *machine {
		m := newMachine(t, func(c *PoolConfig) {
			c.Workers, c.Idle = 2, idleAfter(time.Minute, config.IdleSuspend)
			change(&c.Recycle)
		})
		m.env.place = place{dir: "/r/1"}
		m.p.event(evPoolStart, m.env.t)
		m.p.settle(m.env.t)
		m.comesUp(1)
		m.comesUp(2)
		m.later(time.Minute)
		m.happens(1, evDrained)
		m.happens(2, evDrained)
		m.env.calls = nil
		return m
	}
	m := sleeping(func(c *config.Recycle) { c.Age = config.Duration(time.Hour) })
	m.later(2 * time.Hour)
	m.want("it sleeps on, however old")
	m.waits()
	m.later(0)
	m.want("the one that serves again is replaced", "resume 1", "ready 1 8", "spawn 3")

	m = sleeping(func(c *config.Recycle) { c.At = []string{"04:00"}; c.TimeZone = "UTC" })
	m.later(2*time.Hour + 13*time.Minute) // from 01:47:40
	m.want("a time that was ordered", "spawn 3")

	m = sleeping(func(c *config.Recycle) {})
	m.env.place = place{dir: "/r/2"}
	m.wait(m.p.recycle(order{causeCommand, "deploy"}, 0, m.env.t))
	m.happens(3, evSpawned)
	m.happens(3, evExited)
	if m.p.rec.pin == nil || m.p.rec.pin.dir != "/r/1" {
		t.Errorf("the release does not start: pin %v; want /r/1", m.p.rec.pin)
	}
}

// A recycle of a pool of which no worker is wanted has nothing to do.
func TestRecycleOfNoWorkers(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Start, c.Recycle.At, c.Recycle.TimeZone = config.StartOnDemand, []string{"04:00"}, "UTC"
	})
	m.wantResult("recycle", m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t)), "")
	m.later(25 * time.Hour)
	m.want("the time has come and gone")
	if m.p.rec.roll != nil || m.p.rec.pending.cause != causeNone {
		t.Errorf("roll %v, pending %v; want neither", m.p.rec.roll, m.p.rec.pending)
	}
	m.waits()
	m.want("a request waits", "spawn 1")
}

func TestDivisor(t *testing.T) {
	psi := func(stalled float64) memoryView { return memoryView{total: 100, psi: true, stalled: stalled} }
	used := func(percent uint64) memoryView { return memoryView{total: 100, available: 100 - percent} }
	for _, tt := range []struct {
		m    memoryView
		want int
	}{
		{memoryView{}, 1}, {psi(0), 1}, {psi(4.9), 1}, {psi(5), 2}, {psi(10), 4}, {psi(20), 8},
		{psi(40), 16}, {psi(60), 32}, {psi(100), 32},
		{used(75), 1}, {used(79), 1}, {used(80), 2}, {used(85), 4}, {used(90), 8}, {used(95), 16},
		{used(99), 32}, {used(100), 32},
	} {
		if got := tt.m.divisor(); got != tt.want {
			t.Errorf("%+v: divisor %d; want %d", tt.m, got, tt.want)
		}
	}
}

// While memory is scarce a worker is idle earlier; without idle.pressure it is not.
func TestIdlePressure(t *testing.T) {
	for _, on := range []bool{true, false} {
		m := started(t, func(c *PoolConfig) {
			c.Idle = idleAfter(64*time.Minute, config.IdleSuspend)
			c.Idle.Pressure = on
		})
		m.happens(1, evReady)
		m.env.calls = nil
		m.later(10 * time.Minute)
		m.want("memory abounds")
		m.env.view = memoryView{psi: true, stalled: 30} // divided by 8
		m.later(pressureEvery)
		if on {
			m.want("memory is scarce", "drain 1")
		} else {
			m.want("memory does not matter")
		}
	}
}
