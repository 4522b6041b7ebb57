package supervisor

import (
	"reflect"
	"testing"
	"time"
)

// loadLog is LinkEvents that keeps reports.
type loadLog struct {
	LinkEvents
	got []PoolLoad
}

func (l *loadLog) PoolLoad(p PoolLoad) { l.got = append(l.got, p) }

// TestLoadOfFronts: what is now is the sum over fronts, what happened is one front's; a front that
// has ended holds nothing.
func TestLoadOfFronts(t *testing.T) {
	log := &loadLog{}
	s := &frontSet{events: log, pools: map[string]Availability{"shop": Available}}
	a, b := &front{set: s}, &front{set: s, slot: 1}
	s.fronts = []*front{a, b}
	a.loaded(&PoolLoad{Pool: "shop", Waiting: 2, Oldest: time.Second,
		Workers: []WorkerLoad{{N: 1, InFlight: 3, Completed: 10}}})
	b.loaded(&PoolLoad{Pool: "shop", Waiting: 1, Oldest: 2 * time.Second, Counts: PoolCounts{QueueFull: 4},
		Workers: []WorkerLoad{{N: 1, InFlight: 1, Completed: 5, Errors: 1}, {N: 2, InFlight: 1}}})
	a.loaded(&PoolLoad{Pool: "other"})
	for _, l := range a.unload() {
		s.events.PoolLoad(l)
	}
	want := []PoolLoad{
		{Pool: "shop", Waiting: 2, Oldest: time.Second,
			Workers: []WorkerLoad{{N: 1, InFlight: 3, Completed: 10}}},
		{Pool: "shop", Waiting: 3, Oldest: 2 * time.Second, Counts: PoolCounts{QueueFull: 4},
			Workers: []WorkerLoad{{N: 1, InFlight: 4, Completed: 5, Errors: 1}, {N: 2, InFlight: 1}}},
		{Pool: "other"},
		{Pool: "shop", Waiting: 1, Oldest: 2 * time.Second,
			Workers: []WorkerLoad{{N: 1, InFlight: 1}, {N: 2, InFlight: 1}}},
	}
	if !reflect.DeepEqual(log.got, want) {
		t.Errorf("reports\n%+v\nwant\n%+v", log.got, want)
	}
}

// TestTraffic: reports add up per worker, and a worker that holds or completed something is busy.
func TestTraffic(t *testing.T) {
	m := started(t, nil)
	m.happens(1, evReady)
	up := m.env.t
	report := func(l WorkerLoad) {
		l.N = 1
		m.p.onLoad(&PoolLoad{Pool: "shop", Waiting: 7, Workers: []WorkerLoad{l, {N: 99}}}, m.env.t)
	}
	steps := []struct {
		load WorkerLoad
		want traffic
	}{
		{WorkerLoad{}, traffic{busyAt: up}},
		{WorkerLoad{InFlight: 2}, traffic{inFlight: 2, busyAt: up.Add(2 * time.Second)}},
		{WorkerLoad{Completed: 2, Errors: 1}, traffic{completed: 2, errors: 1, busyAt: up.Add(3 * time.Second)}},
		{WorkerLoad{}, traffic{completed: 2, errors: 1, busyAt: up.Add(3 * time.Second)}},
	}
	for i, s := range steps {
		m.later(time.Second)
		report(s.load)
		if got := m.p.workers[1].traffic; got != s.want {
			t.Errorf("step %d: %+v; want %+v", i, got, s.want)
		}
	}
	if m.p.waiting != 7 {
		t.Errorf("waiting %d; want 7", m.p.waiting)
	}
}
