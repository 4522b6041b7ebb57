package dispatch

import (
	"sync/atomic"
	"time"
)

// Circuit says when a worker that fails gets no more requests for a while. A failure is a
// connection that it does not take, an end before the first byte of an answer, or an answer that is
// no HTTP; any answer ends a row of them.
type Circuit struct {
	Failures int           // in a row, over all loops; 0 = 5, < 0 = never
	Open     time.Duration // 5s: until it is tried with one request; doubles while that fails
}

// circuit is that of one worker. It is closed while until is 0. Changes are ordered by Pool.mu, but
// for the taking of the trial.
type circuit struct {
	failures atomic.Int32 // in a row
	until    atomic.Int64 // pool time of the next trial
	trial    atomic.Bool  // one request is under way that decides
	row      atomic.Int32 // trials in a row that failed
	ejected  atomic.Uint64
	told     atomic.Bool // Events.Failing was called, and it has not answered since
}

// open says whether the worker is kept from requests at pool time now.
func (c *circuit) open(p *Pool) bool {
	until := c.until.Load()
	return until != 0 && p.clock() < until
}

// admit is the last word on a request for w: while the circuit is half open only one gets through.
// A trial that ends without a verdict, as when the client goes away, is followed by another one.
func (w *worker) admit(set *settings) bool {
	c := &w.circuit
	until := c.until.Load()
	if until == 0 {
		return true
	}
	now := w.pool.clock()
	if now < until || !c.until.CompareAndSwap(until, now+int64(c.openFor(set))) {
		return false
	}
	c.trial.Store(true)
	return true
}

// openFor is how long the circuit opens next.
func (c *circuit) openFor(set *settings) time.Duration {
	first := set.Circuit.Open
	return min(first<<min(c.row.Load(), circuitDoublings), max(first, circuitOpenMax))
}

// failed counts a failure of w.
func (w *worker) failed(why string) {
	set, c := w.pool.set.Load(), &w.circuit
	switch {
	case set.Circuit.Failures == 0:
	case c.until.Load() != 0:
		if c.trial.CompareAndSwap(true, false) {
			c.row.Add(1)
			w.pool.eject(w, set, why)
		}
	case int(c.failures.Add(1)) >= set.Circuit.Failures:
		w.pool.eject(w, set, why)
	}
}

// failing tells that w fails and why, once until it answers.
func (w *worker) failing(why string) {
	if w.circuit.told.CompareAndSwap(false, true) {
		w.pool.ev.Failing(w.pool.name, w.n, why)
	}
}

// recovered ends a row of failures, and the ejection when the trial has succeeded.
func (w *worker) recovered() {
	c := &w.circuit
	c.failures.Store(0)
	if c.told.Load() {
		c.told.Store(false)
	}
	if !c.trial.CompareAndSwap(true, false) {
		return
	}
	p := w.pool
	p.mu.Lock()
	was := c.close()
	p.mu.Unlock()
	if was {
		p.ev.Circuit(p.name, w.n, "")
		p.kick()
	}
}

// close closes the circuit; Pool.mu is held. false: it was.
func (c *circuit) close() bool {
	c.failures.Store(0)
	c.row.Store(0)
	c.trial.Store(false)
	return c.until.Swap(0) != 0
}

// eject opens w's circuit, unless nobody else is left.
func (p *Pool) eject(w *worker, set *settings, why string) {
	p.mu.Lock()
	c := &w.circuit
	alone := !p.anyClosed(w)
	first := c.until.Load() == 0
	switch {
	case !w.inRotation(), first && int(c.failures.Load()) < set.Circuit.Failures:
		p.mu.Unlock() // another loop has been faster
		return
	case alone:
		closed := c.close()
		p.mu.Unlock()
		if closed {
			p.ev.Circuit(p.name, w.n, "")
		}
		w.failing(why)
		return
	}
	c.failures.Store(0)
	c.until.Store(p.clock() + int64(c.openFor(set)))
	c.ejected.Add(1)
	p.mu.Unlock()
	p.ev.Circuit(p.name, w.n, why)
}

// anyClosed says whether a worker other than not is in rotation and its circuit closed. p.mu is
// held.
func (p *Pool) anyClosed(not *worker) bool {
	for _, w := range *p.workers.Load() {
		if w != not && w.inRotation() && w.circuit.until.Load() == 0 {
			return true
		}
	}
	return false
}

// keepOne closes all circuits when no worker is left whose circuit is closed: one that fails now
// and then is better than none.
func (p *Pool) keepOne() {
	p.mu.Lock()
	var closed []uint64
	if !p.anyClosed(nil) {
		for _, w := range *p.workers.Load() {
			if w.inRotation() && w.circuit.close() {
				closed = append(closed, w.n)
			}
		}
	}
	p.mu.Unlock()
	for _, n := range closed {
		p.ev.Circuit(p.name, n, "")
	}
	if closed != nil {
		p.kick()
	}
}

// name is the state for an operator.
func (c *circuit) name(p *Pool) string {
	switch {
	case c.until.Load() == 0:
		return "closed"
	case c.trial.Load() || !c.open(p):
		return "half-open"
	}
	return "open"
}
