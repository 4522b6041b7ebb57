package supervisor

import (
	"testing"
	"time"

	"weir/supervisor/config"
)

func TestStartsAreBounded(t *testing.T) {
	m := newMachine(t, func(c *PoolConfig) { c.Workers = 4 })
	m.ps.starts.max = 2
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.want("two of four", "available", "spawn 1", "spawn 2")
	m.happens(1, evSpawned)
	m.later(time.Second)
	m.want("up is not ready")
	m.happens(1, evReady)
	m.later(0)
	m.want("one is ready: the next in line", "ready 1 8", "spawn 3")
	m.happens(2, evSpawned)
	m.happens(2, evExited)
	m.later(0)
	m.want("one is gone: the next in line, before that which was tried", "forget 2", "spawn 4")
	m.later(100 * time.Millisecond)
	m.want("the back-off is over, its turn is not")
	m.happens(3, evReady)
	m.later(0)
	m.want("now", "ready 3 8", "spawn 5")
	m.happens(4, evReady)
	m.happens(5, evReady)
	m.later(0)
	if m.ps.starts.held != 0 || len(m.ps.starts.line) != 0 || len(m.ps.starts.in) != 0 {
		t.Errorf("all are ready: %+v; want nothing held and nobody in line", m.ps.starts)
	}
}

// Pools take turns in the order in which they came; a pool that stops loses its places.
func TestStartsInOrder(t *testing.T) {
	m := newMachine(t, func(c *PoolConfig) { c.Workers = 2 })
	m.ps.starts.max = 1
	for _, name := range []string{"b", "c"} {
		p := m.ps.add(PoolConfig{Name: name, Command: []string{"app"}})
		m.p.event(evPoolStart, m.env.t)
		m.p.settle(m.env.t)
		p.event(evPoolStart, m.env.t)
		p.settle(m.env.t)
	}
	m.ps.pools["b"].event(evPoolStop, m.env.t)
	m.env.calls = nil
	m.happens(1, evReady)
	m.later(0)
	m.want("the second of the first pool", "ready 1 8", "spawn 2")
	m.happens(2, evReady)
	m.later(0)
	m.want("b has stopped: c", "ready 2 8", "spawn 1")
	if n := len(m.ps.pools["c"].workers); n != 1 {
		t.Errorf("%d workers of c; want 1", n)
	}
}

// A worker that is superseded while it starts hands its permit on.
func TestStartsSuperseded(t *testing.T) {
	m := started(t, nil)
	m.ps.starts.max = 1
	c := *m.p.conf
	c.Command = []string{"other"}
	m.p.apply(c, m.env.t)
	m.want("replaced at once", "spawn 2", "SIGTERM 1")
	if m.ps.starts.held != 1 {
		t.Errorf("%d permits are held; want 1", m.ps.starts.held)
	}
	m.happens(1, evExited)
	m.happens(2, evSpawned)
	if m.ps.starts.held != 1 {
		t.Errorf("the old one is gone: %d permits are held; want 1", m.ps.starts.held)
	}
	m.happens(2, evReady)
	if m.ps.starts.held != 0 {
		t.Errorf("%d permits are held; want none", m.ps.starts.held)
	}
}

// A half-open probe waits while others start.
func TestStartsAndProbes(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.RapidFail.Failures = 1 })
	m.happens(1, evExited)
	m.ps.starts.max, m.ps.starts.held = 1, 1
	m.env.calls = nil
	m.later(2 * time.Second)
	m.want("others start")
	m.ps.starts.held = 0
	m.later(backoffMin)
	m.want("their turn is over", "spawn 2")
}

// A replacement waits for its turn, and the old worker serves meanwhile.
func TestStartsOfReplacements(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.Workers = 2 })
	m.ps.starts.max, m.ps.starts.held = 1, 1
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.later(time.Hour)
	m.want("others start")
	m.ps.starts.held = 0
	m.later(0)
	m.want("their turn is over", "spawn 3")
	if m.ps.starts.held != 1 {
		t.Errorf("%d permits are held; want 1", m.ps.starts.held)
	}
	m.comesUp(3)
	m.want("one by one", "ready 3 8", "drain 1", "spawn 4")
	m.comesUp(4)
	m.leaves(1)
	m.leaves(2)
	m.wantResult("done", w, "")
	if m.ps.starts.held != 0 || len(m.ps.starts.line) != 0 {
		t.Errorf("%+v; want nothing held and nobody in line", m.ps.starts)
	}
}

// A worker that starts may wait for a sidecar, so that waits for nobody's turn.
func TestStartsLeaveSidecarsAlone(t *testing.T) {
	y := newYard(t, SidecarRole{}, config.Sidecar{Name: "cache"})
	y.up("cache")
	y.ps.starts.max, y.ps.starts.held = 1, 1
	y.life("cache", evExited, 1)
	y.later(time.Minute)
	y.wantCar("started again", "cache", PoolStarting, 1)
	y.up("cache")
	if y.ps.starts.held != 1 {
		t.Errorf("%d permits are held; want 1, somebody else's", y.ps.starts.held)
	}
}

// Where the old worker must go first it stays until the fresh one is sure of its turn.
func TestStartsWithoutOverlap(t *testing.T) {
	m := serving(t, func(c *PoolConfig) { c.Recycle.Overlap = config.OverlapFalse })
	m.ps.starts.max, m.ps.starts.held = 1, 1
	w := m.wait(m.p.recycle(order{causeCommand, "test"}, 0, m.env.t))
	m.later(time.Minute)
	m.want("others start")
	m.ps.starts.held = 0
	m.later(0)
	m.want("their turn is over", "drain 1")
	if m.ps.starts.held != 1 {
		t.Errorf("it drains: %d permits are held; want 1, for its successor", m.ps.starts.held)
	}
	m.leaves(1)
	m.want("at once", "SIGTERM 1", "gone 1", "forget 1", "spawn 2")
	m.comesUp(2)
	m.wantResult("done", w, "")
	if m.ps.starts.held != 0 || len(m.ps.starts.line) != 0 {
		t.Errorf("%+v; want nothing held and nobody in line", m.ps.starts)
	}
}

// A permit that is held for a place goes back with the place.
func TestStartsReleased(t *testing.T) {
	for desc, end := range map[string]func(m *machine){
		"stopped": func(m *machine) { m.p.event(evPoolStop, m.env.t) },
		"fewer": func(m *machine) {
			m.p.setTarget(1, "test", m.env.t)
			m.p.maintain(m.env.t)
		},
		"failed": func(m *machine) {
			m.happens(2, evExited)
			m.wantState("no worker is left", PoolFailed)
		},
	} {
		m := serving(t, func(c *PoolConfig) {
			c.Workers, c.Recycle.Overlap, c.RapidFail.Failures = 2, config.OverlapFalse, 1
		})
		m.ps.starts.max = 4
		m.wait(m.p.recycle(order{causeCommand, "test"}, 1, m.env.t))
		if m.ps.starts.held != 1 {
			t.Fatalf("%s: %d permits are held; want 1", desc, m.ps.starts.held)
		}
		end(m)
		m.p.settle(m.env.t)
		if m.ps.starts.held != 0 {
			t.Errorf("%s: %d permits are held; want none", desc, m.ps.starts.held)
		}
	}
}
