package pipeline

import "sync/atomic"

// Async refers to an exchange from outside its loop. It is a small value that may be copied, kept
// and used from any goroutine; once the exchange is over every use of it is refused, in every
// build, also when the Context serves another exchange by then. The zero value refers to none.
type Async struct {
	x    Exchange
	open *openPosts
	gen  uint64
}

// Async keeps the exchange open after the handler returns, until Finish (or the end of a Stream),
// and returns what to finish it by. A client that goes away cancels c.Context() and makes Post
// false.
func (c *Context) Async() Async {
	c.async = true
	if c.run == nil {
		c.hold()
	}
	return Async{c.x, &c.open, c.gen.Load()}
}

// Post runs f on the exchange's loop. What f writes is handed over when it returns, and a Stream
// that gave ErrAgain is asked again. While a Blocking handler runs, f waits for it to return.
//
// false: the exchange is over, or as many as 1024 functions of it wait already; f does not run. true:
// f is queued; it still does not run if the exchange ends before its turn, or if 64 others wait for
// the same Blocking handler.
func (a Async) Post(f func(c *Context)) bool {
	if a.x == nil || !a.open.add(a.gen) {
		return false
	}
	return a.x.Post(a.gen, func(c *Context) {
		a.open.done(a.gen)
		c.deliver(f, postedMax)
	})
}

// Finish is Post, and the response is complete when f returns. There is always room for it; only the
// first one of an exchange is taken.
func (a Async) Finish(f func(c *Context)) bool {
	if a.x == nil || !a.open.finish(a.gen) {
		return false
	}
	return a.x.Post(a.gen, func(c *Context) {
		c.deliver(func(c *Context) {
			c.async = false
			f(c)
		}, postedMax+1)
	})
}

// openPosts bounds what the application has posted to one exchange and has not run yet. The word holds
// a generation, whether Finish was called, and how many are open: an Async of an earlier exchange
// changes nothing.
type openPosts struct{ word atomic.Uint64 }

const (
	openCountBits = 15
	openCount     = 1<<openCountBits - 1
	openFinish    = 1 << openCountBits
	openGenShift  = openCountBits + 1
)

// of is the word for generation gen; false when the exchange that it counts for is a later one.
func (o *openPosts) of(gen uint64) (old, now uint64, ok bool) {
	old = o.word.Load()
	gen &= 1<<(64-openGenShift) - 1
	switch counted := old >> openGenShift; {
	case counted == gen:
		return old, old, true
	case counted < gen:
		return old, gen << openGenShift, true
	}
	return old, old, false
}

func (o *openPosts) add(gen uint64) bool {
	for {
		old, now, ok := o.of(gen)
		if !ok || now&openCount >= asyncPostsMax {
			return false
		}
		if o.word.CompareAndSwap(old, now+1) {
			return true
		}
	}
}

func (o *openPosts) finish(gen uint64) bool {
	for {
		old, now, ok := o.of(gen)
		if !ok || now&openFinish != 0 {
			return false
		}
		if o.word.CompareAndSwap(old, now|openFinish) {
			return true
		}
	}
}

func (o *openPosts) done(gen uint64) {
	for {
		old, now, ok := o.of(gen)
		if !ok || now&openCount == 0 || o.word.CompareAndSwap(old, now-1) {
			return
		}
	}
}

// deliver runs a posted function, now or when the Blocking handler has returned, unless most wait for
// that already.
func (c *Context) deliver(f func(*Context), most int) {
	switch {
	case c.run != nil && len(c.posted) < most:
		c.posted = append(c.posted, f)
	case c.run == nil && c.phase != phaseEnded:
		c.enter(f)
	}
}
