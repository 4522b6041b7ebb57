package pipeline

// Async refers to an exchange from outside its loop. It is a small value that may be copied, kept
// and used from any goroutine; once the exchange is over every use of it is refused, in every
// build, also when the Context serves another exchange by then. The zero value refers to none.
type Async struct {
	x   Exchange
	gen uint64
}

// Async keeps the exchange open after the handler returns, until Finish (or the end of a Stream),
// and returns what to finish it by. A client that goes away cancels c.Context() and makes Post
// false.
func (c *Context) Async() Async {
	c.async = true
	if c.run == nil {
		c.hold()
	}
	return Async{c.x, c.gen.Load()}
}

// Post runs f on the exchange's loop. What f writes is handed over when it returns, and a Stream
// that gave ErrAgain is asked again. While a Blocking handler runs, f waits for it to return.
//
// false: the exchange is over, f does not run. true: f is queued; it still does not run if the
// exchange ends before its turn, or if 64 others wait for the same Blocking handler.
func (a Async) Post(f func(c *Context)) bool {
	return a.x != nil && a.x.Post(a.gen, func(c *Context) { c.deliver(f) })
}

// Finish is Post, and the response is complete when f returns.
func (a Async) Finish(f func(c *Context)) bool {
	return a.Post(func(c *Context) {
		c.async = false
		f(c)
	})
}

// deliver runs a posted function, now or when the Blocking handler has returned.
func (c *Context) deliver(f func(*Context)) {
	switch {
	case c.run != nil && len(c.posted) < postedMax:
		c.posted = append(c.posted, f)
	case c.run == nil && c.phase != phaseEnded:
		c.enter(f)
	}
}
