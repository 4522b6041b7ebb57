package dispatch

import (
	"math"
	"strconv"
	"sync/atomic"
)

// drain measures how fast a pool's queue moves, for Retry-After. Loops may disturb each other's
// measure; that costs precision and nothing else.
type drain struct {
	from   atomic.Int64  // pool time at which the measure began
	served atomic.Uint64 // slots that waiters had got by then
	rate   atomic.Uint64 // bits of a float64: slots per second in the last measure; 0 = none yet
}

// begin starts a measure: the queue was empty.
func (d *drain) begin(p *Pool) {
	d.from.Store(p.clock())
	d.served.Store(p.granted())
	d.rate.Store(0)
}

// retryAfter is how many seconds the queue takes to drain at its present rate.
func (p *Pool) retryAfter() string {
	d, now, served := &p.drain, p.clock(), p.granted()
	elapsed := now - d.from.Load()
	rate := math.Float64frombits(d.rate.Load())
	if elapsed >= int64(drainWaitMin) {
		rate = float64(served-d.served.Load()) / (float64(elapsed) / 1e9)
	}
	if elapsed >= int64(drainWindow) {
		d.from.Store(now)
		d.served.Store(served)
		d.rate.Store(math.Float64bits(rate))
	}
	return strconv.Itoa(retrySeconds(p.waiters.Load(), rate, elapsed))
}

// retrySeconds bounds the time that waiting requests take. Without a rate nothing has moved: for a
// moment that says little, later much.
func retrySeconds(waiting int64, rate float64, elapsed int64) int {
	switch {
	case rate > 0:
		return int(min(max(math.Ceil(float64(waiting)/rate), retryAfterMin), retryAfterMax))
	case elapsed < int64(drainWindow):
		return retryAfterMin
	}
	return retryAfterMax
}

// granted is how many waiters ever got a slot.
func (p *Pool) granted() (n uint64) {
	for _, s := range p.shards {
		if s != nil {
			n += s.counts.granted.Load()
		}
	}
	return n
}
