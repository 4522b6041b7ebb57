package weir

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/supervisor"
	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// PoolConfig is a pool as a configuration file says it, key by key: Queue.Length is queue.length. The
// zero value of every field is its key's default; Name and one of Command and Upstreams are required.
// Paths that are relative are so to the working directory.
type PoolConfig = config.Pool

// PoolStatus is what a pool is at one moment, as weir status shows it.
type PoolStatus = admin.Pool

// Errors of a Pool's methods.
var (
	// ErrNotStarted: the Server that has the pool was not started.
	ErrNotStarted = errors.New("weir: pool is not started")
	// ErrPoolTaken: the pool belongs to another Server, or to a former one.
	ErrPoolTaken = errors.New("weir: pool belongs to another server")
)

// Pool is an application pool of a [Server]: worker processes that it supervises, or servers that are
// not ours, and handlers that dispatch to them.
type Pool struct {
	config config.Pool // complete
	whole  poolRoute
	of     atomic.Pointer[supervisor.Pools] // nil before Start

	mu     sync.Mutex
	server *Server        // whose pool it is; nil before Start; guarded by mu
	to     *dispatch.Pool // nil before Start; guarded by mu
	routes []*poolRoute   // that wait for it; guarded by mu
}

// RouteConfig is what a way to a pool has of its own. What is zero is the pool's.
type RouteConfig struct {
	Priority config.Priority // place in the queue; "" is PriorityNormal
	Timeouts config.UpstreamTimeouts
	Buffer   config.Buffer
}

// poolRoute is a way to a pool that leads there as soon as it is started.
type poolRoute struct {
	app     config.App
	handler atomic.Pointer[pipeline.Handler]
}

// NewPool checks c, as a file is checked; the error names the key. The pool's workers are started by
// the Server that has it among its Pools.
//
// Not for a Server are DispatchReuseport, whose workers take an address over that a supervisor keeps
// for them, and After, as it has no sidecars: a program that wants them is one by [Main].
func NewPool(c PoolConfig) (*Pool, error) {
	var err error
	name := c.Name
	switch {
	case c.Dispatch == config.DispatchReuseport:
		err = errors.New("dispatch: reuseport: its workers take an address over, and those of a Server " +
			"are its loops'; use http, mux or handoff")
	case len(c.After) > 0:
		err = fmt.Errorf("after: %s: a Server has no sidecars", c.After[0])
	default:
		c, err = config.CompletePool(c)
	}
	p := &Pool{config: c}
	if err == nil {
		p.whole.app, err = config.CompleteRoute(&c, config.App{})
	}
	if err != nil {
		return nil, fmt.Errorf("weir: pool %q: %w", name, err)
	}
	return p, nil
}

// Handler dispatches to the pool. Before Start it answers 503.
func (p *Pool) Handler() pipeline.Handler { return p.whole.serve }

// Route is Handler with settings of its own, say for an upload or for those that may wait.
func (p *Pool) Route(c RouteConfig) (pipeline.Handler, error) {
	a, err := config.CompleteRoute(&p.config, config.App{
		Priority: c.Priority, Timeouts: c.Timeouts, Buffer: c.Buffer,
	})
	if err != nil {
		return nil, fmt.Errorf("weir: pool %q: route: %w", p.config.Name, err)
	}
	r := &poolRoute{app: a}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to != nil {
		r.lead(p.to)
	} else {
		p.routes = append(p.routes, r)
	}
	return r.serve, nil
}

func (r *poolRoute) serve(c *pipeline.Context) {
	if h := r.handler.Load(); h != nil {
		(*h)(c)
		return
	}
	c.Fail(503, pipeline.AppShutdown)
}

func (r *poolRoute) lead(to *dispatch.Pool) {
	h := routeTo(to, &r.app)
	r.handler.Store(&h)
}

// Status is what the pool is now.
func (p *Pool) Status() PoolStatus {
	if ps := p.of.Load(); ps != nil {
		if st, ok := ps.Report(p.config.Name); ok {
			return st
		}
	}
	return PoolStatus{Name: p.config.Name, State: supervisor.PoolStopped.String(),
		Want: supervisor.PoolStopped.String()}
}

// Start makes the pool run that was drained, has failed, or has `start: manual`; it returns when a
// worker is ready. The Server starts all others by itself.
func (p *Pool) Start(ctx context.Context) error {
	return p.act(ctx, admin.Action{Verb: admin.VerbStart})
}

// Recycle replaces every worker, one by one, each by one that is ready before the old one drains.
func (p *Pool) Recycle(ctx context.Context) error {
	return p.act(ctx, admin.Action{Verb: admin.VerbRecycle})
}

// Drain refuses new requests (503 AppShutdown), finishes those begun, within stop_timeout, and stops
// the workers. ctx bounds the wait.
func (p *Pool) Drain(ctx context.Context) error {
	return p.act(ctx, admin.Action{Verb: admin.VerbStop})
}

// Scale makes the pool have so many workers, between the bounds of its Workers if it has any; there
// load goes on from that number.
func (p *Pool) Scale(ctx context.Context, workers int) error {
	return p.act(ctx, admin.Action{Verb: admin.VerbScale, Count: workers})
}

func (p *Pool) act(ctx context.Context, a admin.Action) error {
	ps := p.of.Load()
	if ps == nil {
		return ErrNotStarted
	}
	a.Pool = p.config.Name
	return ps.Act(ctx, a)
}

// take makes the pool s's.
func (p *Pool) take(s *Server) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return fmt.Errorf("%w: %s", ErrPoolTaken, p.config.Name)
	}
	p.server = s
	return nil
}

// attach has the ways to the pool lead to its dispatching half.
func (p *Pool) attach(to *dispatch.Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
	for _, r := range append(p.routes, &p.whole) {
		r.lead(to)
	}
	p.routes = nil
}

// buffers reports whether a way to the pool keeps bodies until they are whole.
func (p *Pool) buffers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.routes {
		if r.app.Buffer == config.BufferRequest {
			return true
		}
	}
	return p.config.Buffer == config.BufferRequest
}
