package weir

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/static"
	"weir/supervisor"
)

// Errors of a Pool's methods.
var (
	// ErrNotStarted: the Server that has the pool was not started.
	ErrNotStarted = errors.New("weir: pool is not started")
	// ErrPoolTaken: the pool belongs to another Server.
	ErrPoolTaken = errors.New("weir: pool belongs to another server")
)

// Pool is an application pool of a [Server]: supervised worker processes, and the handler that
// dispatches to them.
type Pool struct {
	config supervisor.PoolConfig
	pool   *supervisor.Pool // nil before Start
	to     atomic.Pointer[dispatch.Pool]
	route  atomic.Pointer[pipeline.Handler]
}

// NewPool checks c. The pool's workers are started by the Server that has it among its Pools.
func NewPool(c supervisor.PoolConfig) (*Pool, error) {
	if c.Name == "" || len(c.Command) == 0 {
		return nil, fmt.Errorf("weir: pool %q: name and command are required", c.Name)
	}
	return &Pool{config: c}, nil
}

// Handler dispatches to the pool's workers. Before Start it answers 503.
func (p *Pool) Handler() pipeline.Handler {
	return func(c *pipeline.Context) {
		if h := p.route.Load(); h != nil {
			(*h)(c)
			return
		}
		c.Fail(503, pipeline.AppShutdown)
	}
}

// Status is what the pool is now.
func (p *Pool) Status() supervisor.PoolStatus {
	if p.pool == nil {
		return supervisor.PoolStatus{Name: p.config.Name}
	}
	return p.pool.Status()
}

// Recycle replaces every worker, one by one, each by one that is ready before the old one drains.
func (p *Pool) Recycle(ctx context.Context) error {
	if p.pool == nil {
		return ErrNotStarted
	}
	return p.pool.Recycle(ctx, "asked for")
}

// Drain refuses new requests (503 AppShutdown), finishes those begun and stops the workers.
func (p *Pool) Drain(ctx context.Context) error {
	if p.pool == nil {
		return ErrNotStarted
	}
	return p.pool.Stop(ctx)
}

// Scale makes the pool have so many workers, between the bounds of its Scale if it has any; there load
// goes on from that number.
func (p *Pool) Scale(ctx context.Context, workers int) error {
	if p.pool == nil {
		return ErrNotStarted
	}
	return p.pool.Scale(ctx, workers)
}

// attach makes the dispatching half, on the loops of a server that starts. root is to be closed when they
// have ended; nil for none.
func (p *Pool) attach(
	loops []*netpoll.Loop, ev workerEvents, trusted []netip.Prefix,
) (root *static.Files, err error) {
	o := dispatch.Options{Name: p.config.Name, TrustedProxies: trusted}
	healthOptions(&o, p.config.Hang, p.config.RapidFail)
	if root, err = p.speak(&o); err != nil {
		return nil, err
	}
	to := dispatch.NewPool(o, loops, ev)
	if !p.to.CompareAndSwap(nil, to) {
		if root != nil {
			_ = root.Close() // nobody has looked into it
		}
		return nil, ErrPoolTaken
	}
	h := to.Handler()
	p.route.Store(&h)
	return root, nil
}

// speak sets what concerns the protocol of the workers. root is where their scripts are.
func (p *Pool) speak(o *dispatch.Options) (root *static.Files, err error) {
	c := &p.config
	if c.Protocol != "" {
		o.Protocol = protocols[c.Protocol]
	}
	if o.Protocol != dispatch.FastCGI || c.FastCGI.Root == "" {
		return nil, nil
	}
	f := c.FastCGI
	if f.Root, err = filepath.Abs(f.Root); err == nil {
		root, err = static.New(static.Options{Root: f.Root})
	}
	if err != nil {
		return nil, fmt.Errorf("weir: pool %s: fastcgi: %w", c.Name, err)
	}
	if f.Index == "" {
		f.Index = "index.php"
	}
	if len(f.Extensions) == 0 {
		f.Extensions = []string{".php"}
	}
	o.Scripts = scriptsOf(f, root)
	return root, nil
}

// poolLinks is the supervisor's view of a server in its own process: direct calls.
type poolLinks map[string]*Pool

// PoolAvailable implements supervisor.Link.
func (l poolLinks) PoolAvailable(pool string, a supervisor.Availability) {
	l[pool].to.Load().SetAvailable(availabilities[a])
}

// WorkerReady implements supervisor.Link.
func (l poolLinks) WorkerReady(w supervisor.WorkerRef, e supervisor.Endpoint) {
	// The endpoint was connected to a moment ago; an address that cannot be parsed is a bug.
	if err := l[w.Pool].to.Load().AddWorker(w.N, dispatchEndpoint(e)); err != nil {
		panic(fmt.Sprintf("weir: worker %s: %v", w, err))
	}
}

// WorkerDrain implements supervisor.Link.
func (l poolLinks) WorkerDrain(w supervisor.WorkerRef) { l[w.Pool].to.Load().DrainWorker(w.N) }

// WorkerFail implements supervisor.Link.
func (l poolLinks) WorkerFail(w supervisor.WorkerRef, reason string) {
	l[w.Pool].to.Load().FailWorker(w.N, reason)
}

// WorkerGone implements supervisor.Link.
func (l poolLinks) WorkerGone(w supervisor.WorkerRef) { l[w.Pool].to.Load().RemoveWorker(w.N) }

// laterEvents passes events on to pools that are made after what reports them.
type laterEvents struct{ to **supervisor.Pools }

func (e laterEvents) WorkerDrained(w supervisor.WorkerRef) { (*e.to).WorkerDrained(w) }
func (e laterEvents) WorkerHung(w supervisor.WorkerRef, detail string) {
	(*e.to).WorkerHung(w, detail)
}
func (e laterEvents) WorkerRefused(w supervisor.WorkerRef, err string) {
	(*e.to).WorkerRefused(w, err)
}

func (e laterEvents) WorkerCircuit(w supervisor.WorkerRef, why string) {
	(*e.to).WorkerCircuit(w, why)
}

func (e laterEvents) WorkerReported(w supervisor.WorkerRef, text string) {
	(*e.to).WorkerReported(w, text)
}

func (e laterEvents) WorkerServed(w supervisor.WorkerRef) { (*e.to).WorkerServed(w) }

func (e laterEvents) PoolWaits(pool string) { (*e.to).PoolWaits(pool) }

func (e laterEvents) PoolLoad(l supervisor.PoolLoad) { (*e.to).PoolLoad(l) }
