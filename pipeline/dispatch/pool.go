package dispatch

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/netpoll"
	"weir/pipeline"
)

// Pool dispatches requests to the workers of one application pool, for all loops of a front. Its
// methods may be called from any goroutine, except handlers, which belong to loops. It holds no
// goroutine; it ends with the loops.
type Pool struct {
	name   string
	ev     Events
	start  time.Time
	shards []*shard // by Loop.Index; nil where no loop has that index
	budget budget
	drain  drain

	limiter limiter
	secret  []byte // of sticky cookies

	cookieName string
	audits     auditor

	mu    sync.Mutex // orders changes of workers and options
	set   atomic.Pointer[settings]
	avail atomic.Uint32
	// demanded: Events.Waiting was called since a worker was last in rotation; written under mu.
	demanded atomic.Bool
	workers  atomic.Pointer[[]*worker] // in rotation or draining; replaced, never changed

	_       cacheLine
	waiters atomic.Int64 // over all loops
	_       cacheLine
	tickets atomic.Uint64 // given to waiters, in order
	grants  atomic.Uint64 // slots given to waiters

	handoffs atomic.Uint64 // ids of connections given to workers
	_        cacheLine
}

// NewPool makes a pool without workers that is Available: it queues. Loops need distinct
// Config.Index values from 0 on; they may be running or not yet. ev must not be nil.
func NewPool(o Options, loops []*netpoll.Loop, ev Events) *Pool {
	p := &Pool{
		name: o.Name, ev: ev, start: time.Now(), secret: o.Secret, cookieName: cookiePrefix + o.Name,
	}
	if len(p.secret) == 0 {
		p.secret = newSecret()
	}
	p.set.Store(o.resolved())
	p.workers.Store(new([]*worker))
	for _, l := range loops {
		for len(p.shards) <= l.Index {
			p.shards = append(p.shards, nil)
		}
		if p.shards[l.Index] != nil {
			panic(fmt.Sprintf("dispatch: two loops with index %d", l.Index))
		}
		p.shards[l.Index] = newShard(p, l, l.Index)
	}
	p.audits.p, p.audits.every, p.audits.timer.Owner = p, auditEvery, &p.audits
	return p
}

// Name is the pool's name.
func (p *Pool) Name() string { return p.name }

// Update replaces the options; name and secret stay. Requests under way keep those they began with.
func (p *Pool) Update(o Options) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set.Store(o.resolved())
	if o.Limit.Adaptive == AdaptiveOff {
		p.limiter.forget()
		p.kick()
	}
}

// Available is what happens to requests now.
func (p *Pool) Available() Availability { return Availability(p.avail.Load()) }

// Serves reports whether a worker is in rotation.
func (p *Pool) Serves() bool {
	return slices.ContainsFunc(*p.workers.Load(), func(w *worker) bool {
		return w.state.Load() == uint32(workerReady)
	})
}

// SetAvailable says what happens to requests from now on. Waiters are answered likewise; requests
// on a worker go on.
func (p *Pool) SetAvailable(a Availability) {
	if a >= availabilityCount {
		panic("dispatch: unknown availability")
	}
	p.avail.Store(uint32(a))
	p.mu.Lock()
	p.demanded.Store(false)
	p.mu.Unlock()
	if a != Available {
		p.each((*shard).rejectWaiters)
	}
}

// Endpoint is where a worker takes connections, and how many.
type Endpoint struct {
	Network     string        // "unix" or "tcp"
	Address     string        // path, or host:port
	Concurrency int           // slots: requests and connections it may hold at once, over all loops
	Mux         bool          // it speaks the frames of protocol/frame instead of HTTP/1.1
	Proxy       int           // version of the PROXY header that connections begin with; 0: none
	Handoff     bool          // it takes connections in the messages of protocol/handoff
	SlowStart   time.Duration // until it gets its full share of requests; 0: at once
}

// AddWorker puts worker n into rotation. Adding one that hung, or that was drained, brings it back as
// it was.
func (p *Pool) AddWorker(n uint64, e Endpoint) error {
	a, err := netpoll.ParseAddress(e.Network, e.Address)
	if err != nil {
		return fmt.Errorf("dispatch: worker %s/%d: %w", p.name, n, err)
	}
	if e.Concurrency < 1 || e.Concurrency > concurrencyMax {
		return fmt.Errorf("dispatch: worker %s/%d: concurrency %d: not in 1 to %d",
			p.name, n, e.Concurrency, concurrencyMax)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.demanded.Store(false)
	if w := p.worker(n); w != nil {
		if !w.revive() {
			return fmt.Errorf("dispatch: worker %s/%d: added twice", p.name, n)
		}
		w.circuit.close()
		p.kick()
		return nil
	}
	w := &worker{pool: p, n: n, address: a.String(), slots: int32(e.Concurrency), mux: e.Mux,
		handoff: e.Handoff, proxy: e.Proxy}
	w.free.Store(w.slots)
	w.cookie = []byte(p.cookie(n))
	if w.slow = int64(e.SlowStart); w.slow > 0 {
		w.slowFrom.Store(p.clock() + 1) // not 0, which is none
	}
	w.lanes = make([]lane, len(p.shards))
	for i, s := range p.shards {
		w.lanes[i].w, w.lanes[i].s = w, s
		// One address per loop: x/sys encodes a sockaddr within the value, at each use.
		w.lanes[i].address, _ = netpoll.ParseAddress(e.Network, e.Address) // parsed above
	}
	workers := append(slices.Clone(*p.workers.Load()), w)
	p.workers.Store(&workers)
	p.kick()
	return nil
}

// DrainWorker gives worker n nothing new; Events.Drained comes once when it holds nothing any more.
// That is at once for an n that is not known, so that nobody waits for a worker that has gone.
func (p *Pool) DrainWorker(n uint64) {
	p.mu.Lock()
	w := p.worker(n)
	drains := w != nil && (w.state.CompareAndSwap(uint32(workerReady), uint32(workerDraining)) ||
		w.state.CompareAndSwap(uint32(workerHung), uint32(workerDraining)))
	p.mu.Unlock()
	p.keepOne()
	switch {
	case w == nil:
		p.first().loop.Post(func() { p.ev.Drained(p.name, n) })
	case drains:
		p.each(func(s *shard) {
			w.lanes[s.index].closeIdle()
			w.lanes[s.index].goAway()
			w.maybeDrained()
		})
	}
}

// RemoveWorker says that the process of worker n has ended: what it held is answered or replayed.
func (p *Pool) RemoveWorker(n uint64) {
	p.mu.Lock()
	w := p.worker(n)
	if w == nil {
		p.mu.Unlock()
		return
	}
	w.state.Store(uint32(workerGone))
	workers := slices.Clone(*p.workers.Load())
	workers = slices.DeleteFunc(workers, func(x *worker) bool { return x == w })
	p.workers.Store(&workers)
	p.demanded.Store(false)
	p.mu.Unlock()
	p.keepOne()
	p.each(func(s *shard) { w.lanes[s.index].gone() })
}

// FailWorker takes worker n out of rotation because it does not answer: what it holds without a byte
// of an answer gets 504 or goes to another worker. Events.Hung follows with what it held, also for an
// n that is not known.
func (p *Pool) FailWorker(n uint64, reason string) {
	p.mu.Lock()
	w := p.worker(n)
	p.mu.Unlock()
	if w == nil || !p.hung(w, reason) {
		p.first().loop.Post(func() { p.ev.Hung(p.name, n, reason) })
	}
}

// worker finds a worker; mu is held.
func (p *Pool) worker(n uint64) *worker {
	for _, w := range *p.workers.Load() {
		if w.n == n {
			return w
		}
	}
	return nil
}

// hung takes w out of rotation and tells what it holds. Once per hanging; false when it was out
// already.
func (p *Pool) hung(w *worker, detail string) bool {
	if !w.state.CompareAndSwap(uint32(workerReady), uint32(workerHung)) {
		return false
	}
	p.keepOne()
	r := &hangReport{worker: w, detail: detail}
	for _, s := range p.shards {
		if s != nil {
			r.pending++
		}
	}
	p.each(func(s *shard) {
		r.add(&w.lanes[s.index])
		w.lanes[s.index].hung()
	})
	return true
}

// first is any shard.
func (p *Pool) first() *shard {
	for _, s := range p.shards {
		if s != nil {
			return s
		}
	}
	panic("dispatch: pool " + p.name + " has no loop")
}

// each runs f on every loop.
func (p *Pool) each(f func(*shard)) {
	for _, s := range p.shards {
		if s != nil {
			s.loop.Post(func() { f(s) })
		}
	}
}

// kick makes the loop with the oldest waiter look for slots.
func (p *Pool) kick() {
	if s := p.oldest(); s != nil {
		s.wake()
	}
}

// RouteOptions are what a route has of its own. The zero value is the pool's own settings.
type RouteOptions struct {
	Timeouts Timeouts // those that are zero are the pool's
	Buffer   Buffer
}

// Buffer says whether a request gets its slot only when its body is whole.
type Buffer uint8

// Buffers.
const (
	BufferAsPool Buffer = iota
	BufferOff
	BufferRequest
)

// Handler sends exchanges to the pool with the pool's own settings.
func (p *Pool) Handler() pipeline.Handler { return p.Route(RouteOptions{}) }

// Route is Handler with settings of a route.
func (p *Pool) Route(o RouteOptions) pipeline.Handler { return p.RouteAt(Normal, o) }

// RouteAt is Route with a place in the queue.
func (p *Pool) RouteAt(class Priority, o RouteOptions) pipeline.Handler {
	if class >= priorities {
		panic("dispatch: unknown priority")
	}
	r := &route{pool: p, own: o.Timeouts, class: class, buffer: o.Buffer}
	return r.serve
}

// route is the way from one app to a pool.
type route struct {
	pool   *Pool
	own    Timeouts
	class  Priority
	buffer Buffer
	last   atomic.Pointer[routeTimeouts]
}

// routeTimeouts are a route's time-outs resolved against one version of the pool's options.
type routeTimeouts struct {
	set *settings
	t   Timeouts
}

func (r *route) timeouts(set *settings) *Timeouts {
	last := r.last.Load()
	if last == nil || last.set != set {
		last = &routeTimeouts{set, r.own.over(set.own).resolved()}
		r.last.Store(last)
	}
	return &last.t
}

// serve is the pipeline.Handler.
//
// Hot path: once per request. No allocation: TestProxyAllocs.
func (r *route) serve(c *pipeline.Context) {
	x := exchangeOf(c)
	s := r.pool.shards[x.Loop().Index]
	set := r.pool.set.Load()
	j := s.acquire()
	j.begin(c, x, set, r.timeouts(set))
	j.wish.class = r.class
	if a := Availability(r.pool.avail.Load()); a != Available {
		j.unavailable(a)
		return
	}
	if set.Balance.Rule >= HashClient {
		j.makeWish()
	}
	if sp := r.spool(set); sp != nil && !j.bodyDone {
		j.spool(sp)
		return
	}
	c.Hold(j)
	s.enter(j)
}

// spool is where bodies are kept until they are whole; nil: they are sent as they come.
func (r *route) spool(set *settings) *Spool {
	if r.buffer == BufferRequest || r.buffer == BufferAsPool && set.Buffer {
		return set.Spool
	}
	return nil
}
