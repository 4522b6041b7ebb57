package dispatch

import (
	"sync/atomic"
	"time"

	"weir/netpoll"
)

// lane is a worker as one loop sees it. Everything but idleCount belongs to the loop.
type lane struct {
	w       *worker
	s       *shard
	address *netpoll.Address
	idle    *upstream // used last first; its own ring through next and prev
	mux     *muxConn  // of mux mode, nil while there is none for new streams
	link    *link     // of handoff mode, nil while there is none
	busy    *job      // requests on a connection, or waiting for one with a slot in hand
	delay   time.Duration

	// A request that timed out unanswered leaves when it was sent and what the worker had completed
	// by then: time-outs shorter than HangAfter do not hide a hung worker.
	silentFrom int64
	silentDone uint32

	idleCount atomic.Int32  // read by other loops: who could give a slot up
	held      atomic.Int32  // connections that the worker has of this loop, in handoff mode
	errors    atomic.Uint64 // this loop's part of worker.errors
	handedOff atomic.Uint64 // connections given to the worker
	broken    atomic.Uint64 // of them, those that it took with it when it died
	_         cacheLine
}

// push makes u idle. Its slot stays with it.
func (l *lane) push(u *upstream) {
	if l.idle == nil {
		u.next, u.prev = u, u
	} else {
		u.next, u.prev = l.idle, l.idle.prev
		u.prev.next, u.next.prev = u, u
	}
	l.idle = u
	l.idleCount.Store(l.idleCount.Load() + 1)
}

// pop takes the connection that was used last; nil when there is none.
func (l *lane) pop() *upstream {
	u := l.idle
	if u != nil {
		l.unlink(u)
	}
	return u
}

func (l *lane) unlink(u *upstream) {
	if u.next == u {
		l.idle = nil
	} else {
		u.prev.next, u.next.prev = u.next, u.prev
		if l.idle == u {
			l.idle = u.next
		}
	}
	u.next, u.prev = nil, nil
	l.idleCount.Store(l.idleCount.Load() - 1)
}

// closeOldest gives up the connection that has been idle for longest.
func (l *lane) closeOldest() bool {
	if l.idle == nil {
		return false
	}
	u := l.idle.prev
	l.unlink(u)
	u.close()
	return true
}

func (l *lane) closeIdle() {
	if l.mux != nil {
		l.mux.retire()
	}
	if l.link != nil {
		l.link.retire(0)
	}
	for l.closeOldest() {
	}
}

func (l *lane) addBusy(j *job) {
	j.nextBusy, j.prevBusy = l.busy, nil
	if l.busy != nil {
		l.busy.prevBusy = j
	}
	l.busy = j
}

func (l *lane) removeBusy(j *job) {
	if j.stage == stageTunnel {
		l.w.tunnels.Add(-1)
	}
	if j.prevBusy == nil {
		l.busy = j.nextBusy
	} else {
		j.prevBusy.nextBusy = j.nextBusy
	}
	if j.nextBusy != nil {
		j.nextBusy.prevBusy = j.prevBusy
	}
	j.nextBusy, j.prevBusy = nil, nil
}

// refuse notes that the worker did not take a connection: nobody tries again for a while.
func (l *lane) refuse(err error) {
	l.delay = min(max(2*l.delay, refusedWaitMin), refusedWaitMax)
	l.w.refused.Store(l.w.pool.clock() + int64(l.delay))
	l.w.pool.ev.Refused(l.w.pool.name, l.w.n, err.Error())
	l.w.failed(err.Error())
}

// accepted notes that the worker took a connection.
func (l *lane) accepted() {
	l.delay = 0
	if l.w.refused.Load() != 0 {
		l.w.refused.Store(0)
	}
}

// gone ends what a dead worker's lane holds. Connections that still have something to say get a
// moment: their last bytes may be in the kernel.
func (l *lane) gone() {
	l.closeIdle()
	at := l.s.loop.Now() + int64(goneGrace)
	for j := l.busy; j != nil; {
		next := j.nextBusy
		if j.link != nil || j.up == nil || !j.up.conn.Connected() {
			j.lost(false, 502, reasonAbandoned)
		} else if j.deadAt == 0 {
			j.deadAt = at
			j.arm(l.s.loop.Now())
		}
		j = l.resume(next)
	}
	l.s.serve()
}

// hung ends the requests of a hung worker that have no byte of an answer; what is being answered
// goes on until the process ends.
func (l *lane) hung() {
	l.closeIdle()
	for j := l.busy; j != nil; {
		next := j.nextBusy
		if !j.answering() {
			j.lost(j.consumed(), 504, reasonHung)
		}
		j = l.resume(next)
	}
	l.s.serve()
}

// resume is where a walk over busy goes on: at next, unless ending a request has ended that one,
// too; then at the start, since those that stay are skipped quickly.
func (l *lane) resume(next *job) *job {
	if next == nil || next.lane == l {
		return next
	}
	return l.busy
}

var _ netpoll.Handler = (*upstream)(nil)
