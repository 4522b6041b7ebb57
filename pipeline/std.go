package pipeline

import "context"

// stdContext is the context.Context of one exchange and the way to cancel it.
type stdContext struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// cause boxes the error that cancelled an exchange, for an atomic pointer.
type cause struct{ err error }

// makeStd makes the exchange's context.Context. The goroutine of a Blocking handler may be here
// while the loop cancels: it stores std, then looks at cancel; the loop does it the other way
// round, so at least one of them sees both.
func (c *Context) makeStd() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	c.std.Store(&stdContext{ctx, cancel})
	if why := c.cancel.Load(); why != nil {
		cancel(why.err)
	}
	return ctx
}

// cancelStd cancels the exchange's context.Context, made or yet to be made. Loop only.
func (c *Context) cancelStd(err error) {
	if err == nil {
		err = ErrCancelled
	}
	if c.cancel.Load() == nil {
		c.cancel.Store(&cause{err})
	}
	if s := c.std.Load(); s != nil {
		s.cancel(err)
	}
}

// Err is nil while the exchange is alive, else why it was cancelled.
func (c *Context) Err() error {
	if why := c.cancel.Load(); why != nil {
		return why.err
	}
	return nil
}
