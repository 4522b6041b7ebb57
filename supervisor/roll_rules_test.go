package supervisor

import (
	"errors"
	"testing"
	"time"

	"weir/supervisor/config"
)

// watched is two workers that run from /r/1, and a roll whose fresh workers run from /r/2, being
// watched for ten seconds.
func watched(t *testing.T, overlap config.Overlap) (*machine, *waiter) {
	t.Helper()
	m := newMachine(t, func(c *PoolConfig) {
		c.Workers, c.Dir = 2, "/current"
		c.Recycle.Watch, c.Recycle.Overlap = config.Duration(10*time.Second), overlap
	})
	m.env.place = place{dir: "/r/1"}
	m.p.event(evPoolStart, m.env.t)
	m.p.settle(m.env.t)
	m.comesUp(1)
	m.comesUp(2)
	m.load(1, 1000, 10)
	m.load(2, 1000, 10)
	m.env.place = place{dir: "/r/2"}
	m.env.calls = nil
	return m, m.wait(m.p.recycle(order{causeCommand, "deploy"}, 0, m.env.t))
}

func TestWatchPasses(t *testing.T) {
	m, w := watched(t, "")
	m.comesUp(3)
	m.want("the first fresh one serves beside the old ones", "spawn 3", "ready 3 8")
	m.load(3, 200, 10)
	m.later(10*time.Second - time.Millisecond)
	m.want("watched")
	m.later(time.Millisecond)
	m.want("it did well", "drain 1", "spawn 4")
	m.comesUp(4)
	m.want("the others are not watched", "ready 4 8", "drain 2")
	m.leaves(1)
	m.leaves(2)
	m.wantResult("done", w, "")
	if m.p.rec.roll != nil || m.p.rec.pin != nil {
		t.Errorf("roll %v, pin %v; want none", m.p.rec.roll, m.p.rec.pin)
	}
}

func TestWatchWithoutRequestsPasses(t *testing.T) {
	m, _ := watched(t, "")
	m.comesUp(3)
	m.env.calls = nil
	m.load(3, 19, 19)
	m.later(10 * time.Second)
	m.want("too few requests say nothing", "drain 1", "spawn 4")
}

func TestWatchFails(t *testing.T) {
	m, w := watched(t, "")
	m.comesUp(3)
	m.env.calls = nil
	m.load(3, 40, 20)
	m.want("more errors: the fresh one goes at once", "drain 3")
	m.wantResult("told", w, "supervisor: pool shop: recycle: worker shop/3 answered 50 % of 40 "+
		"requests with errors, the old ones 1 % of 2000")
	m.leaves(3)
	m.env.calls = nil
	m.later(time.Hour)
	m.want("the old ones stay")
	m.wantCount(causeRollback, 1)

	m.happens(1, evExited)
	m.want("a slot is filled", "gone 1", "forget 1", "spawn 4")
	if got := m.p.workers[4].conf.Dir; got != "/r/1" {
		t.Errorf("worker 4 runs from %s; want /r/1, where the old ones do", got)
	}
	m.env.place = place{dir: "/r/1"}
	m.comesUp(4)
	m.env.place = place{dir: "/r/3"}
	m.p.recycle(order{causeCommand, "deploy"}, 0, m.env.t)
	if got := m.p.workers[5].conf.Dir; got != "/current" {
		t.Errorf("worker 5, of the next recycle, runs from %s; want /current", got)
	}
}

// Errors that the old workers have as well are not the fresh one's.
func TestWatchComparesWithOldWorkers(t *testing.T) {
	m, _ := watched(t, "")
	m.comesUp(3)
	m.load(1, 100, 60)
	m.env.calls = nil
	m.load(3, 100, 65)
	m.later(10 * time.Second)
	m.want("all have errors", "drain 1", "spawn 4")
}

func TestWatchedWorkerDies(t *testing.T) {
	m, w := watched(t, "")
	m.comesUp(3)
	m.env.calls = nil
	m.happens(3, evExited)
	m.want("the old ones stay", "gone 3", "forget 3")
	if len(w.ch) == 0 || <-w.ch == nil {
		t.Error("nothing told; want an error")
	}
	if p := m.p.rec.pin; p == nil || p.dir != "/r/1" {
		t.Errorf("pin %v; want /r/1", p)
	}
}

// Without overlap a recycle is done when the last fresh worker is ready, not when the last old is gone.
func TestWatchPassesWithoutOverlap(t *testing.T) {
	m, w := watched(t, config.OverlapFalse)
	m.leaves(1)
	m.comesUp(3)
	m.env.calls = nil
	m.later(10*time.Second - time.Millisecond)
	m.want("watched")
	m.later(time.Millisecond)
	m.want("the next", "drain 2")
	m.leaves(2)
	m.wantWaiting("no fresh one in its place", w)
	m.comesUp(4)
	m.wantResult("done", w, "")
}

func TestWatchedWorkerDiesWithoutOverlap(t *testing.T) {
	m, w := watched(t, config.OverlapFalse)
	m.leaves(1)
	m.comesUp(3)
	m.env.calls = nil
	m.happens(3, evExited)
	m.wantResult("told", w,
		"supervisor: pool shop: replacement: supervisor: worker shop/3 (pid 1003): exit status 1")
	m.want("its slot is filled", "gone 3", "forget 3", "spawn 4")
	if got := m.p.workers[4].conf.Dir; got != "/r/1" {
		t.Errorf("worker 4 runs from %s; want /r/1", got)
	}
}

// The old worker is gone: its slot is filled from where it ran.
func TestWatchFailsWithoutOverlap(t *testing.T) {
	m, w := watched(t, config.OverlapFalse)
	m.leaves(1)
	m.comesUp(3)
	m.env.calls = nil
	m.load(3, 40, 40)
	m.want("the fresh one goes", "drain 3")
	if len(w.ch) == 0 || <-w.ch == nil {
		t.Error("nothing told; want an error")
	}
	m.leaves(3)
	m.want("then its successor comes", "SIGTERM 3", "gone 3", "forget 3", "spawn 4")
	if got := m.p.workers[4].conf.Dir; got != "/r/1" {
		t.Errorf("worker 4 runs from %s; want /r/1", got)
	}
}

// A later replacement fails: what was replaced before goes back as well.
func TestRollBackOfReplaced(t *testing.T) {
	m, w := watched(t, "")
	m.comesUp(3)
	m.later(10 * time.Second)
	m.happens(4, evSpawned)
	m.leaves(1)
	m.env.calls = nil
	m.happens(4, evExited)
	if len(w.ch) == 0 || <-w.ch == nil {
		t.Error("nothing told; want an error")
	}
	m.want("worker 3 is replaced", "forget 4", "spawn 5")
	if got := m.p.workers[5].conf.Dir; got != "/r/1" {
		t.Errorf("worker 5 runs from %s; want /r/1", got)
	}
	m.env.place = place{dir: "/r/1"}
	m.comesUp(5)
	m.want("overlapped", "ready 5 8", "drain 3")
	m.wantCount(causeRollback, 1)
	m.leaves(3)
	m.env.calls = nil
	m.later(time.Hour)
	m.want("that is all")
}

// A place that is gone is given up.
func TestPinGivenUp(t *testing.T) {
	m, _ := watched(t, "")
	m.comesUp(3)
	m.load(3, 40, 40)
	m.leaves(3)
	m.happens(1, evExited)
	m.happens(4, evSpawnFailed)
	m.later(time.Second)
	if got := m.p.workers[5].conf.Dir; got != "/current" {
		t.Errorf("worker 5 runs from %s; want /current, as /r/1 cannot be entered", got)
	}
	if !errors.Is(m.p.lastErr, ErrCommandNotFound) {
		t.Errorf("last error %v; want that of worker 4", m.p.lastErr)
	}
}

func TestApplyEndsRollAndPin(t *testing.T) {
	m, w := watched(t, "")
	m.comesUp(3)
	m.load(3, 40, 40)
	<-w.ch
	m.leaves(3)
	m.env.calls = nil
	c := *m.p.conf
	c.Command = []string{"other"}
	m.p.apply(c, m.env.t)
	m.want("new workers", "spawn 4")
	if got := m.p.workers[4].conf.Dir; got != "/current" {
		t.Errorf("worker 4 runs from %s; want /current", got)
	}
}
