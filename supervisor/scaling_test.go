package supervisor

import (
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

// TestScaleDecision is the rule of scaling as a table.
func TestScaleDecision(t *testing.T) {
	s := Scaling{Min: 1, Max: 4}.withDefaults() // 100 ms, 80 %, 10 s
	spare := s
	spare.Spare = 1
	never := s
	never.Wait = config.Off
	base := scaleView{target: 2, low: 1, high: 4, ready: 2, idle: 2, slots: 20, quiet: time.Hour}
	with := func(change func(v *scaleView)) scaleView {
		v := base
		change(&v)
		return v
	}
	for _, tt := range []struct {
		desc string
		s    *Scaling
		v    scaleView
		want scaleStep
		why  string
	}{
		{"nothing to do", &s, base, scaleStay, ""},
		{"waits for less", &s, with(func(v *scaleView) {
			v.waiting, v.oldest = 3, 100*time.Millisecond
		}), scaleStay, ""},
		{"waits for longer", &s, with(func(v *scaleView) {
			v.waiting, v.oldest = 3, 101*time.Millisecond
		}), scaleUp, "a request has waited for 101ms"},
		{"wait off", &never, with(func(v *scaleView) {
			v.waiting, v.oldest = 3, time.Hour
		}), scaleStay, ""},
		{"busy", &s, with(func(v *scaleView) { v.inFlight, v.idle = 17, 0 }), scaleUp,
			"17 of 20 slots are in use"},
		{"just not busy", &s, with(func(v *scaleView) { v.inFlight, v.idle = 16, 0 }), scaleStay, ""},
		{"at the maximum", &s, with(func(v *scaleView) {
			v.target, v.ready, v.inFlight, v.slots = 4, 4, 40, 40
		}), scaleStay, ""},
		{"one step is under way", &s, with(func(v *scaleView) {
			v.target, v.inFlight = 3, 20
		}), scaleStay, ""},
		{"wakes before it starts", &s, with(func(v *scaleView) {
			v.ready, v.parked, v.slots, v.inFlight = 1, 1, 10, 10
		}), scaleWake, "10 of 10 slots are in use"},
		{"wakes at the maximum, too", &s, with(func(v *scaleView) {
			v.target, v.high, v.ready, v.parked, v.slots, v.inFlight = 2, 2, 1, 1, 10, 10
		}), scaleWake, "10 of 10 slots are in use"},
		{"spare workers are kept", &spare, with(func(v *scaleView) { v.idle = 0 }), scaleUp,
			"0 idle workers, 1 are kept"},
		{"calm for less", &s, with(func(v *scaleView) { v.calm = 9 * time.Second }), scaleStay, ""},
		{"calm", &s, with(func(v *scaleView) { v.calm = 10 * time.Second }), scaleDown,
			"low load for 10s"},
		{"calm, but the rest would be busy", &s, with(func(v *scaleView) {
			v.calm, v.inFlight, v.idle = time.Hour, 9, 0
		}), scaleStay, ""},
		{"calm enough for one fewer", &s, with(func(v *scaleView) {
			v.calm, v.inFlight, v.idle = time.Hour, 8, 0
		}), scaleDown, "low load for 1h0m0s"},
		{"somebody waits", &s, with(func(v *scaleView) { v.calm, v.waiting = time.Hour, 1 }),
			scaleStay, ""},
		{"at the minimum", &s, with(func(v *scaleView) { v.calm, v.low = time.Hour, 2 }), scaleStay, ""},
		{"the spare one stays", &spare, with(func(v *scaleView) {
			v.calm, v.idle, v.inFlight = time.Hour, 1, 1
		}), scaleStay, ""},
		{"idle ones are suspended instead", &s, with(func(v *scaleView) {
			v.calm, v.keeps = time.Hour, true
		}), scaleStay, ""},
		{"to none", &s, with(func(v *scaleView) {
			v.target, v.ready, v.idle, v.slots, v.low, v.calm = 1, 1, 1, 10, 0, time.Hour
		}), scaleDown, "low load for 1h0m0s"},
		{"to none, but it served a moment ago", &s, with(func(v *scaleView) {
			v.target, v.ready, v.idle, v.slots, v.low, v.calm = 1, 1, 1, 10, 0, time.Hour
			v.quiet = time.Second
		}), scaleStay, ""},
		{"to none, but it holds one", &s, with(func(v *scaleView) {
			v.target, v.ready, v.idle, v.slots, v.low, v.calm, v.inFlight = 1, 1, 0, 10, 0, time.Hour, 1
		}), scaleStay, ""},
	} {
		got, why := tt.s.decide(&tt.v)
		if got != tt.want || got != scaleStay && why != tt.why {
			t.Errorf("%s: decide = %d, %q; want %d, %q", tt.desc, got, why, tt.want, tt.why)
		}
	}
}

// reports brings a load report: held requests of workers 1, 2, 3 …
func (m *machine) reports(waiting int, oldest time.Duration, held ...int) {
	l := PoolLoad{Pool: "shop", Waiting: waiting, Oldest: oldest}
	for i, n := range held {
		l.Workers = append(l.Workers, WorkerLoad{N: uint64(i + 1), InFlight: n})
	}
	m.ps.onPool("shop", func(p *Pool, now time.Time) { p.onLoad(&l, now) })
}

func (m *machine) waits() { m.ps.onPool("shop", (*Pool).onWaits) }

func TestScaleUpAndDown(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 1, Max: 4} })
	m.happens(1, evReady)
	m.env.calls = nil
	m.reports(0, 0, 7)
	m.want("7 of 8 slots: one more", "spawn 2")
	m.reports(5, time.Second, 8)
	m.want("while that starts: no further")
	m.happens(2, evSpawned)
	m.happens(2, evReady)
	m.env.calls = nil
	m.reports(0, 0, 8, 8)
	m.want("both full: a third", "spawn 3")
	m.happens(3, evSpawned)
	m.happens(3, evReady)
	m.env.calls = nil
	m.reports(0, 0, 2, 0, 0)
	m.later(10*time.Second - 1)
	m.want("calm for less than the cool-down")
	m.later(1)
	m.want("one fewer, that which was idle longest", "drain 3")
	m.later(10*time.Second - 1)
	m.want("the next cool-down")
	m.later(1)
	m.want("one fewer", "drain 2")
	m.later(time.Hour)
	m.wantTarget("the minimum", 1)
}

func (m *machine) wantTarget(why string, want int) {
	m.Helper()
	if m.p.target != want || len(m.p.slots) != want {
		m.Errorf("%s: target %d, %d slots; want %d", why, m.p.target, len(m.p.slots), want)
	}
}

// A step that came when no further report does is followed by a look of its own.
func TestScaleLooksAgain(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 1, Max: 4} })
	m.happens(1, evReady)
	m.reports(0, 0, 8)
	m.reports(9, time.Second, 8)
	m.happens(2, evSpawned)
	m.happens(2, evReady)
	m.env.calls = nil
	m.later(scaleAgain)
	m.want("requests still wait", "spawn 3")
}

func TestScaleToZeroAndBack(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 0, Max: 2} })
	m.happens(1, evReady)
	m.reports(0, 0, 1)
	m.reports(0, 0, 0)
	m.env.calls = nil
	m.later(10 * time.Second)
	m.want("nothing for the cool-down", "drain 1")
	m.wantState("none is wanted", PoolRunning)
	m.wantTarget("none is wanted", 0)
	m.happens(1, evDrained)
	m.happens(1, evExited)
	m.env.calls = nil
	m.later(time.Hour)
	m.want("it stays so")
	m.waits()
	m.want("a request waits", "spawn 2")
	m.wantState("a request waits", PoolStarting)
	m.waits()
	m.reports(3, time.Second)
	m.want("no second one while that starts")
	m.happens(2, evSpawned)
	m.happens(2, evReady)
	m.wantState("served", PoolRunning)
}

func TestOnDemand(t *testing.T) {
	m := newMachine(t, func(c *PoolConfig) { c.Start, c.Workers = config.StartOnDemand, 2 })
	m.p.event(evPoolStart, m.env.t)
	w := m.wait(m.p.readyWaiter())
	m.want("nothing is asked", "available")
	m.wantResult("the start waits for nobody", w, "")
	m.wantState("nothing is asked", PoolRunning)
	m.later(time.Hour)
	m.want("nor later")
	m.waits()
	m.waits()
	m.want("the first request starts what is configured", "spawn 1", "spawn 2")
	m.wantState("it waits", PoolStarting)
}

func TestOnDemandOfAFailedPool(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Start, c.RapidFail.Failures = config.StartOnDemand, 1
	})
	m.waits()
	m.happens(1, evSpawned)
	m.happens(1, evExited)
	m.wantState("it did not start", PoolFailed)
	m.env.calls = nil
	m.waits()
	m.want("a request that was late")
	m.later(1600 * time.Millisecond)
	m.want("the probe", "spawn 2")
}

// A report of waiting requests starts a worker, too, where the demand itself was lost.
func TestDemandByReport(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Start = config.StartOnDemand })
	m.reports(1, time.Millisecond)
	m.want("reported", "spawn 1")
}

func TestScaleMemoryGuard(t *testing.T) {
	const mib = 1 << 20
	m := started(t, func(c *PoolConfig) {
		c.Scale = Scaling{Min: 1, Max: 8, Scale: config.Scale{Step: 4}}
	})
	m.happens(1, evReady)
	m.env.mem = memory{workers: map[uint64]usage{1: {rss: 100 * mib}}, free: 99 * mib}
	m.env.calls = nil
	m.reports(0, 0, 8)
	m.want("no room for one")
	m.env.mem.free = 250 * mib
	m.later(scaleAgain)
	m.want("room for two of four, without a report", "spawn 2", "spawn 3")

	m = started(t, func(c *PoolConfig) {
		c.Scale = Scaling{Min: 1, Max: 8, Scale: config.Scale{Memory: config.SwitchOff}}
	})
	m.happens(1, evReady)
	m.env.mem = memory{workers: map[uint64]usage{1: {rss: 100 * mib}}, free: mib}
	m.env.calls = nil
	m.reports(0, 0, 8)
	m.want("guard off", "spawn 2")
}

// What was measured for a step is of no use once the number of workers has changed.
func TestScaleMemoryLate(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 1, Max: 8} })
	m.env.holds = true
	m.reports(0, 0, 8)
	m.reports(0, 0, 8)
	m.want("not known yet")
	if len(m.env.held) != 1 {
		t.Fatalf("memory was measured %d times; want once", len(m.env.held))
	}
	m.p.setTarget(3, "test", m.env.t)
	m.p.settle(m.env.t)
	m.want("asked for meanwhile", "spawn 2", "spawn 3")
	m.env.held[0]()
	m.want("nothing of that")
	m.comesUp(2)
	m.comesUp(3)
	m.env.calls = nil
	m.reports(0, 0, 8, 8, 8)
	m.env.held[1]()
	m.want("the next step", "spawn 4")
}

func TestApplyBounds(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Scale = Scaling{Min: 1, Max: 4} })
	m.happens(1, evReady)
	m.env.calls = nil
	for _, tt := range []struct {
		min, max, want int
		start          config.Start
	}{
		{2, 4, 2, ""}, {1, 4, 2, ""}, {1, 1, 1, ""}, {0, 3, 1, config.StartOnDemand}, {3, 3, 3, ""},
	} {
		c := *m.p.conf
		c.Scale.Min, c.Scale.Max, c.Start = tt.min, tt.max, tt.start
		m.p.apply(c, m.env.t)
		if m.p.target != tt.want {
			t.Errorf("%d to %d: target %d; want %d", tt.min, tt.max, m.p.target, tt.want)
		}
	}
}

func TestScalingInvalid(t *testing.T) {
	for _, tt := range []struct {
		s    Scaling
		want string
	}{
		{Scaling{}, ""}, {Scaling{Min: 1, Max: 2, Spare: 1}, ""},
		{Scaling{Min: -1, Max: 2}, "are not in"}, {Scaling{Max: poolWorkersMax + 1}, "are not in"},
		{Scaling{Min: 3, Max: 2}, "above max"}, {Scaling{Min: 3}, "above max"},
		{Scaling{Max: 2, Spare: 3}, "spare"},
		{Scaling{Max: 2, Scale: config.Scale{Step: -1}}, "step"},
		{Scaling{Max: 2, Scale: config.Scale{Busy: config.PercentOff}}, "busy"},
		{Scaling{Max: 2, Scale: config.Scale{Busy: 101}}, "busy"},
	} {
		got := tt.s.invalid()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q; want %q", tt.s, got, tt.want)
		}
	}
}

// Fewer workers by command or configuration: those go that are missed least.
func TestFewerWorkersTheLeastMissedFirst(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Workers = 6 })
	for n := uint64(1); n <= 5; n++ { // 6 is starting still
		m.happens(n, evReady)
	}
	m.happens(2, evSuspend)
	m.happens(2, evDrained)
	for n, idle := range map[uint64]time.Duration{1: time.Minute, 3: time.Second, 4: 2 * time.Second} {
		m.p.workers[n].traffic.busyAt = m.env.t.Add(-idle)
	}
	m.p.workers[1].traffic.inFlight = 1 // the longest, but it works
	m.env.calls = nil
	for _, tt := range []struct {
		why   string
		calls []string
	}{
		{"starting", []string{"SIGTERM 6"}},
		{"suspended", []string{"resume 2", "SIGTERM 2"}},
		{"idle longest", []string{"drain 4"}},
		{"next", []string{"drain 3"}},
		{"idle shortest", []string{"drain 5"}},
	} {
		m.p.setTarget(m.p.target-1, "test", m.env.t)
		m.p.maintain(m.env.t)
		m.want(tt.why, tt.calls...)
	}
	if m.p.workers[1].state != WorkerReady {
		t.Errorf("the worker with a request is %s; want ready", m.p.workers[1].state)
	}
}

// limits.workers bounds what load leads to, over all pools; what is asked for without load counts.
func TestScaleWorkersOfAll(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.Scale = Scaling{Min: 1, Max: 8, Scale: config.Scale{Step: 4}}
	})
	m.happens(1, evReady)
	other := m.ps.add(PoolConfig{Name: "other", Command: []string{"app"}, Workers: 2})
	other.event(evPoolStart, m.env.t)
	other.settle(m.env.t)
	lazy := m.ps.add(PoolConfig{Name: "lazy", Command: []string{"app"}, Start: config.StartOnDemand})
	lazy.event(evPoolStart, m.env.t)
	lazy.settle(m.env.t)
	m.ps.opts.Workers = 3
	lines := m.logged()
	m.env.calls = nil
	m.reports(0, 0, 8)
	m.later(scaleAgain)
	m.ps.onPool("lazy", (*Pool).onWaits)
	m.want("three there are")
	if n := strings.Count(lines.String(), "pool not scaled: limits.workers"); n != 2 {
		t.Errorf("%d lines; want one of each pool, in\n%s", n, lines)
	}
	m.ps.opts.Workers = 5
	m.later(scaleAgain)
	m.want("two of four", "spawn 2", "spawn 3")
	m.ps.opts.Workers = 6
	m.ps.onPool("lazy", (*Pool).onWaits)
	m.want("one on demand", "spawn 1")
	other.event(evPoolStop, m.env.t)
	m.ps.opts.Workers = 4
	if n := m.p.allowed(1); n != 0 {
		t.Errorf("allowed = %d; want 0: four are left", n)
	}
}

// A changed configuration is looked at, though nothing happens in the pool.
func TestScaleOfAPoolAtRest(t *testing.T) {
	m := serving(t, nil)
	m.later(time.Minute)
	c := *m.p.conf
	c.Scale = Scaling{Min: 1, Max: 3, Spare: 3}
	m.wait(m.p.apply(c, m.env.t))
	m.later(time.Second)
	m.want("spare ones", "spawn 2")
}
