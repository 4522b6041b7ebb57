package netpoll

import (
	"sync"
	"sync/atomic"
)

// Cap bounds the accepted connections of several loops together. Listeners that find it reached wait
// in its queue; a connection that closes, on whatever loop, lets the first of them go on.
type Cap struct {
	max     atomic.Int64
	n       atomic.Int64
	waiting atomic.Int32 // len(queue), so that a close with nobody waiting takes no lock
	mu      sync.Mutex
	queue   []*Listener // guarded by mu
}

// NewCap makes a cap of connsMax connections.
func NewCap(connsMax int) *Cap {
	c := &Cap{}
	c.max.Store(int64(connsMax))
	return c
}

// SetMax changes the bound. Connections beyond a lower one stay.
func (c *Cap) SetMax(connsMax int) {
	c.max.Store(int64(connsMax))
	for range c.waiting.Load() {
		c.next()
	}
}

// Count is the connections accepted and not closed yet.
func (c *Cap) Count() int { return int(c.n.Load()) }

// Max is the bound.
func (c *Cap) Max() int { return int(c.max.Load()) }

func (c *Cap) take() bool {
	if c.n.Add(1) > c.max.Load() {
		c.n.Add(-1)
		return false
	}
	return true
}

// force takes a place beyond the bound.
func (c *Cap) force() { c.n.Add(1) }

func (c *Cap) release() {
	c.n.Add(-1)
	if c.waiting.Load() > 0 {
		c.next()
	}
}

// Hold counts connections that others hold for the holder of a cap: so many places are taken, beyond the
// bound if need be, or with a negative number given back.
func (c *Cap) Hold(places int) {
	for range places {
		c.force()
	}
	for range -places {
		c.release()
	}
}

// await queues ln to be told by slotFree. A place that came free just before is seen, too.
func (c *Cap) await(ln *Listener) {
	c.mu.Lock()
	c.queue = append(c.queue, ln)
	c.waiting.Add(1)
	c.mu.Unlock()
	if c.n.Load() < c.max.Load() {
		c.next()
	}
}

// next tells the first waiting listener whose loop still runs.
func (c *Cap) next() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.mu.Unlock()
			return
		}
		ln := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.waiting.Add(-1)
		c.mu.Unlock()
		if ln.loop.Post(ln.slotFree) {
			return
		}
	}
}
