package supervisor

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

// serving is started with every worker ready.
func serving(t *testing.T, change func(*PoolConfig)) *machine {
	t.Helper()
	m := started(t, change)
	for n := range m.p.workers {
		m.happens(n, evReady)
	}
	m.later(0)
	m.env.calls = nil
	return m
}

// recycling is serving with recycle as change says, and two workers.
func recycling(t *testing.T, change func(*config.Recycle)) *machine {
	t.Helper()
	return serving(t, func(c *PoolConfig) {
		c.Workers = 2
		change(&c.Recycle)
	})
}

// comesUp makes worker n be spawned and ready.
func (m *machine) comesUp(n uint64) {
	m.Helper()
	m.happens(n, evSpawned)
	m.happens(n, evReady)
}

// leaves makes worker n, which drains, go.
func (m *machine) leaves(n uint64) {
	m.Helper()
	m.happens(n, evDrained)
	m.happens(n, evExited)
}

// load reports what worker n did, then lets the pool look.
func (m *machine) load(n uint64, completed, errors uint64) {
	m.p.onLoad(&PoolLoad{Pool: "shop", Workers: []WorkerLoad{{N: n, Completed: completed,
		Errors: errors}}}, m.env.t)
	m.p.settle(m.env.t)
	m.later(0)
}

// uses sets what a worker's memory is found to be, in MiB.
func (m *machine) uses(n uint64, rss, pss int64) {
	if m.env.mem.workers == nil {
		m.env.mem.workers = map[uint64]usage{}
	}
	m.env.mem.workers[n] = usage{rss << 20, pss << 20}
}

func (m *machine) wantCount(c recycleCause, want uint64) {
	m.Helper()
	if got := m.p.rec.counts[c]; got != want {
		m.Errorf("recycles by %s: %d; want %d", c, got, want)
	}
}

func TestRecycleByAge(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Age = config.Duration(time.Hour) })
	m.later(time.Hour - 1)
	m.want("before")
	m.later(1)
	m.want("one at a time", "spawn 3")
	m.later(time.Minute)
	m.want("none while another is in flight")
	m.comesUp(3)
	m.want("overlapped", "ready 3 8", "drain 1")
	m.leaves(1)
	m.later(0)
	m.want("then the next", "SIGTERM 1", "gone 1", "forget 1", "spawn 4")
	m.comesUp(4)
	m.leaves(2)
	m.env.calls = nil
	m.later(58 * time.Minute)
	m.want("the fresh ones are young")
	m.wantCount(causeAge, 2)
	if got := m.p.slots[0].last; !strings.HasPrefix(got, "shop/1: age: 1h0m") {
		t.Errorf("last recycle of the first slot %q; want the worker and its age", got)
	}
}

func TestRecycleJitter(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		part   float64
		jitter config.Percent
		want   time.Duration
	}{
		{"default, late", 1, 0, 66 * time.Minute}, {"default, early", -1, 0, 54 * time.Minute},
		{"half", 0.5, 20, 66 * time.Minute}, {"off", 1, config.PercentOff, time.Hour},
	} {
		m := newMachine(t, func(c *PoolConfig) {
			c.Recycle.Age, c.Recycle.Jitter = config.Duration(time.Hour), tt.jitter
		})
		m.env.part = tt.part
		m.p.event(evPoolStart, m.env.t)
		m.p.settle(m.env.t)
		m.comesUp(1)
		m.env.calls = nil
		m.later(tt.want - time.Millisecond)
		m.want(tt.desc + ": before")
		m.later(2 * time.Millisecond)
		m.want(tt.desc, "spawn 2")
	}
}

func TestRecycleByRequests(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Requests = 100 })
	m.load(1, 99, 0)
	m.want("before")
	m.load(1, 1, 0)
	m.want("at the limit", "spawn 3")
	m.load(2, 500, 0)
	m.comesUp(3)
	m.leaves(1)
	m.later(0)
	m.want("the next has to wait for its turn", "ready 3 8", "drain 1", "SIGTERM 1", "gone 1",
		"forget 1", "spawn 4")
	m.wantCount(causeRequests, 1)
}

func TestRecycleByMemory(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Memory = 100 << 20 })
	m.later(time.Minute) // no fresh worker any more
	m.uses(1, 101, 0)
	m.later(10 * time.Second)
	m.uses(1, 99, 0)
	m.later(5 * time.Second)
	m.want("two samples, then one below")
	m.uses(1, 101, 0)
	m.later(15*time.Second - 1)
	m.want("two samples")
	m.later(5 * time.Second)
	m.want("three samples in a row", "spawn 3")
	m.comesUp(3)
	m.want("overlapped", "ready 3 8", "drain 1")
	m.wantCount(causeMemory, 1)
}

func TestRecycleMemorySource(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) {
		r.Memory, r.MemorySource, r.Samples = 100<<20, config.MemoryPSS, 1
		r.SampleEvery = config.Duration(time.Second)
	})
	m.uses(1, 500, 50)
	m.later(time.Minute)
	m.want("shared pages count in part")
	m.uses(1, 500, 101)
	m.later(time.Second)
	m.want("a single sample, after a second", "spawn 3")
}

func TestRecycleByMemoryMax(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.MemoryMax = 100 << 20 })
	m.later(2 * time.Minute)
	m.uses(1, 101, 0)
	m.later(5 * time.Second)
	m.want("at once, its requests get their time", "drain 1", "spawn 3")
	m.happens(1, evDrainLate)
	m.want("and no more", "SIGTERM 1")
	m.wantCount(causeMemoryMax, 1)
}

// A reason that fresh workers have as well does not make the pool spin.
func TestUselessReasonBacksOff(t *testing.T) {
	for desc, change := range map[string]func(*config.Recycle){
		"memory_max": func(r *config.Recycle) { r.MemoryMax = 100 << 20 },
		"memory":     func(r *config.Recycle) { r.Memory = 100 << 20 },
		"errors":     func(r *config.Recycle) { r.Errors = 50 },
		"both":       func(r *config.Recycle) { r.MemoryMax, r.Errors = 100<<20, 50 },
	} {
		m := recycling(t, change)
		spawned := uint64(2)
		for range 24 * 60 * 6 { // a day
			for n := range m.p.workers {
				m.uses(n, 200, 0)
				m.load(n, 30, 30)
			}
			m.later(10 * time.Second)
			for spawned < m.p.lastN {
				spawned++
				m.comesUp(spawned)
			}
			for n, w := range m.p.workers {
				if w.state == WorkerDraining {
					m.leaves(n)
				}
			}
		}
		if spawned > 6*24+20 { // recycleRetryMax is ten minutes
			t.Errorf("%s: %d workers in a day; want at most about six an hour", desc, spawned)
		}
		if spawned < 5*24 {
			t.Errorf("%s: %d workers in a day; want recycling to go on, slowly", desc, spawned)
		}
	}
}

func TestRecycleByErrors(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Errors = 50 })
	m.later(time.Minute) // no fresh worker any more
	m.load(1, 19, 19)
	m.want("too few requests")
	m.load(1, 100, 30)
	m.want("too few errors")
	m.later(30 * time.Second)
	m.load(1, 100, 100)
	m.want("149 of 219 in the window", "spawn 3")
	m.wantCount(causeErrors, 0)
	m.comesUp(3)
	m.wantCount(causeErrors, 1)
	m.leaves(1)
	m.env.calls = nil
	m.later(0)
	m.load(3, 100, 100)
	m.comesUp(4) // that one was fresh
	m.leaves(3)
	m.env.calls = nil
	m.load(4, 100, 100)
	m.want("fresh workers have errors, too: that does not spin")
	m.later(recycleRetryMin)
	m.want("but goes on", "spawn 5")
}

func TestRecycleAtTimes(t *testing.T) {
	m := newMachine(t, func(c *PoolConfig) {
		c.Workers = 2
		c.Recycle.At, c.Recycle.TimeZone = []string{"04:00", "Mon 03:30"}, "UTC"
	})
	m.env.t = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC) // a Saturday
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.comesUp(1)
	m.comesUp(2)
	m.later(time.Hour - time.Second)
	m.env.calls = nil
	m.later(time.Second)
	m.want("Saturday at four", "spawn 3")
	m.comesUp(3)
	m.want("rolling", "ready 3 8", "drain 1", "spawn 4")
	m.comesUp(4)
	m.leaves(1)
	m.leaves(2)
	m.wantCount(causeAt, 2)
	m.env.t = m.env.t.Add(-30 * time.Minute) // the clock is put back
	m.env.calls = nil
	m.later(time.Hour)
	m.want("it does not come twice")
	m.later(23*time.Hour + 30*time.Minute)
	m.want("Sunday at four", "spawn 5")
	m.comesUp(5)
	m.comesUp(6)
	m.leaves(3)
	m.leaves(4)
	m.env.calls = nil
	m.later(23*time.Hour + 30*time.Minute)
	m.want("Monday at half past three", "spawn 7")
}

func TestRecycleByFiles(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Files = []string{"/app/*.py"} })
	see := func(files map[string]stamp) { m.env.files = fileSet{files: files} }
	see(map[string]stamp{"/app/a.py": {1, 10, 5}})
	m.later(2 * time.Second) // the first look found nothing: a.py is new
	m.later(5 * time.Second)
	m.want("a file appeared", "spawn 3")
	m.comesUp(3)
	m.comesUp(4)
	m.leaves(1)
	m.leaves(2)
	m.env.calls = nil
	m.later(time.Hour)
	m.want("nothing changes")
	for i := range int64(5) {
		see(map[string]stamp{"/app/a.py": {2 + i, 10, 5}})
		m.later(time.Second)
	}
	m.want("it is still changing")
	m.later(3 * time.Second)
	m.want("quiet", "spawn 5")
	if got := m.p.slots[0].stale; got != "files: /app/a.py changed" {
		t.Errorf("reason %q; want the file", got)
	}
	m.comesUp(5)
	m.comesUp(6)
	m.leaves(3)
	m.leaves(4)
	m.wantCount(causeFiles, 4)
	m.env.calls = nil
	for i := range int64(40) {
		see(map[string]stamp{"/app/a.py": {100 + i, 10, 5}})
		m.later(time.Second)
	}
	m.want("never quiet: in any case after half a minute", "spawn 7")
}

func TestRecycleByWish(t *testing.T) {
	m := recycling(t, func(*config.Recycle) {})
	m.later(2 * time.Minute)
	ask := func(n uint64) {
		reason := "leaks"
		m.ps.dispatch(&event{worker: WorkerRef{"shop", n}, kind: evNotice, recycle: &reason}, m.env.t)
		m.later(0)
	}
	ask(2)
	m.want("asked", "spawn 3")
	m.comesUp(3)
	m.want("granted", "ready 3 8", "drain 2")
	m.leaves(2)
	m.wantCount(causeWorker, 1)
	ask(3)
	m.comesUp(4)
	m.leaves(3)
	m.env.calls = nil
	ask(4)
	m.want("a fresh worker that asks at once does not spin")
	m.later(recycleRetryMin)
	m.want("but later", "spawn 5")
}

func TestAutomaticRecycleBacksOff(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Requests = 10 })
	m.load(1, 10, 0)
	for n, wait := range []time.Duration{10, 20, 40, 80, 160, 320, 600, 600} {
		wait *= time.Second
		m.happens(uint64(n)+3, evSpawned)
		m.happens(uint64(n)+3, evExited)
		m.env.calls = nil
		m.later(wait - 1)
		m.want("called off")
		m.later(1)
		m.want("tried again", "spawn "+itoa(uint64(n)+4))
	}
	m.wantState("the old workers serve", PoolRunning)
}

func TestNoAutomaticRecycleWhileStarting(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Workers, c.Recycle.Requests = 2, 10 })
	m.happens(1, evReady)
	m.env.calls = nil
	m.load(1, 10, 0)
	m.want("worker 2 is starting")
	m.happens(2, evReady)
	m.later(0)
	m.want("now", "ready 2 8", "spawn 3")
}

func TestWithoutOverlap(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Overlap = config.OverlapFalse })
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.want("the old one first", "drain 1")
	m.happens(1, evDrained)
	m.later(31 * time.Second)
	m.want("it has a process", "SIGTERM 1", "SIGKILL 1")
	m.happens(1, evExited)
	m.want("it is gone", "gone 1", "forget 1", "spawn 3")
	m.happens(3, evSpawned)
	m.want("one after the other")
	m.happens(3, evReady)
	m.want("the next", "ready 3 8", "drain 2")
	m.leaves(2)
	m.comesUp(4)
	m.wantResult("done", w, "")
	m.env.calls = nil
	m.happens(3, evHung)
	m.want("nor when a worker hangs", "drain 3", "SIGTERM 3")
	m.happens(3, evExited)
	m.want("until it is gone", "gone 3", "forget 3", "spawn 5")
}

func TestWithoutOverlapFailure(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Overlap = config.OverlapFalse })
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.leaves(1)
	m.happens(3, evSpawned)
	m.happens(3, evExited)
	m.wantResult("the replacement died", w,
		"supervisor: pool shop: replacement: supervisor: worker shop/3 (pid 1003): exit status 1")
	m.env.calls = nil
	m.later(time.Second)
	m.want("its slot is filled, the other worker stays", "spawn 4")
}

func TestHeadroom(t *testing.T) {
	m := recycling(t, func(*config.Recycle) {})
	m.uses(1, 100, 0)
	m.uses(2, 60, 0)
	m.env.mem.free = 99 << 20
	m.p.recycle(order{causeCommand, "test"}, 0, m.env.t)
	m.later(roomPatience - 1)
	m.want("no room")
	m.env.mem.free = 100 << 20
	m.later(roomEvery)
	m.want("room", "spawn 3")
	m.env.mem.free = 0
	m.comesUp(3)
	m.want("the first is done", "ready 3 8", "drain 1")
	m.later(roomPatience)
	m.want("no room for so long: the old one first", "SIGTERM 1", "SIGKILL 1", "drain 2")
	m.happens(2, evDrained)
	m.env.calls = nil
	m.happens(2, evExited)
	m.want("then the fresh one", "gone 2", "forget 2", "spawn 4")
}

// What waits for room, or for its turn, does not make the loop spin.
func TestBlockedReplacementDoesNotSpin(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.Age = config.Duration(time.Hour) })
	m.p.recycle(order{causeCommand, "test"}, 0, m.env.t)
	m.happens(3, evSpawned)
	m.happens(3, evExited) // that seat has a back-off now
	m.later(30 * time.Second)
	m.env.mem.free = 0
	m.uses(1, 100, 0)
	m.p.recycle(order{causeCommand, "test"}, 0, m.env.t)
	for range 2 {
		m.later(0)
		if at := m.ps.next(); !at.IsZero() && !at.After(m.env.t) {
			t.Errorf("the loop is to look again at %s; it is %s", at, m.env.t)
		}
		m.later(roomEvery)
	}
	m.env.mem.free = -1
	m.later(2 * time.Hour) // worker 4 starts, and both are overdue
	if at := m.ps.next(); !at.IsZero() && !at.After(m.env.t) {
		t.Errorf("overdue workers: the loop is to look again at %s; it is %s", at, m.env.t)
	}
}

func TestRecycleLine(t *testing.T) {
	m := recycling(t, func(*config.Recycle) {})
	var log bytes.Buffer
	m.ps.log = slog.New(slog.NewTextHandler(&log, nil))
	m.uses(1, 42, 0)
	m.load(1, 7, 0)
	m.later(time.Hour)
	m.p.recycle(order{causeCommand, "asked for"}, 1, m.env.t)
	m.comesUp(3)
	for _, want := range []string{"worker=shop/1 pid=1001 from=ready to=draining",
		`reason="asked for" cause=command age=1h0m0s requests=7 rss=42MiB`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log\n%s\nwant %s", &log, want)
		}
	}
	s := m.p.snapshot(m.env.t)
	if s.Recycles["command"] != 1 || len(s.Recycles) != int(causeCount)-1 {
		t.Errorf("recycles %v; want one by command, and every cause", s.Recycles)
	}
	for _, w := range s.Workers {
		if w.Name == "shop/3" && w.Recycled != "shop/1: asked for" {
			t.Errorf("last recycle %q; want shop/1: asked for", w.Recycled)
		}
	}
}

func TestMemoryUnsupported(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.MemoryMax = 100 << 20 })
	var log bytes.Buffer
	m.ps.log = slog.New(slog.NewTextHandler(&log, nil))
	m.env.mem.err = errors.New("no /proc")
	m.later(time.Minute)
	if n := strings.Count(log.String(), `"unsupported here: recycle.memory" pool=shop`); n != 1 {
		t.Errorf("said %d times; want once:\n%s", n, &log)
	}
	m.want("nothing is done")
}

func TestRecycleValidated(t *testing.T) {
	for want, r := range map[string]config.Recycle{
		`at: "4" is not a time of day`: {At: []string{"4"}},
		"time_zone: unknown":           {TimeZone: "No/Where"},
		`files: "[": syntax error`:     {Files: []string{"["}},
		"sample_every: 1ms is below":   {SampleEvery: config.Duration(time.Millisecond)},
	} {
		c := PoolConfig{Name: "shop", Command: []string{"app"}, Recycle: r}
		if err := c.validate(); err == nil || !strings.Contains(err.Error(), "shop: recycle: "+want) {
			t.Errorf("%+v: %v; want %s", r, err, want)
		}
	}
}

// A worker that was once above a limit when it was fresh, and is again much later, has grown.
func TestGrownWorkerIsNotEarly(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.MemoryMax = 100 << 20 })
	m.p.rec.fails, m.p.rec.notBefore = 3, m.env.t.Add(10*time.Minute)
	sample := func(mib int64, d time.Duration) {
		m.uses(1, mib, 0)
		m.later(d)
	}
	sample(200, 5*time.Second)
	m.want("fresh, and recycling did not help before")
	sample(50, 2*time.Minute)
	sample(200, 5*time.Second)
	m.want("grown: at once", "drain 1", "spawn 3")

	m = recycling(t, func(r *config.Recycle) { r.Memory, r.Samples = 100<<20, 1 })
	m.p.rec.fails, m.p.rec.notBefore = 3, m.env.t.Add(10*time.Minute)
	sample(200, 5*time.Second)
	sample(50, 2*time.Minute)
	sample(200, 8*time.Minute)
	m.want("grown: when it is time", "spawn 3")
	m.comesUp(3)
	if m.p.rec.fails != 0 {
		t.Errorf("%d replacements did not help; want none: this one does", m.p.rec.fails)
	}
}

// A sample that takes longer than until the next one does not make the loop spin.
func TestSlowSampleDoesNotSpin(t *testing.T) {
	m := recycling(t, func(r *config.Recycle) { r.MemoryMax = 100 << 20 })
	m.p.rec.samples.busy = true
	m.env.t = m.env.t.Add(time.Minute)
	m.ps.turn(nil)
	if at := m.ps.next(); !at.IsZero() && !at.After(m.env.t) {
		t.Errorf("the loop is to look again at %s; it is %s", at, m.env.t)
	}
}
