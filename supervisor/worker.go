package supervisor

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"weir/supervisor/config"
)

// worker is one process of a pool, from the decision to start it until it is reaped. Owned by the
// main loop.
type worker struct {
	pool  *Pool
	ref   WorkerRef
	conf  *PoolConfig // as it was spawned; the pool's own holds what may change while it runs
	state WorkerState
	pid   int // 0 until exec succeeded

	endpoint  Endpoint
	announced bool // the front knows it
	served    bool // completed a request
	asked     bool // leaves by request: its exit is no failure
	killed    bool // SIGKILL was asked for
	drained   bool // the front was told to drain it
	permit    bool // it counts as starting; see starts
	patient   bool // its drain has no deadline
	outdated  bool // disabled when the configuration changed: it is to be replaced, not enabled
	reason    string
	err       error  // why it never became a process
	status    string // STATUS=

	traffic   traffic
	rec       workerRecycle
	pulse     pulse
	found     string // by the last audit; "" for nothing
	startedAt time.Time
	readyAt   time.Time // zero if it never was
	leftAt    time.Time // when it left starting or ready to go away; zero before
	parkedAt  time.Time // when it was last taken out of rotation to be suspended

	clock    time.Time   // zero: no clock runs
	rings    workerEvent // what happens then
	slowAt   time.Time   // when to warn that it is not ready; zero once said
	patience time.Duration
	cpu      cpuMeter
}

// handle puts e through the table.
func (w *worker) handle(e *event, now time.Time) {
	from := w.state
	t := from.step(e.kind)
	if t.next != from && t.next >= WorkerDraining && w.reason == "" {
		w.reason = reasonOf(e)
	}
	w.state = t.next
	if t.next != from {
		w.clock = time.Time{}
		if from < WorkerDraining && t.next >= WorkerDraining {
			w.leftAt = now
		}
	}
	w.act(t.do, e, now)
	if t.next != from || e.kind == evStopLate { // SIGKILL is told, too
		w.pool.totals.note(w.mishap(from, e), now)
		w.log(from, t.next, e)
	}
	if t.next != from {
		w.pool.onWorker(w, from, now)
	}
}

// act carries out one action of the table.
func (w *worker) act(do workerAction, e *event, now time.Time) {
	switch do {
	case actIgnore:
	case actBegin:
		w.pid, w.rec.place = e.pid, e.place
		w.log(w.state, w.state, e)
	case actFail:
		w.err = e.err
	case actRotate:
		w.rotate(e, now)
	case actExamine:
		w.pool.ps.env.examine(w.ref)
	case actKill:
		w.kill(now)
	case actDrain:
		w.drain()
		w.drainClock(now)
	case actHasten:
		if w.clock.IsZero() {
			w.drainClock(now)
		}
	case actDrainTerm:
		w.drain()
		w.term(now)
	case actTerm:
		w.term(now)
	case actLateSpawn:
		w.pid = e.pid
		if w.killed {
			w.kill(now)
		} else {
			w.term(now)
		}
	case actPark:
		w.park(now)
	case actSuspend:
		w.pool.ps.env.suspend(w.ref)
	case actUnpark:
		w.unpark(now)
	case actRest:
		w.rest()
	case actResume:
		w.pool.ps.env.resume(w.ref)
	case actResumeTerm:
		w.pool.ps.env.resume(w.ref)
		w.term(now)
	case actGiveUp:
		w.giveUp(now)
	case actCondemn:
		w.condemn(e, now)
	case actAbandon:
		w.abandon(e, now)
	case actServed:
		w.served = true
		w.pool.onServed(w)
	case actRecheck:
		w.pool.ps.env.recheck(w.ref, w.endpoint)
	case actComplain:
		w.complain(now)
	case actReap:
		w.reap(e)
	default:
		panic("supervisor: unknown worker action")
	}
}

// start begins w's life: the ready clock runs from here.
func (w *worker) start(now time.Time) {
	w.startedAt, w.slowAt = now, now.Add(readySlow)
	w.arm(evReadyLate, w.conf.readyTimeout(), now)
	w.pool.ps.env.spawn(w.ref, w.conf)
}

func (w *worker) rotate(e *event, now time.Time) {
	w.readyAt, w.announced = now, true
	w.traffic.busyAt, w.pulse.seen = now, now
	w.endpoint = e.endpoint
	w.endpoint.Concurrency = w.conf.Concurrency
	w.endpoint.Mux = w.conf.Dispatch == config.DispatchMux
	w.endpoint.Handoff = w.conf.Dispatch == config.DispatchHandoff
	w.endpoint.PID = w.pid
	w.endpoint.SlowStart = w.pool.conf.SlowStart.Std()
	w.slowAt = time.Time{}
	w.pool.ps.opts.Link.WorkerReady(w.ref, w.endpoint)
}

// drain takes w out of rotation, once.
func (w *worker) drain() {
	if w.announced && !w.drained {
		w.drained = true
		w.pool.ps.opts.Link.WorkerDrain(w.ref)
	}
}

// drainClock sets the deadline of w's drain, unless that may take as long as it takes.
func (w *worker) drainClock(now time.Time) {
	if !w.patient {
		w.arm(evDrainLate, w.pool.conf.stopTimeout(), now)
	}
}

// term sends SIGTERM; without a process yet, actLateSpawn does it later. After SIGKILL it has no use.
func (w *worker) term(now time.Time) {
	if w.killed {
		return
	}
	w.pool.ps.env.signal(w.ref, false)
	w.arm(evStopLate, w.pool.conf.stopTimeout(), now)
}

func (w *worker) kill(now time.Time) {
	w.drain()
	w.killed = true
	w.pool.ps.env.signal(w.ref, true)
	w.patience = killPatience
	w.arm(evKillLate, w.patience, now)
}

// complain says that a process survives SIGKILL (it sits in the kernel), and goes on watching it.
func (w *worker) complain(now time.Time) {
	w.pool.ps.log.Error("worker does not end after SIGKILL", "pool", w.ref.Pool,
		"worker", w.ref.String(), "pid", w.pid, "for", now.Sub(w.leftAt).Round(time.Second).String(),
		"output", w.lastOutput())
	w.pool.ps.env.signal(w.ref, true)
	w.patience = min(2*w.patience, killPatienceMax)
	w.arm(evKillLate, w.patience, now)
}

func (w *worker) reap(e *event) {
	x := e.exit
	x.Worker, x.Reason = w.ref.String(), w.reason
	x.Output = w.pool.ps.env.lines(w.ref)
	w.pool.noteExit(x)
	if w.announced {
		w.pool.ps.opts.Link.WorkerGone(w.ref)
	}
}

// arm sets the one clock of the present state; 0 is no clock.
func (w *worker) arm(rings workerEvent, d time.Duration, now time.Time) {
	w.clock, w.rings = time.Time{}, rings
	if d > 0 {
		w.clock = now.Add(d)
	}
}

// advance lets w's clocks ring.
func (w *worker) advance(now time.Time) {
	if !w.slowAt.IsZero() && !now.Before(w.slowAt) {
		w.slowAt = time.Time{}
		if w.state == WorkerStarting {
			w.pool.ps.log.Warn("waiting for worker to be ready", "pool", w.ref.Pool, "worker",
				w.ref.String(), "pid", w.pid, "for", now.Sub(w.startedAt).Round(time.Second).String(),
				"probe", w.conf.Ready.Probe.String(), "output", w.lastOutput())
		}
	}
	if !w.clock.IsZero() && !now.Before(w.clock) {
		w.clock = time.Time{}
		if w.rings == evHung { // no front said what it holds
			w.hung(&event{worker: w.ref, kind: evHung, text: "hung: " + w.pulse.why}, now)
		} else {
			w.handle(&event{worker: w.ref, kind: w.rings}, now)
		}
	}
	w.measure(now)
	w.feel(now)
}

// next is the earliest of w's clocks, zero for none.
func (w *worker) next() time.Time {
	return earlier(earlier(w.clock, w.slowAt), earlier(w.nextMeasure(), w.pulseAt()))
}

// earlier is the earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// log writes the one line of a life-cycle event.
func (w *worker) log(from, to WorkerState, e *event) {
	level, reason := slog.LevelInfo, reasonOf(e)
	attrs := []slog.Attr{slog.String("pool", w.ref.Pool), slog.String("worker", w.ref.String()),
		slog.Int("pid", w.pid), slog.String("from", from.String()), slog.String("to", to.String()),
		slog.String("reason", reason)}
	if to == WorkerDraining {
		attrs = append(attrs, w.recycleAttrs(w.leftAt)...)
	}
	if e.kind == evSpawned && (e.place.dir != w.conf.Dir || e.place.program != w.conf.Program) {
		attrs = append(attrs, slog.String("dir", e.place.dir), slog.String("program", e.place.program))
	}
	if w.mishap(from, e) != mishapNone {
		level = slog.LevelError
		if to > from && (e.kind == evHung || e.kind == evOrphan) {
			attrs = append(attrs, w.pulse.corpse...)
		}
		if out := w.lastOutput(); out != "" {
			attrs = append(attrs, slog.String("output", out))
		}
	}
	w.pool.ps.log.LogAttrs(context.Background(), level, w.pool.noun("worker"), attrs...)
}

// lastOutput quotes the end of w's output.
func (w *worker) lastOutput() string {
	l := w.pool.ps.env.lines(w.ref)
	return strings.Join(l[max(0, len(l)-outputErrorLines):], "\n")
}

// reasonOf says why e moves a worker.
func reasonOf(e *event) string {
	switch e.kind {
	case evSpawnFailed:
		return e.err.Error()
	case evExited:
		return e.exit.How
	case evReady:
		if e.text != "" {
			return e.text
		}
		return "accepts connections on " + e.endpoint.Network + " " + e.endpoint.Address
	case evReadyLate:
		return "not ready at the deadline"
	case evExamined:
		return "not ready: " + e.text
	case evStopLate:
		return "still there at the end of stop_timeout: SIGKILL"
	}
	if e.text != "" {
		return e.text
	}
	return e.kind.String()
}
