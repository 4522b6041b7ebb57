package pipeline

// delegator is an Exchange that knows the pools of its front: that of pipeline/server.
type delegator interface {
	Delegate(pool string) (Handler, error)
}

// Delegate leaves the request to a pool of the same front, as if it had been routed there: it waits in
// that pool's queue for a worker, and the worker's answer is the exchange's. With dispatch handoff the
// connection itself goes to the worker, with every byte that was read of it, for this one request.
//
// It is for a request that is as it came: nothing of an answer handed over (ErrStarted), its body not
// asked for (ErrBodyBegun), on the loop (ErrBlocking). ErrNoPool: there is no such pool, or the
// exchange is not served by a front. After an error the handler goes on and may answer itself; after
// nil it returns and does no more. Callbacks and filters that were added so far are run on the answer,
// except by handoff, where the front does not see it: OnCompleted is told HandedOff.
//
// systems.md row H8.
func (c *Context) Delegate(pool string) error {
	switch {
	case c.run != nil:
		return ErrBlocking
	case c.phase >= phaseFailed:
		return c.endedErr()
	case c.phase != phaseOpen || len(c.out) > 0:
		return ErrStarted
	case c.body.then != nil || c.src != nil || c.async:
		return ErrBodyBegun
	}
	x, ok := c.x.(delegator)
	if !ok {
		return ErrNoPool
	}
	h, err := x.Delegate(pool)
	if err == nil {
		h(c)
	}
	return err
}
