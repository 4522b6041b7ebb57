package dispatch

import (
	"sync"

	"weir/pipeline"
)

// lost ends an attempt: the connection broke, or the worker is given up. consumed says whether the
// worker's side took a byte of the request. The request is tried again where that is safe, else the
// client gets status and reason; a response already begun is cut by a reset.
func (j *job) lost(consumed bool, status int, reason pipeline.Reason) {
	s := j.s
	if j.stage >= stageRelay || !j.mayRepeat(consumed) {
		j.fail(status, reason, "")
		return
	}
	w := j.lane.w
	bump(&j.lane.errors)
	if status == 502 {
		w.failed(reason.String())
	}
	j.detach()
	j.deadAt = 0
	s.retryElsewhere(j, w)
	if j.c != nil && j.lane == nil { // it waits
		j.pauseHeld()
	}
	s.serve()
}

// mayRepeat says whether the request may be sent once more, and counts it if so.
//
// A request of which no byte was taken always may. One of which some was may if its method is
// idempotent, nothing of an answer has reached the client, the body is held whole as far as it
// came, and the budget allows.
func (j *job) mayRepeat(consumed bool) bool {
	switch {
	case j.informed || !j.keep:
		return false
	case !consumed:
		j.tries++
		return j.tries < triesMax
	case !j.c.Request().Verb.Idempotent() || int(j.replays) >= j.set.ReplayMax:
		return false
	case !j.s.pool.takeReplay():
		return false
	}
	j.replays++
	j.waitFrom = 0
	bump(&j.s.replays)
	return true
}

// pauseHeld stops the client's body while no worker takes it.
func (j *job) pauseHeld() {
	if j.receiving {
		j.pauseBody()
	}
}

// fail ends j with an answer of our own, or a reset when the worker's has begun.
func (j *job) fail(status int, reason pipeline.Reason, retryAfter string) {
	s, c, x := j.s, j.c, j.x
	if j.queued {
		s.leave(j)
	}
	if j.lane != nil {
		bump(&j.lane.errors)
		if status == 502 && j.stage < stageRelay {
			j.lane.w.failed(reason.String())
		}
	}
	j.detach()
	s.release(j)
	answer(c, x, status, reason, retryAfter)
	s.serve()
}

// answer is Context.Fail with Retry-After; after the head was handed over it resets.
func answer(c *pipeline.Context, x exchange, status int, why pipeline.Reason, retryAfter string) {
	defer guarded(x)
	if retryAfter != "" && !c.Started() {
		_ = c.SetHeader("Retry-After", retryAfter) // well-formed; a full list can do without
	}
	c.Fail(status, why)
}

// stop ends j because its loop does. The client's connection ends by itself.
func (j *job) stop() {
	s := j.s
	s.stopped = true
	if j.queued {
		s.leave(j)
	}
	j.detach()
	s.release(j)
}

// overload answers a request that the queue has no room for.
func (j *job) overload() {
	if j.set.Overload != Reset {
		j.fail(503, pipeline.QueueFull, j.s.pool.retryAfter())
		return
	}
	j.cut(pipeline.QueueFull)
}

// cut ends j, which has no worker and no place in the queue, by a reset.
func (j *job) cut(reason pipeline.Reason) {
	c, x := j.c, j.x
	j.s.release(j)
	defer guarded(x)
	if !c.Started() {
		_ = c.SetStatus(503) // for the log; nothing was sent
		if c.StartResponse(pipeline.LengthUnknown) != nil {
			return // the exchange is over
		}
	}
	c.Abort(503, reason) // the head is still in the queue that the reset drops
}

// unavailable answers a request to a pool that takes none.
func (j *job) unavailable(a Availability) {
	reason := pipeline.AppOffline
	switch a {
	case Failed:
		if j.set.Offline == Reset {
			j.cut(reason)
			return
		}
	case Stopped:
		reason = pipeline.AppShutdown
	case Disabled:
		reason = pipeline.Disabled
	}
	j.fail(503, reason, retryAfterOffline)
}

// budget is what is left of the replays that the pool may make: a bucket filled at a fixed rate and
// by every request. It keeps a dying pool from being hit twice as hard.
type budget struct {
	mu       sync.Mutex
	begun    bool
	tokens   float64
	at       int64  // pool time of the last take
	requests uint64 // at that time
}

// takeReplay takes one replay from the budget.
func (p *Pool) takeReplay() bool {
	set, now, requests := p.set.Load(), p.clock(), p.requests()
	if set.ReplayRate == 0 && set.ReplayShare == 0 {
		return false // whatever is saved up
	}
	b := &p.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.begun {
		b.begun = true
		b.tokens = set.ReplayRate
	}
	b.tokens += float64(now-b.at) / 1e9 * set.ReplayRate
	b.tokens += float64(requests-b.requests) * set.ReplayShare
	b.tokens = min(b.tokens, replayBurstMax)
	b.at, b.requests = now, requests
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// requests is the number of requests that ever came.
func (p *Pool) requests() (n uint64) {
	for _, s := range p.shards {
		if s != nil {
			n += s.counts.requests.Load()
		}
	}
	return n
}
