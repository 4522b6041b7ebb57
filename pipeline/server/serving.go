package server

import (
	"cmp"
	"strings"
	"sync"
	"sync/atomic"
)

// serving says which exchange's user code a loop runs, for the watchdog to read while that code does
// not return. Who reads takes the exchange out meanwhile, so that leave waits before the loop changes
// what is being read: two uncontended atomic operations per entry, no lock.
type serving struct {
	x       atomic.Pointer[exchange]
	reading sync.Mutex // held while x is readingMark
}

// readingMark stands in serving.x for the exchange that is being read.
var readingMark = new(exchange)

// enter says that x's user code runs from here on.
//
// Hot path: once per exchange. No allocation: TestPlaintextAllocs.
func (s *serving) enter(x *exchange) { s.x.Store(x) }

// leave says that it has returned. Code of another exchange that ran inside it has left nothing here.
//
// Hot path: once per exchange. No allocation: TestPlaintextAllocs.
func (s *serving) leave(x *exchange) {
	if !s.x.CompareAndSwap(x, nil) {
		s.leaveRead()
	}
}

// leaveRead waits for the reader, who copies a few strings.
func (s *serving) leaveRead() {
	s.reading.Lock()
	s.x.Store(nil)
	s.reading.Unlock()
}

// served is what a loop was found serving; the zero value: no user code of an exchange.
type served struct{ site, app, handler, method, path, requestID string }

// read copies what the loop serves now. Any goroutine but the loop's.
func (s *serving) read() (v served) {
	s.reading.Lock()
	defer s.reading.Unlock()
	x := s.x.Load()
	if x == nil || !s.x.CompareAndSwap(x, readingMark) {
		return served{}
	}
	v = x.served()
	s.x.CompareAndSwap(readingMark, x) // else the loop entered another one inside it
	return v
}

// served reads only what does not change while user code of x runs, and the request id, which any
// goroutine may ask for meanwhile.
func (x *exchange) served() served {
	v := served{
		method:    string(x.req.Method()),
		path:      string(x.req.Path()),
		requestID: strings.Clone(x.tr.RequestID()),
	}
	if x.app != nil {
		v.site, v.app, v.handler = x.app.site, cmp.Or(x.app.prefix, "/"), x.app.name
	}
	return v
}

// enter and exit are around everything that may run user code on the loop; they nest.
func (x *exchange) enter() {
	if x.depth++; x.depth == 1 {
		x.ls.serving.enter(x)
	}
}

// exit reports whether this was the outermost frame.
func (x *exchange) exit() bool {
	if x.depth--; x.depth > 0 {
		return false
	}
	x.ls.serving.leave(x)
	return true
}
