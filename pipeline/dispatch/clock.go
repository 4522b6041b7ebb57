package dispatch

import (
	"errors"
	"fmt"
	"math"
	"time"

	"weir/netpoll"
	"weir/pipeline"
)

// One timer serves all clocks of a request. It is set when the stage changes; progress only notes
// the time, and the timer, when it fires, finds out what is due and sets itself anew.

// wait starts the clock of a waiter.
func (j *job) wait(d time.Duration) {
	now := j.s.loop.Now()
	j.stage = stageQueued
	if j.waitFrom == 0 { // one that was refused by its worker has waited before
		j.waitFrom, j.waitSince = now, j.s.pool.clock()
	}
	j.wakeAt = 0
	if d > 0 {
		j.wakeAt = j.waitFrom + int64(d)
	}
	j.arm(now)
}

// arm sets the timer to what may be due first.
func (j *job) arm(now int64) {
	if at := j.nextDue(now); at < math.MaxInt64 {
		j.s.loop.Schedule(&j.timer, at)
		return
	}
	j.s.loop.Cancel(&j.timer)
}

// nextDue is when the request must be looked at.
func (j *job) nextDue(now int64) int64 {
	at := int64(math.MaxInt64)
	sooner := func(from int64, d time.Duration) {
		if d > 0 {
			at = min(at, from+int64(d))
		}
	}
	if j.wakeAt > 0 {
		at = j.wakeAt
	}
	if j.deadAt > 0 {
		at = min(at, j.deadAt)
	}
	if j.start > 0 && j.stage != stageTunnel {
		sooner(j.start, j.times.Total)
	}
	switch j.stage {
	case stageBacklog, stageConnect:
		sooner(j.moved, j.times.Connect)
	case stageSent:
		if !j.allSent(now) {
			sooner(now, sendCheck)
			break
		}
		if j.gotByte {
			sooner(j.moved, j.times.Idle)
			break
		}
		sooner(j.sentAll, j.times.FirstByte)
		sooner(max(j.heldFrom, j.sentAll), j.set.HangAfter)
	case stageRelay:
		if !j.choked {
			sooner(j.moved, j.times.Idle)
		}
	case stageTunnel:
		sooner(j.moved, j.tunnelClock())
	}
	return at
}

// armIdle sees to it that the timer, set for the first byte, fires early enough for the next one.
func (j *job) armIdle() {
	d := int64(j.times.Idle)
	if j.stage == stageTunnel {
		d = int64(j.tunnelClock())
	}
	if d > 0 && (!j.timer.Scheduled() || j.timer.When() > j.moved+d) {
		j.s.loop.Schedule(&j.timer, j.moved+d)
	}
}

// allSent says whether the whole request has gone to the worker, and notes when it was first seen
// so. A small request without body counts from the turn in which it was written.
func (j *job) allSent(now int64) bool {
	if j.sentAll == 0 && j.bodyDone && j.fileSent() && (j.up.conn.Queued() < throughMin || !j.up.conn.Pending()) {
		j.sentAll = now
		j.heldFrom = now
	}
	return j.sentAll != 0
}

// OnExpire implements netpoll.Expirer.
func (j *job) OnExpire(_ *netpoll.Timer, now int64) {
	if j.c == nil {
		return
	}
	defer j.guard(j.c)
	total := j.times.Total
	switch {
	case j.start > 0 && total > 0 && j.stage != stageTunnel && now >= j.start+int64(total):
		j.timedOut(now, pipeline.WorkerTotalTimeout)
	case j.deadAt > 0 && now >= j.deadAt:
		j.lost(j.consumed(), 502, reasonAbandoned)
	default:
		j.onClock(now)
	}
}

func (j *job) onClock(now int64) {
	due := j.wakeAt > 0 && now >= j.wakeAt
	switch j.stage {
	case stageQueued:
		if due {
			j.queueTimeout(now)
			return
		}
	case stageParked:
		if due {
			j.wakeAt = 0
			j.s.reenter(j)
			return
		}
	case stageBacklog, stageConnect:
		if d := j.times.Connect; d > 0 && now >= j.moved+int64(d) {
			j.connectTimeout()
			return
		}
		if due && j.stage == stageBacklog {
			j.redial()
			return
		}
	case stageSent:
		if due {
			u := j.up
			j.wakeAt = 0
			j.wakeSent(u)
			if u.job != j {
				return
			}
		}
		if j.overdue(now) {
			return
		}
	case stageRelay:
		if sent := j.up.conn.Sent(); j.up.mux == nil && sent != j.movedTo { // it answers while it takes the request
			j.movedTo, j.moved = sent, now
		}
		if d := j.times.Idle; d > 0 && !j.choked && now >= j.moved+int64(d) {
			j.timedOut(now, pipeline.WorkerIdleTimeout)
			return
		}
	case stageTunnel:
		if d := j.tunnelClock(); d > 0 && now >= j.moved+int64(d) {
			j.tunnelIdle()
			return
		}
	}
	j.arm(now)
}

// wakeSent ends what a sent request waits for beside the response: the worker's 100, or the rest of
// a small response.
func (j *job) wakeSent(u *upstream) {
	switch {
	case j.expecting:
		j.receive()
	case j.need > 0 && u.records():
		j.need, j.late = 0, true
		j.startCGI(u, j.held, 0, false, false)
		if u.job == j {
			j.pauseChoked(u)
		}
	case j.need > 0:
		j.need, j.late = 0, true
		u.conn.Resume() // delivers again what it keeps
	}
}

// overdue ends a sent request that got no answer in time.
func (j *job) overdue(now int64) bool {
	if !j.allSent(now) {
		return j.stuck(now)
	}
	if j.hangs(now) {
		return true
	}
	if d := j.times.FirstByte; d > 0 && !j.gotByte && now >= j.sentAll+int64(d) {
		j.timedOut(now, reasonTimeout)
		return true
	}
	if d := j.times.Idle; d > 0 && j.gotByte && now >= j.moved+int64(d) {
		j.timedOut(now, pipeline.WorkerIdleTimeout) // part of a head, and no more
		return true
	}
	return false
}

// stuck judges a request that is being sent. While nothing waits to be sent the client is what we
// wait for, and the server's clocks run.
func (j *job) stuck(now int64) bool {
	conn := j.up.conn
	starved := j.up.mux != nil && j.up.window <= 0 // its worker takes nothing, whatever else moves
	if sent := conn.Sent(); !starved && (sent != j.movedTo || !conn.Pending()) {
		j.movedTo = sent
		j.moved, j.heldFrom = now, now
		j.doneAt = j.lane.w.done()
		if j.paused && j.up.room() {
			j.resumeBody() // bytes held back until the worker took the first
		}
		return false
	}
	if j.hangs(now) {
		return true
	}
	if d := j.times.Idle; d > 0 && now >= j.moved+int64(d) {
		j.timedOut(now, pipeline.WorkerIdleTimeout)
		return true
	}
	return false
}

// hangs finds a worker that has held j without a byte for HangAfter and completed nothing
// meanwhile.
func (j *job) hangs(now int64) bool {
	after := int64(j.set.HangAfter)
	if after <= 0 || j.answering() || now < j.heldFrom+after {
		return false
	}
	w := j.lane.w
	if done := w.done(); done != j.doneAt {
		j.doneAt, j.heldFrom = done, now // slow, but answering others
		return false
	}
	held := now - j.heldFrom
	if j.set.HangOnly {
		j.heldFrom = now
		w.complain(j.hangDetail(held), after)
		return false
	}
	j.hung(held)
	return true
}

// hung gives the worker up; j goes with the others it holds.
func (j *job) hung(held int64) {
	w := j.lane.w
	w.pool.hung(w, j.hangDetail(held))
	j.lost(j.consumed(), 504, reasonHung)
}

func (j *job) hangDetail(held int64) string {
	r := j.c.Request()
	return fmt.Sprintf("%s %s: no byte for %v, nothing completed meanwhile", r.Method(), j.path(),
		time.Duration(held).Round(time.Millisecond))
}

// queueTimeout answers a waiter whose time is up. While no worker is ready, one that starts gets
// ReadyTimeout.
func (j *job) queueTimeout(now int64) {
	if at := j.waitFrom + int64(j.set.ReadyTimeout); now < at && !j.s.pool.anyReady() {
		j.wakeAt = at
		j.arm(now)
		return
	}
	bump(&j.s.queueTimeout)
	j.fail(503, pipeline.QueueTimeout, j.s.pool.retryAfter())
}

var errConnectTimeout = errors.New("dispatch: connect: timed out")

// connectTimeout ends an attempt to connect that took too long: 504 for a full backlog, which is no
// failure of the worker; another worker when one does not answer.
func (j *job) connectTimeout() {
	if j.stage == stageBacklog {
		bump(&j.s.timeouts)
		j.fail(504, pipeline.WorkerConnectTimeout, retryAfterBusy)
		return
	}
	if k := j.link; k != nil { // it does not greet
		k.ends(errConnectTimeout)
		return
	}
	u := j.up
	if u.mux != nil {
		u.mux.fail(errConnectTimeout)
		return
	}
	u.closed = true // refused gives the slot back
	u.conn.Close()
	j.refused(errConnectTimeout)
}

// timedOut ends a request that took too long; why names the clock.
func (j *job) timedOut(now int64, why pipeline.Reason) {
	bump(&j.s.timeouts)
	if !j.answering() && j.lane != nil && j.up != nil && j.sentAll > 0 && j.silent(now) {
		return
	}
	j.fail(504, why, "")
}

// silent keeps account of a worker whose requests time out before HangAfter: they count together.
// true: it is hung, and j is answered.
func (j *job) silent(now int64) bool {
	l := j.lane
	done := l.w.done()
	if l.silentFrom == 0 || l.silentDone != done {
		if done != j.doneAt {
			l.silentFrom = 0
			return false
		}
		l.silentFrom, l.silentDone = j.heldFrom, done
	}
	after := int64(j.set.HangAfter)
	if after <= 0 || now < l.silentFrom+after {
		return false
	}
	held := now - l.silentFrom
	l.silentFrom = 0
	if j.set.HangOnly {
		l.w.complain(j.hangDetail(held), after)
		return false
	}
	j.hung(held)
	return true
}
