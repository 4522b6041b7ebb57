package supervisor

import (
	"maps"
	"strings"
	"testing"

	"weir/supervisor/config"
)

// Every way in which a worker fails has its own count, and an ERROR line; what was asked for has none.
func TestMishaps(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		events []workerEvent
		want   map[string]uint64
	}{
		{"no process", []workerEvent{evSpawnFailed}, map[string]uint64{"spawn": 1}},
		{"never ready", []workerEvent{evSpawned, evReadyLate, evExamined, evExited},
			map[string]uint64{"start_limit": 1}},
		{"ended before ready", []workerEvent{evSpawned, evExited}, map[string]uint64{"exit": 1}},
		{"ended", []workerEvent{evSpawned, evReady, evExited}, map[string]uint64{"exit": 1}},
		{"hung", []workerEvent{evSpawned, evReady, evHung, evExited}, map[string]uint64{"hang": 1}},
		{"orphaned", []workerEvent{evSpawned, evReady, evOrphan, evExited}, map[string]uint64{"hang": 1}},
		{"deaf", []workerEvent{evSpawned, evReady, evUnserving, evStopLate, evExited},
			map[string]uint64{"unserving": 1, "stop_limit": 1}},
		{"asked, and too slow", []workerEvent{evSpawned, evReady, evDrain, evDrained, evStopLate, evExited},
			map[string]uint64{"stop_limit": 1}},
		{"asked", []workerEvent{evSpawned, evReady, evDrain, evDrained, evExited}, nil},
		{"suspended and woken", []workerEvent{evSpawned, evReady, evSuspend, evDrained, evWake}, nil},
	} {
		m := newMachine(t, func(c *PoolConfig) { c.RapidFail.Failures = config.CountOff })
		lines := m.logged()
		m.p.event(evPoolStart, m.env.t)
		m.p.settle(m.env.t)
		w := m.p.workers[1]
		for _, e := range tt.events {
			w.asked = w.asked || e == evDrain
			m.happens(1, e)
		}
		got := m.p.snapshot(m.env.t).Totals
		maps.DeleteFunc(got.Mishaps, func(_ string, n uint64) bool { return n == 0 })
		if !maps.Equal(got.Mishaps, tt.want) {
			t.Errorf("%s: %v; want %v", tt.desc, got.Mishaps, tt.want)
		}
		n := 0
		for _, k := range tt.want {
			n += int(k)
		}
		if lines := strings.Count(lines.String(), "level=ERROR msg=worker "); lines != n {
			t.Errorf("%s: %d ERROR lines; want %d", tt.desc, lines, n)
		}
		if got.LastMishap.IsZero() != (n == 0) {
			t.Errorf("%s: last at %v", tt.desc, got.LastMishap)
		}
	}
}

// A worker without a sign of life is told from one that holds a request.
func TestMishapPing(t *testing.T) {
	m := pinged(t, nil)
	m.p.workers[1].falter("no answer to a ping for 30s", m.env.t)
	m.happens(1, evHung)
	if got := m.p.snapshot(m.env.t).Totals.Mishaps; got["ping"] != 1 || got["hang"] != 0 {
		t.Errorf("%v; want one by ping", got)
	}
}

// Totals outlive workers; the books' corrections and failures of the pool are counted.
func TestTotals(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.RapidFail.Failures = 1 })
	m.p.onLoad(&PoolLoad{Pool: "shop", Counts: PoolCounts{Requests: 5, QueueFull: 1},
		Workers: []WorkerLoad{{N: 1, Completed: 3, Errors: 1}}}, m.env.t)
	m.p.onLoad(&PoolLoad{Pool: "shop", Counts: PoolCounts{Requests: 2, Replays: 1},
		Workers: []WorkerLoad{{N: 1, Completed: 1}}}, m.env.t)
	m.env.found = map[uint64]string{1: foundGone}
	m.later(2 * auditEvery)
	got := m.p.snapshot(m.env.t).Totals
	if want := (PoolCounts{Requests: 7, QueueFull: 1, Replays: 1}); got.PoolCounts != want {
		t.Errorf("%+v; want %+v", got.PoolCounts, want)
	}
	if got.Completed != 4 || got.Errors != 1 || got.Corrections != 1 || got.Failed != 1 || got.Started < 1 {
		t.Errorf("%+v; want 4 completed, one error, one correction, one failure of the pool", got)
	}
}
