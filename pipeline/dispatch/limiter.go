package dispatch

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Adaptive says what is made of the limit that a pool finds for its requests in flight.
type Adaptive uint8

// Modes of the limit.
const (
	AdaptiveOff    Adaptive = iota // none is looked for
	AdaptiveShadow                 // it is found and reported, and limits nothing
	AdaptiveOn                     // what is beyond it waits in the queue
)

// Limit is how many requests a pool may have on its workers at once, below their slots. It is found
// by the time that answers take to begin: while that is near the least of the last minute the limit
// grows with demand, beyond that it shrinks in proportion. Loops may each exceed it by one request.
type Limit struct {
	Adaptive Adaptive
	Min      int // 0 = 4
	Max      int // 0: the slots of the workers
}

// limiter finds the limit of a pool.
type limiter struct {
	current atomic.Int64 // the limit, rounded; 0: none yet
	base    atomic.Int64 // ns: the least latency, as last seen

	mu    sync.Mutex
	sum   float64    // guarded by mu: latencies of this window, ns
	count int        // guarded by mu
	from  int64      // guarded by mu: pool time at which the window began
	limit float64    // guarded by mu; 0: none yet
	least [2]float64 // guarded by mu: of this half minute and the one before, ns; 0: none
	turn  int64      // guarded by mu: pool time at which the next half minute begins
}

// sample is a loop's part of a window.
type sample struct {
	sum, from int64
	count     int
}

// observe takes the time that j's answer took to begin, streams included: their bodies do not
// count.
//
// Hot path: once per answer. No allocation: TestProxyAllocs.
func (j *job) observe() {
	if j.set.Limit.Adaptive == AdaptiveOff || j.sentAll == 0 {
		return
	}
	m, now := &j.s.sample, j.s.loop.Now()
	if m.count == 0 {
		m.from = now
	}
	m.sum += now - j.sentAll
	m.count++
	if now-m.from >= int64(limitSampleTime) {
		j.s.pool.fold(float64(m.sum), m.count)
		*m = sample{}
	}
}

// fold adds a loop's sample to the window, and sets the limit anew when that is over.
func (p *Pool) fold(sum float64, count int) {
	l, set, now := &p.limiter, p.set.Load(), p.clock()
	l.mu.Lock()
	l.sum += sum
	l.count += count
	if set.Limit.Adaptive == AdaptiveOff || l.count < limitSamplesMin ||
		now-l.from < int64(limitWindow) {
		l.mu.Unlock()
		return
	}
	mean := max(l.sum/float64(l.count), 1)
	l.sum, l.count, l.from = 0, 0, now
	before := l.current.Load()
	l.step(set.Limit, mean, p.inFlight(), p.slots(), now)
	l.mu.Unlock()
	if l.current.Load() > before {
		p.kick()
	}
}

// step sets the limit by the mean latency of a window; mu is held.
func (l *limiter) step(o Limit, mean float64, inFlight, slots int, now int64) {
	base := l.lowest(mean, now)
	high := float64(slots)
	if o.Max > 0 {
		high = min(high, float64(o.Max))
	}
	low := min(float64(o.Min), high)
	if l.limit == 0 {
		l.limit = high
	}
	gradient := min(limitTolerance*base/mean, 1)
	next := l.limit*max(gradient, limitFallMax) + math.Sqrt(l.limit)
	switch {
	case gradient == 1 && float64(inFlight)*2 < l.limit:
		next = l.limit // nobody asks for more
	case gradient < 1 && o.Adaptive == AdaptiveShadow: // nobody obeys: what they do is the measure
		next = float64(inFlight)*gradient + math.Sqrt(float64(inFlight))
	}
	l.limit = min(max((l.limit+next)/2, low, 1), max(high, 1))
	l.current.Store(int64(math.Round(l.limit)))
	l.base.Store(int64(base))
}

// lowest is the least mean latency of the last half to whole minute; mu is held.
func (l *limiter) lowest(mean float64, now int64) float64 {
	if now >= l.turn {
		l.turn = now + int64(limitMemory)
		l.least[1], l.least[0] = l.least[0], mean
	}
	l.least[0] = min(l.least[0], mean)
	if l.least[1] == 0 {
		return l.least[0]
	}
	return min(l.least[0], l.least[1])
}

// forget begins anew: the limit is off.
func (l *limiter) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum, l.count, l.limit, l.turn = 0, 0, 0, 0
	l.least = [2]float64{}
	l.current.Store(0)
	l.base.Store(0)
}

// atLimit says whether as many requests are on workers as the limit allows.
func (p *Pool) atLimit() bool {
	limit := p.limiter.current.Load()
	return limit > 0 && int64(p.inFlight()) >= limit
}

// held says whether the limit keeps requests in the queue now.
func (p *Pool) held() bool {
	return p.set.Load().Limit.Adaptive == AdaptiveOn && p.atLimit()
}

// inFlight is the requests that workers have, but for tunnels: how long those last says nothing of load.
func (p *Pool) inFlight() (n int) {
	for _, w := range *p.workers.Load() {
		n += w.inFlight() - int(w.tunnels.Load())
	}
	return n
}

// slots is those of the workers in rotation.
func (p *Pool) slots() (n int) {
	for _, w := range *p.workers.Load() {
		if w.inRotation() {
			n += int(w.slots)
		}
	}
	return n
}

// latency is the least that was seen of late.
func (l *limiter) latency() time.Duration { return time.Duration(l.base.Load()) }
