package dispatch

import (
	"testing"
	"time"
)

// plant is workers that answer n requests at a time in 10 ms, more in proportion longer.
func plant(n, inFlight int) float64 {
	return 10e6 * max(1, float64(inFlight)/float64(n))
}

// TestLimiterFinds: from whatever it begins with, the limit settles between what keeps the workers
// busy and a few times that, and grows again when there are more of them.
func TestLimiterFinds(t *testing.T) {
	var l limiter
	o, now := Limit{Adaptive: AdaptiveOn, Min: 4}, int64(0)
	run := func(windows, n, demand int) int {
		for i := range windows {
			now += int64(limitWindow)
			inFlight := demand
			if c := int(l.current.Load()); c > 0 {
				inFlight = min(demand, c)
			}
			noise := 0.97 + 0.03*float64(i%3)
			l.step(o, plant(n, inFlight)*noise, inFlight, 1000, now)
		}
		return int(l.current.Load())
	}
	if got := run(10, 50, 10); got != 1000 {
		t.Errorf("limit %d without load; want all slots", got)
	}
	if got := run(60, 50, 1000); got < 50 || got > 150 {
		t.Errorf("limit %d under load, for workers that answer 50 at a time; want 50 to 150", got)
	}
	if got := run(100, 200, 1000); got < 200 || got > 600 {
		t.Errorf("limit %d when they answer 200 at a time; want 200 to 600", got)
	}
	o.Max = 30
	if got := run(20, 200, 1000); got != 30 {
		t.Errorf("limit %d; want Max, 30", got)
	}
	o.Max, o.Min = 0, 90
	if got := run(100, 10, 1000); got != 90 {
		t.Errorf("limit %d; want Min, 90", got)
	}
}

// TestLimiterForgets: what was fast a while ago is no measure for ever.
func TestLimiterForgets(t *testing.T) {
	var l limiter
	for i, want := range []float64{10, 10, 20, 20} {
		got := l.lowest(float64(10*(1+min(i, 1))), int64(i)*int64(limitMemory))
		if got != want {
			t.Errorf("half minute %d: least %g; want %g", i, got, want)
		}
	}
}

// TestLimiterShadow: what is found without being obeyed is about what obeying would give, and
// nothing is held back.
func TestLimiterShadow(t *testing.T) {
	var l limiter
	o := Limit{Adaptive: AdaptiveShadow, Min: 4}
	l.step(o, plant(50, 10), 10, 1000, 1)
	for i := range 60 {
		l.step(o, plant(50, 400), 400, 1000, int64(i+2))
	}
	if got := l.current.Load(); got < 50 || got > 200 {
		t.Errorf("limit %d for 50 at a time and 400 in flight; want 50 to 200", got)
	}
}

// TestLimitHolds: with a limit in force no more requests are on workers, the others wait and are
// served when one ends; in shadow mode they are counted only.
func TestLimitHolds(t *testing.T) {
	for _, mode := range []Adaptive{AdaptiveOn, AdaptiveShadow} {
		f := startFront(t, 2, Options{Limit: Limit{Adaptive: mode}})
		w, release := held(t)
		f.add(1, w, 16)
		f.limiter.current.Store(3)
		var clients []*client
		for i := range 8 {
			clients = append(clients, f.dial().get("/"))
			f.eventually("taken or waiting", func() bool {
				s := f.Snapshot()
				return s.Waiting+s.Workers[0].InFlight == i+1
			})
		}
		s, want := f.Snapshot(), map[Adaptive]int{AdaptiveOn: 3, AdaptiveShadow: 8}[mode]
		if s.Workers[0].InFlight != want || s.Limited != 5 || s.Limit != 3 {
			t.Errorf("%s: %d in flight, %d limited, limit %d; want %d, 5, 3", s.LimitMode,
				s.Workers[0].InFlight, s.Limited, s.Limit, want)
		}
		for range clients {
			release <- struct{}{}
		}
		for _, c := range clients {
			c.want("served", 200, "done")
		}
		f.audit()
	}
}

// TestLimitOff: switching the limit off lets waiters go.
func TestLimitOff(t *testing.T) {
	f := startFront(t, 2, Options{Limit: Limit{Adaptive: AdaptiveOn}})
	w, release := held(t)
	f.add(1, w, 16)
	f.limiter.current.Store(1)
	a, b := f.dial().get("/"), f.dial().get("/")
	f.eventually("one waits", func() bool { return f.Snapshot().Waiting == 1 })
	f.Update(Options{})
	f.eventually("both are taken", func() bool { return f.Snapshot().Workers[0].InFlight == 2 })
	release <- struct{}{}
	release <- struct{}{}
	a.want("a", 200, "done")
	b.want("b", 200, "done")
	f.audit()
}

// TestLimitMeasures: real requests through a worker that answers four at a time bring the limit
// down. A machine that stands still for a moment looks like an overloaded worker: three attempts.
func TestLimitMeasures(t *testing.T) {
	calm, loaded := 0, 0
	for attempt := 0; attempt < 3 && (calm != 64 || loaded > 32); attempt++ {
		calm, loaded = limitsOf(t, 4, 20*time.Millisecond)
		t.Logf("limit %d, %d under load", calm, loaded)
	}
	if calm != 64 {
		t.Errorf("limit %d without load; want 64", calm)
	}
	if loaded > 32 {
		t.Errorf("limit %d after load; want it near what the worker does at a time, 4", loaded)
	}
}

// limitsOf is the limit that is found for a worker with 64 slots that answers so many requests at a
// time, each after a while: first without load, then under much of it.
func limitsOf(t *testing.T, atOnce int, after time.Duration) (calm, loaded int) {
	t.Helper()
	f := startFront(t, 1, Options{Limit: Limit{Adaptive: AdaptiveOn}})
	slots := make(chan struct{}, atOnce)
	f.add(1, startWorker(t, func(c *workerConn) {
		for c.request() != nil {
			slots <- struct{}{}
			<-time.After(after)
			<-slots
			c.respond("x")
		}
	}), 64)
	f.flood(1, 50, noFields) // some windows
	calm = f.Snapshot().Limit
	f.flood(48, 480, noFields)
	loaded = f.Snapshot().Limit
	f.audit()
	return calm, loaded
}
