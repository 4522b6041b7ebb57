package supervisor

import (
	"fmt"
	"log/slog"
	"time"
)

// A ready worker must give signs of life. Which ones, and who begins, depends on ping:
//
//	watchdog        it says WATCHDOG=1 by itself, at least once in ping.timeout
//	http            after ping.every without a sign, ping.http is fetched from it
//	Go SDK          after ping.every without a sign, a ping goes to its control socket
//
// A request that it completed is a sign in all of them: a worker that is busy but finishes requests is
// neither asked nor ended. Without a sign for ping.timeout since it was asked, it hangs.

// sign is something that a worker, or a look at it, says about its being alive.
type sign uint8

// Signs.
const (
	signNone     sign = iota
	signHello         // it has a control loop: it can be pinged
	signPong          // answer to a ping; count: requests it holds
	signWatchdog      // WATCHDOG=1
	signTrigger       // WATCHDOG=trigger: it asks to be taken for hung
	signProbed        // the HTTP probe ended; text: what was wrong, "" for nothing
)

// pulse is what is known of a worker's being alive. Owned by the main loop.
type pulse struct {
	sdk     bool      // it said hello on its control socket
	seen    time.Time // last sign of life; first, when it became ready
	asked   time.Time // when the ping was sent that has no answer yet; zero: none is out
	probing bool      // an HTTP probe is under way
	again   time.Time // when to probe once more after a wrong answer
	n       uint64    // number of the last ping
	holds   int       // requests that the last pong told of; -1: none came
	silent  bool      // it was taken for hung, and that was logged
	problem string    // what the last HTTP probe found instead of a good answer
	why     string    // why it was given up
	corpse  []slog.Attr
}

// pinging is how a worker is known to be alive.
type pinging uint8

const (
	pingsNone pinging = iota
	pingsControl
	pingsHTTP
	pingsWatchdog
)

func (w *worker) pinging() pinging {
	c := &w.pool.conf.Ping
	switch {
	case w.state != WorkerReady || w.givenUp():
		return pingsNone
	case w.conf.Ping.Watchdog: // as it was told when it started
		return pingsWatchdog
	case c.Every.IsOff():
		return pingsNone
	case c.HTTP != "":
		return pingsHTTP
	case w.pulse.sdk:
		return pingsControl
	}
	return pingsNone
}

// givenUp reports that fronts were told to take w out of rotation; the only clock of a ready worker
// runs until they did.
func (w *worker) givenUp() bool { return w.state == WorkerReady && !w.clock.IsZero() }

// alive notes a sign of life.
func (w *worker) alive(now time.Time) {
	u := &w.pulse
	if u.silent && w.state == WorkerReady && !w.givenUp() {
		w.pool.ps.log.Info("worker answers again", "pool", w.ref.Pool, "worker", w.ref.String(),
			"pid", w.pid)
		u.silent = false
	}
	u.seen, u.asked, u.problem = now, time.Time{}, ""
}

// onSign takes a sign in.
func (w *worker) onSign(e *event, now time.Time) {
	u := &w.pulse
	switch e.sign {
	case signHello:
		u.sdk, u.holds = true, -1
	case signPong:
		u.holds = e.count
		w.alive(now)
	case signWatchdog:
		w.alive(now)
	case signTrigger:
		if w.state == WorkerReady && !w.givenUp() {
			w.falter("the worker said WATCHDOG=trigger", now)
		}
	case signProbed:
		u.probing, u.again = false, now.Add(pingRetry)
		if u.problem = e.text; e.text == "" {
			w.alive(now)
		}
	default:
		panic("supervisor: unknown sign")
	}
}

// pulseAt is when w's pulse must be looked at; zero for never.
func (w *worker) pulseAt() time.Time {
	u, c := &w.pulse, &w.pool.conf.Ping
	switch kind := w.pinging(); {
	case kind == pingsNone:
		return time.Time{}
	case kind == pingsWatchdog:
		return u.seen.Add(w.conf.Ping.Timeout.Std())
	case u.asked.IsZero():
		return u.seen.Add(c.Every.Std())
	case kind == pingsHTTP && !u.probing:
		return earlier(u.asked.Add(c.Timeout.Std()), u.again)
	}
	return u.asked.Add(c.Timeout.Std())
}

// feel asks w whether it lives, and takes it for hung when it has not answered in time.
func (w *worker) feel(now time.Time) {
	at := w.pulseAt()
	if at.IsZero() || now.Before(at) {
		return
	}
	u, c := &w.pulse, &w.pool.conf.Ping
	kind, limit := w.pinging(), c.Timeout.Std()
	since := u.asked
	if kind == pingsWatchdog {
		since, limit = u.seen, w.conf.Ping.Timeout.Std()
	}
	switch {
	case kind != pingsWatchdog && u.asked.IsZero():
		w.ask(kind, now)
	case now.Sub(since) < limit: // the answer to the last probe was a wrong one
		w.probe()
	case now.Sub(since) >= limit+pingOverslept: // we did not run ourselves: answers may lie unread
		u.seen, u.asked = now, time.Time{}
		if kind != pingsWatchdog {
			w.ask(kind, now)
		}
	default:
		w.falter(w.silence(kind, limit), now)
	}
}

func (w *worker) ask(kind pinging, now time.Time) {
	u := &w.pulse
	u.asked = now
	u.n++
	if kind == pingsControl {
		w.pool.ps.env.ping(w.ref, u.n)
	} else if !u.probing {
		w.probe()
	}
}

func (w *worker) probe() {
	w.pulse.probing, w.pulse.again = true, time.Time{}
	w.pool.ps.env.fetch(w.ref, w.endpoint, w.pool.conf.Ping)
}

// silence says what was missed.
func (w *worker) silence(kind pinging, limit time.Duration) string {
	switch {
	case kind == pingsWatchdog:
		return fmt.Sprintf("no WATCHDOG=1 for %s", limit)
	case w.pulse.problem != "":
		return fmt.Sprintf("no good answer to pings for %s: %s", limit, w.pulse.problem)
	}
	return fmt.Sprintf("no answer to a ping for %s", limit)
}
