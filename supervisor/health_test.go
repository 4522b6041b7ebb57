package supervisor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

// pinged is a machine with one ready worker that is pinged every 10 s and may be silent for 30.
func pinged(t *testing.T, change func(*PoolConfig)) *machine {
	t.Helper()
	m := started(t, change)
	m.happens(1, evReady)
	m.env.calls = nil
	return m
}

// says brings a sign of worker 1.
func (m *machine) says(s sign, text string) {
	e := event{worker: WorkerRef{"shop", 1}, kind: evNotice, sign: s, count: 3, text: text}
	m.ps.dispatch(&e, m.env.t)
}

// completes reports traffic of worker 1.
func (m *machine) completes(n uint64) {
	m.p.onLoad(&PoolLoad{Pool: "shop", Workers: []WorkerLoad{{N: 1, Completed: n}}}, m.env.t)
}

func TestPingControl(t *testing.T) {
	m := pinged(t, nil)
	m.later(time.Hour)
	m.want("a worker that did not say hello is not pinged")
	m = pinged(t, nil)
	m.says(signHello, "")
	m.later(10*time.Second - 1)
	m.want("before ping.every")
	m.later(1)
	m.want("after ping.every", "ping 1 1")
	m.later(29 * time.Second)
	m.want("it may take its time")
	m.says(signPong, "")
	m.later(10 * time.Second)
	m.want("a pong begins anew", "ping 1 2")
	m.later(30*time.Second - 1)
	m.want("before ping.timeout")
	m.later(1)
	m.want("silent: fronts take it out", "fail 1")
	m.later(time.Second / 2)
	m.ps.WorkerHung(WorkerRef{"shop", 1}, "no answer; 1 in flight")
	m.turn()
	m.want("and tell", "drain 1", "SIGTERM 1", "spawn 2")
}

// turn lets the loop take its inbox.
func (m *machine) turn() {
	events, _ := m.ps.take()
	m.ps.turn(events)
}

func TestPingIsNotNeededWhileRequestsComplete(t *testing.T) {
	m := pinged(t, nil)
	m.says(signHello, "")
	for range 20 {
		m.later(9 * time.Second)
		m.completes(1)
	}
	m.want("busy")
	m.later(10 * time.Second)
	m.want("idle", "ping 1 1")
	for range 20 { // it never answers, as its control loop is starved, but it works
		m.later(29 * time.Second)
		m.completes(1)
	}
	if m.p.workers[1].state != WorkerReady {
		t.Error("a worker that finishes requests was ended")
	}
}

func TestPingNoFrontAnswers(t *testing.T) {
	m := pinged(t, nil)
	m.says(signHello, "")
	m.later(40 * time.Second)
	m.want("silent", "ping 1 1", "fail 1")
	m.says(signPong, "") // too late: fronts have given its requests away
	m.later(hungAnswerMax - 1)
	m.want("fronts have a moment")
	m.later(1)
	m.want("then it goes on without them", "drain 1", "SIGTERM 1", "spawn 2")
}

func TestPingAfterWeSlept(t *testing.T) {
	m := pinged(t, nil)
	m.says(signHello, "")
	m.later(10 * time.Second)
	m.env.t = m.env.t.Add(time.Hour) // the supervisor was stopped
	m.ps.turn(nil)
	m.want("its own sleep is not the worker's", "ping 1 1", "ping 1 2")
	m.later(30 * time.Second)
	m.want("but silence is", "fail 1")
}

func TestPingHTTP(t *testing.T) {
	m := pinged(t, func(c *PoolConfig) { c.Ping.HTTP = "/healthz" })
	m.later(10 * time.Second)
	m.want("any worker", "fetch 1 /healthz")
	m.says(signProbed, "status 500")
	m.later(pingRetry - 1)
	m.want("a wrong answer is not the end")
	m.later(1)
	m.want("it is asked again soon", "fetch 1 /healthz")
	m.says(signProbed, "")
	m.later(10 * time.Second)
	m.want("well again", "fetch 1 /healthz")
	for range 29 {
		m.says(signProbed, "status 500")
		m.later(time.Second)
	}
	m.env.calls = nil
	m.says(signProbed, "status 503")
	m.later(time.Second)
	m.want("ill for ping.timeout", "fail 1")
	if why := m.p.workers[1].pulse.why; !strings.Contains(why, "for 30s: status 503") {
		t.Errorf("why = %q; want the last answer in it", why)
	}
}

func TestPingWatchdog(t *testing.T) {
	m := pinged(t, func(c *PoolConfig) { c.Ping.Watchdog = true })
	for range 5 {
		m.later(29 * time.Second)
		m.says(signWatchdog, "")
	}
	m.want("WATCHDOG=1 in time")
	m.later(30 * time.Second)
	m.want("none in time", "fail 1")
	m = pinged(t, func(c *PoolConfig) { c.Ping.Watchdog = true })
	m.says(signTrigger, "")
	m.want("WATCHDOG=trigger", "fail 1")
}

func TestPingOnlyReadyWorkers(t *testing.T) {
	m := started(t, func(c *PoolConfig) { c.Ping.HTTP, c.Ready.Timeout = "/", config.Off })
	m.says(signHello, "")
	m.later(time.Hour)
	m.want("starting")
	m.happens(1, evReady)
	m.happens(1, evDrain)
	m.env.calls = nil
	m.later(29 * time.Second)
	m.want("draining")
}

func TestPingLogged(t *testing.T) {
	m := pinged(t, func(c *PoolConfig) { c.Hang.Action = config.HangLog })
	lines := m.logged()
	m.says(signHello, "")
	m.later(50 * time.Second)
	m.want("log: it is left alone and asked on", "ping 1 1", "ping 1 2")
	m.says(signPong, "")
	if got := lines.String(); !strings.Contains(got, "worker hangs") ||
		!strings.Contains(got, "worker answers again") {
		t.Errorf("log = %q; want both", got)
	}
}

// logged has the machine log to the buffer that it returns.
func (m *machine) logged() *bytes.Buffer {
	b := &bytes.Buffer{}
	m.ps.log = slog.New(slog.NewTextHandler(b, nil))
	return b
}

func TestHungIsNamed(t *testing.T) {
	m := pinged(t, nil)
	lines := m.logged()
	m.says(signHello, "")
	m.says(signPong, "")
	m.later(40 * time.Second)
	m.ps.WorkerHung(WorkerRef{"shop", 1}, `no answer; 1 in flight: GET "/x" id=7 sent for 2s`)
	m.turn()
	want := `level=ERROR msg=worker pool=shop worker=shop/1 pid=1001 from=ready to=stopping ` +
		`reason="hung: no answer; 1 in flight: GET \"/x\" id=7 sent for 2s" age=40s rss=4096 ` +
		`last_pong_in_flight=3`
	m.ps.WorkerHung(WorkerRef{"shop", 1}, "again")
	m.turn()
	if got := lines.String(); strings.Count(got, "level=ERROR") != 1 ||
		!strings.Contains(got, want) {
		t.Errorf("log = %s; want one line %s", got, want)
	}
}

// Of several fronts each tells its part.
func TestHungAtSeveralFronts(t *testing.T) {
	m := pinged(t, nil)
	lines := m.logged()
	m.ps.WorkerHung(WorkerRef{"shop", 1}, "silent; 1 in flight: GET /a")
	m.ps.WorkerHung(WorkerRef{"shop", 1}, "silent; 1 in flight: GET /b")
	m.ps.WorkerHung(WorkerRef{"shop", 1}, "silent; nothing in flight")
	m.turn()
	if got := lines.String(); strings.Count(got, "level=ERROR") != 2 || !strings.Contains(got, "GET /b") {
		t.Errorf("log = %s; want both requests", got)
	}
}

func TestHangAutopsy(t *testing.T) {
	m := pinged(t, func(c *PoolConfig) {
		c.Hang.Dump, c.Hang.Hook = "SIGQUIT", []string{"gcore", "{pid}"}
	})
	m.happens(1, evHung)
	m.want("first it is looked at", "drain 1", "autopsy 1 SIGQUIT [gcore {pid}]", "spawn 2")
	m.happens(1, evAutopsied)
	m.want("then ended", "SIGTERM 1")
}

func TestOrphan(t *testing.T) {
	m := pinged(t, func(c *PoolConfig) { c.Hang.Action = config.HangOrphan })
	m.later(time.Minute)
	m.happens(1, evHung)
	m.want("its seat is filled at once", "drain 1", "spawn 2")
	if got := m.p.workers[1].state; got != WorkerOrphaned {
		t.Errorf("worker is %s; want orphaned", got)
	}
	m.happens(2, evSpawned)
	m.happens(2, evReady)
	m.env.calls = nil
	m.later(10*time.Minute - 1)
	m.want("it is left alone")
	m.later(1)
	m.want("for hang.keep", "SIGKILL 1")
	m.happens(1, evExited)
	m.want("and is gone", "gone 1", "forget 1")
	if len(m.p.failures) != 0 {
		t.Error("the end of an orphan counts as a failure to start")
	}
}

func TestOrphansAreBounded(t *testing.T) {
	m := pinged(t, func(c *PoolConfig) { c.Hang.Action = config.HangOrphan })
	n := uint64(1)
	for range orphansMax {
		m.later(earlyDeath)
		m.happens(n, evHung)
		n++
		m.happens(n, evSpawned)
		m.happens(n, evReady)
	}
	m.later(earlyDeath)
	m.env.calls = nil
	m.happens(n, evHung)
	m.want("one too many is killed", "drain "+itoa(n), "SIGTERM "+itoa(n), "spawn "+itoa(n+1))
	m.p.event(evPoolStop, m.env.t)
	for i := range orphansMax {
		if s := m.p.workers[uint64(i+1)].state; s != WorkerStopping {
			t.Errorf("orphan %d is %s after the pool's stop; want stopping", i+1, s)
		}
	}
}

func TestRapidFailHook(t *testing.T) {
	m := started(t, func(c *PoolConfig) {
		c.RapidFail.Failures, c.RapidFail.Hook = 1, []string{"page", "{pool} {worker}", "{reason}"}
	})
	m.happens(1, evExited)
	m.want("failed", "failed", "hook [page shop shop/1 "+
		"supervisor: worker shop/1 (pid 1001): exit status 1] 0", "forget 1")
	m.later(1600 * time.Millisecond)
	m.happens(2, evSpawned)
	m.happens(2, evExited)
	m.want("once per failure of the pool", "spawn 2", "forget 2")
}

func TestAuditFindsTheDead(t *testing.T) {
	m := pinged(t, nil)
	m.later(10 * time.Second)
	m.want("nothing to find")
	lines := m.logged()
	m.env.found = map[uint64]string{1: foundZombie}
	m.later(time.Second)
	m.env.found = nil
	m.later(time.Second)
	m.want("an end on its way is no finding")
	m.env.found = map[uint64]string{1: foundGone}
	m.later(2 * time.Second)
	m.want("found twice: the books are corrected", "disown 1", "gone 1", "forget 1", "spawn 2")
	if got := lines.String(); !strings.Contains(got, `msg="audit: books corrected" pool=shop `+
		`worker=shop/1 pid=1001 state=ready reason="`+foundGone) {
		t.Errorf("log = %s; want the correction", got)
	}
	m.happens(1, evExited) // told at last
	m.want("nothing happens twice")
}

func TestAuditRestsWithoutWorkers(t *testing.T) {
	m := newMachine(t, nil)
	if at := m.ps.next(); !at.IsZero() {
		t.Errorf("next() = %v without a worker; want never", at)
	}
	m = started(t, nil)
	if at := m.ps.next(); at != m.env.t.Add(auditEvery) {
		t.Errorf("next() = %v with a worker; want a second later", at)
	}
}
