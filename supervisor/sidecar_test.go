package supervisor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

// yard is a machine's pool "shop" beside sidecars. Its test's goroutine is the main loop.
type yard struct {
	*machine
}

// newYard has the pool stopped and the sidecars of these configurations started, in their order.
func newYard(t *testing.T, shop SidecarRole, cars ...config.Sidecar) *yard {
	t.Helper()
	m := newMachine(t, func(c *PoolConfig) { c.Sidecar = shop })
	y := &yard{m}
	for i := range cars {
		c := &cars[i]
		c.Command = []string{c.Name}
		m.ps.add(SidecarConfigFrom(c))
	}
	for i := range cars {
		p := y.car(cars[i].Name)
		p.event(evPoolStart, m.env.t)
		p.settle(m.env.t)
	}
	return y
}

func (y *yard) car(name string) *Pool { return y.ps.pools[sidecarPrefix+name] }

// life brings an event to the process of a sidecar, and lets a turn of the loop follow.
func (y *yard) life(name string, kind workerEvent, code int) {
	y.Helper()
	p := y.car(name)
	e := event{worker: WorkerRef{p.name, p.lastN}, kind: kind, pid: 1, text: "test"}
	if kind == evExited {
		e.exit = ExitStatus{How: "exit", Code: code}
	}
	y.ps.dispatch(&e, y.env.t)
	y.ps.turn(nil)
}

func (y *yard) up(name string) {
	y.Helper()
	y.life(name, evSpawned, 0)
	y.life(name, evReady, 0)
}

func (y *yard) wantCar(why, name string, want PoolState, processes int) {
	y.Helper()
	if p := y.car(name); p.state != want || len(p.workers) != processes {
		y.Errorf("%s: sidecar %s is %s with %d processes; want %s, %d", why, name, p.state,
			len(p.workers), want, processes)
	}
}

func TestSidecarRestartPolicy(t *testing.T) {
	for _, tt := range []struct {
		restart config.Restarting
		code    int
		again   bool
	}{
		{"", 0, true}, {config.RestartAlways, 0, true}, {config.RestartAlways, 3, true},
		{config.RestartOnFailure, 0, false}, {config.RestartOnFailure, 3, true},
		{config.RestartOnFailure, -1, true}, // a signal
		{config.RestartNever, 0, false}, {config.RestartNever, 3, false},
	} {
		y := newYard(t, SidecarRole{}, config.Sidecar{Name: "c", Restart: tt.restart})
		y.up("c")
		y.later(time.Minute)
		y.env.calls = nil
		y.life("c", evExited, tt.code)
		want, state := []string{"forget 1"}, PoolStopped
		if tt.again {
			want, state = append(want, "spawn 2"), PoolStarting
		}
		y.want("restart: "+string(tt.restart), want...)
		y.later(time.Hour)
		if p := y.car("c"); p.state != state || p.order.ended == tt.again {
			t.Errorf("restart %q, code %d: %s, ended %t; want %s, %t", tt.restart, tt.code, p.state,
				p.order.ended, state, !tt.again)
		}
	}
}

func TestSidecarBackoff(t *testing.T) {
	y := newYard(t, SidecarRole{}, config.Sidecar{Name: "c"})
	for _, wait := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000} {
		wait *= time.Millisecond
		y.life("c", evSpawned, 0)
		y.life("c", evExited, 1)
		y.env.calls = nil
		y.later(wait - 1)
		y.want("before the back-off is over")
		y.later(1)
		y.want("after it", "spawn "+itoa(y.car("c").lastN))
	}
	if s := y.car("c").state; s != PoolStarting {
		t.Errorf("the sidecar is %s; want starting: rapid-fail protection is for pools", s)
	}
}

// One process at a time: the next begins when the last is gone, also when it was asked to leave.
func TestSidecarNeverOverlaps(t *testing.T) {
	y := newYard(t, SidecarRole{}, config.Sidecar{Name: "c"})
	y.up("c")
	y.env.calls = nil
	p := y.car("c")
	c := *p.conf
	c.Command = []string{"other"}
	w := waitOn(p, p.apply(c, y.env.t), y.env.t)
	y.want("changed: no front is asked, the drain is over at once")
	y.life("c", evDrained, 0)
	y.want("it is told to end", "SIGTERM 1")
	y.later(30 * time.Second)
	y.want("it has stop_timeout", "SIGKILL 1")
	y.wantWaiting("the old one is there", w)
	e := event{worker: WorkerRef{p.name, 1}, kind: evExited, exit: ExitStatus{Code: -1}}
	y.ps.dispatch(&e, y.env.t)
	y.want("then the new one", "forget 1", "spawn 2")
	y.up("c")
	y.wantResult("up again", w, "")
	y.env.calls = nil
	y.wantResult("an unchanged one is left alone", waitOn(p, p.apply(c, y.env.t), y.env.t), "")
	c.Sidecar.Restart, c.StopTimeout = config.RestartNever, config.Duration(time.Second)
	y.wantResult("live keys", waitOn(p, p.apply(c, y.env.t), y.env.t), "")
	y.want("no process is touched")
}

// waitOn makes w one of p's waiters.
func waitOn(p *Pool, w *waiter, now time.Time) *waiter {
	w.ch = make(chan error, 1)
	p.waiters = append(p.waiters, w)
	p.settle(now)
	return w
}

func TestSidecarOrder(t *testing.T) {
	y := newYard(t, SidecarRole{After: []string{"b"}}, config.Sidecar{Name: "b", After: []string{"a"}},
		config.Sidecar{Name: "a"})
	y.p.event(evPoolStart, y.env.t)
	y.ps.turn(nil)
	y.wantCar("b waits for a", "b", PoolStarting, 0)
	y.wantCar("a waits for nothing", "a", PoolStarting, 1)
	y.want("the pool queues meanwhile", "spawn 1", "available")
	if at := y.ps.next(); at.Before(y.env.t.Add(time.Second)) {
		t.Errorf("the loop looks again at %v; want it to sleep while it waits for a sidecar", at)
	}
	y.life("a", evSpawned, 0)
	y.wantCar("a is not up yet", "b", PoolStarting, 0)
	y.env.calls = nil
	y.life("a", evReady, 0)
	y.want("a is up", "spawn 1")
	y.wantCar("b begins", "b", PoolStarting, 1)
	if len(y.p.workers) != 0 {
		t.Error("the pool began before b was up")
	}
	y.env.calls = nil
	y.up("b")
	y.want("b is up: the pool begins", "spawn 1")
	y.happens(1, evSpawned)
	y.happens(1, evReady)
	y.env.calls = nil
	y.life("b", evExited, 1)
	y.happens(1, evExited)
	if !slices.Contains(y.env.calls, "gone 1") || y.p.lastN != 2 {
		t.Errorf("calls %q; want the worker replaced though its sidecar is down", y.env.calls)
	}
}

// A job that ended after it was up holds nobody; one that never was up holds, and whoever waits is told.
func TestSidecarThatEnded(t *testing.T) {
	for _, wasUp := range []bool{true, false} {
		y := newYard(t, SidecarRole{After: []string{"job"}},
			config.Sidecar{Name: "job", Restart: config.RestartNever})
		y.life("job", evSpawned, 0)
		if wasUp {
			y.life("job", evReady, 0)
		}
		y.life("job", evExited, 1)
		y.p.event(evPoolStart, y.env.t)
		w := y.wait(y.p.readyWaiter())
		if got := len(y.p.workers) == 1; got != wasUp {
			t.Errorf("was up %t: the pool began: %t", wasUp, got)
		}
		if !wasUp {
			if len(w.ch) == 0 {
				t.Error("who waits is not told")
			} else if err := <-w.ch; err == nil || !strings.Contains(err.Error(), "waits for sidecar/job") {
				t.Errorf("who waits is told %v", err)
			}
		}
	}
}

// A sidecar that fails again and again does not hold up the start of the instance for ever.
func TestSidecarFailuresAreTold(t *testing.T) {
	y := newYard(t, SidecarRole{}, config.Sidecar{Name: "c"})
	p := y.car("c")
	w := waitOn(p, p.readyWaiter(), y.env.t)
	for range sidecarFailuresMax {
		y.wantWaiting("it may come up", w)
		y.life("c", evSpawned, 0)
		y.life("c", evExited, 1)
		y.later(2 * time.Second)
	}
	y.wantResult("after so many failures", w,
		"supervisor: sidecar/c: supervisor: worker sidecar/c (pid 1): exit")
	if p.want != PoolRunning {
		t.Error("it is not tried any more")
	}
}

func TestSidecarReadyDeadline(t *testing.T) {
	y := newYard(t, SidecarRole{}, config.Sidecar{Name: "c", Ready: config.SidecarReady{
		Probe: config.KindNotify, Timeout: config.Duration(time.Minute)}})
	y.life("c", evSpawned, 0)
	y.env.calls = nil
	y.later(time.Minute)
	y.want("at the deadline", "examine 1")
	y.life("c", evExamined, 0)
	y.want("once known", "SIGKILL 1")
	y.later(time.Second)
	y.want("nothing begins while it is there")
	y.life("c", evExited, -1)
	y.want("then it is started again", "forget 1", "spawn 2")
}

// Another policy revives a sidecar that had ended; so does another command.
func TestSidecarRevived(t *testing.T) {
	for _, change := range []func(*PoolConfig){
		func(c *PoolConfig) { c.Sidecar.Restart = config.RestartAlways },
		func(c *PoolConfig) { c.Command = []string{"other"} },
	} {
		y := newYard(t, SidecarRole{}, config.Sidecar{Name: "c", Restart: config.RestartNever})
		y.up("c")
		y.life("c", evExited, 0)
		y.wantCar("ended", "c", PoolStopped, 0)
		y.env.calls = nil
		p := y.car("c")
		c := *p.conf
		change(&c)
		p.apply(c, y.env.t)
		y.want("revived", "spawn 2")
	}
}

// A reload changes one sidecar after the other; in between they may wait for each other.
func TestSidecarsThatWaitForEachOther(t *testing.T) {
	y := newYard(t, SidecarRole{}, config.Sidecar{Name: "a", After: []string{"b"}},
		config.Sidecar{Name: "b", After: []string{"a"}})
	a := y.car("a")
	w := waitOn(a, a.readyWaiter(), y.env.t)
	y.wantWaiting("it may be repaired", w)
	b := y.car("b")
	c := *b.conf
	c.Sidecar.After = nil
	b.apply(c, y.env.t)
	y.ps.turn(nil)
	y.up("b")
	y.up("a")
	y.wantResult("repaired", w, "")
}

func TestFrontsHearNothingOfSidecars(t *testing.T) {
	y := newYard(t, SidecarRole{}, config.Sidecar{Name: "c"})
	y.up("c")
	y.ps.announce(y.env)
	y.want("only the pool is known to fronts", "spawn 1", "stopped")
}

func TestSidecarNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		is   bool
		ok   bool
	}{
		{"sidecar/c", true, true}, {"c", true, false}, {"sidecar/c", false, false},
		{"sidecar/../c", true, false}, {"sidecar/", true, false},
	} {
		c := PoolConfig{Name: tt.name, Command: []string{"x"}, Sidecar: SidecarRole{Is: tt.is}}
		if err := c.validate(); (err == nil) != tt.ok {
			t.Errorf("%q, sidecar %t: %v; want ok %t", tt.name, tt.is, err, tt.ok)
		}
	}
	w := WorkerRef{"sidecar/c", 7}
	if w.String() != "sidecar/c" || dirName(w) != "@c-7" {
		t.Errorf("%v is %q in %q; want sidecar/c in @c-7", w, w.String(), dirName(w))
	}
}
