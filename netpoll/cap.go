package netpoll

import "sync/atomic"

// Cap bounds the accepted connections of several loops together.
type Cap struct {
	max int64
	n   atomic.Int64
}

// NewCap makes a cap of connsMax connections.
func NewCap(connsMax int) *Cap { return &Cap{max: int64(connsMax)} }

// Count is the connections accepted and not closed yet.
func (c *Cap) Count() int { return int(c.n.Load()) }

// Max is the bound.
func (c *Cap) Max() int { return int(c.max) }

func (c *Cap) take() bool {
	if c.n.Add(1) > c.max {
		c.n.Add(-1)
		return false
	}
	return true
}

func (c *Cap) release() { c.n.Add(-1) }
