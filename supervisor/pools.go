package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"weir/supervisor/config"
)

// PoolsOptions are the surroundings of all pools of one process.
type PoolsOptions struct {
	Link       Link         // the front or fronts; required
	Logger     *slog.Logger // life-cycle events; nil discards
	RuntimeDir string       // absolute; sockets lie in RuntimeDir/w/POOL-N/; emptied of old ones
	Output     io.Writer    // what workers print; nil is os.Stderr
	User       string       // USER[:GROUP] of pools that name none; "" is the invoking user
	FrontUser  string       // USER[:GROUP] of the front, which must reach the sockets; "" likewise
	Starts     int          // workers of all pools that may be starting at once; 0: no bound
	Workers    int          // of all pools, beyond which load starts none; 0: no bound
	NoFile     *[2]uint64   // RLIMIT_NOFILE (soft, hard) of workers; nil is what this process started with

	// Process is true in the supervisor process and false in a library: orphaned descendants of
	// workers are adopted (PR_SET_CHILD_SUBREAPER) and reaped.
	Process bool

	groups *groups // of pools whose workers accept; nil: there can be none

	// OnExit is called on the main loop when a pool with "then: exit" failed. It must not block.
	OnExit func(pool string, err error)
}

// Pools are the pools of one process. One goroutine, the main loop, owns all their state; everything
// else reaches it by events. Pools implements LinkEvents.
type Pools struct {
	opts PoolsOptions
	log  *slog.Logger
	env  env
	wake chan struct{} // capacity 1
	done chan struct{} // closed when the loop has ended
	free func()        // releases env

	auditAt time.Time // of the main loop; zero while there is no worker

	mu      sync.Mutex
	inbox   []event // guarded by mu
	refused map[WorkerRef]struct{}
	closing bool

	// What follows is owned by the main loop.
	far      *far // pools of upstreams
	starts   starts
	pressure pressure
	blind    bool             // memory cannot be looked at: said
	pools    map[string]*Pool // written on the loop, under mu
}

var _ LinkEvents = (*Pools)(nil)

// NewPools starts the main loop. Close ends it.
func NewPools(o PoolsOptions) (*Pools, error) {
	if o.Link == nil {
		return nil, errors.New("supervisor: pools: no link to a front")
	}
	ps := newPools(o)
	e, err := newOSEnv(&ps.opts, ps.log, ps.post)
	if err != nil {
		return nil, err
	}
	ps.env, ps.free = e, e.close
	go ps.loop()
	return ps, nil
}

// newPools is NewPools without an operating system and without a loop.
func newPools(o PoolsOptions) *Pools {
	ps := &Pools{
		opts: o, log: o.Logger, wake: make(chan struct{}, 1), done: make(chan struct{}),
		starts: starts{max: o.Starts}, free: func() {}, refused: map[WorkerRef]struct{}{},
		pools: map[string]*Pool{}, far: newFar(),
	}
	ps.opts.Link = noSidecars{o.Link, ps}
	if ps.log == nil {
		ps.log = slog.New(slog.DiscardHandler)
	}
	return ps
}

// Add makes a pool, stopped. The name must be free.
func (ps *Pools) Add(c PoolConfig) (*Pool, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Dispatch == config.DispatchReuseport && ps.opts.groups == nil {
		return nil, fmt.Errorf("supervisor: pool %s: dispatch: reuseport: there is no address for it "+
			"to own", c.Name)
	}
	var p *Pool
	err := ErrClosed
	ps.call(func(time.Time) {
		if ps.pools[c.Name] != nil {
			err = fmt.Errorf("supervisor: pool %s: exists already", c.Name)
			return
		}
		p, err = ps.add(c), nil
	})
	return p, err
}

func (ps *Pools) add(c PoolConfig) *Pool {
	d := c.withDefaults()
	p := &Pool{name: c.Name, ps: ps, conf: &d, want: PoolStopped, workers: map[uint64]*worker{}}
	ps.mu.Lock()
	ps.pools[c.Name] = p
	ps.mu.Unlock()
	ps.replace(c.Name, true)
	if d.Start == config.StartManual { // the others queue from the start
		ps.tell(c.Name, Stopped)
	}
	return p
}

// Pool returns the pool of that name, or nil.
func (ps *Pools) Pool(name string) *Pool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.pools[name]
}

// All returns all pools by name, without sidecars.
func (ps *Pools) All() []*Pool {
	return slices.DeleteFunc(ps.every(), func(p *Pool) bool { return isSidecar(p.name) })
}

// every is all pools and sidecars by name.
func (ps *Pools) every() []*Pool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	all := make([]*Pool, 0, len(ps.pools))
	for _, p := range ps.pools {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Pool) int { return cmpStrings(a.name, b.name) })
	return all
}

// Status is every pool's status, by name.
func (ps *Pools) Status() []PoolStatus {
	all := ps.All()
	ps.mu.Lock()
	all = slices.DeleteFunc(all, func(p *Pool) bool { return p.replaced })
	ps.mu.Unlock()
	s := make([]PoolStatus, len(all))
	for i, p := range all {
		s[i] = p.status()
	}
	measured(s)
	return s
}

// Apply makes the pools be those of cs: new ones are added (and started unless manual), missing ones
// stopped and removed, changed ones changed as [Pool.Apply] says, unchanged ones left alone. One
// invalid configuration changes nothing. It returns when all of it has happened, with the joined
// errors of single pools; ctx bounds the wait, not the change.
func (ps *Pools) Apply(ctx context.Context, cs []PoolConfig) error {
	names := make(map[string]bool, len(cs))
	for i := range cs {
		if err := cs[i].validate(); err != nil {
			return err
		}
		if names[cs[i].Name] {
			return fmt.Errorf("supervisor: pool %s: named twice", cs[i].Name)
		}
		names[cs[i].Name] = true
	}
	var steps, last []func() error
	for _, p := range ps.every() {
		switch {
		case names[p.name]:
		case isSidecar(p.name): // when the pools that may use it are gone
			last = append(last, func() error { return p.removeSidecar(ctx) })
		default:
			steps = append(steps, func() error { return p.Remove(ctx) })
		}
	}
	for _, c := range cs {
		p := ps.Pool(c.Name)
		if p != nil {
			steps = append(steps, func() error { return p.Apply(ctx, c) })
			continue
		}
		p, err := ps.Add(c) // all of them before one is started: it may be after another
		if err != nil {
			return err
		}
		if c.Start != config.StartManual {
			steps = append(steps, func() error { return p.Start(ctx) })
		}
	}
	return errors.Join(all(steps), all(last))
}

// Close stops every pool as [Pool.Stop] does, then the sidecars, then the main loop. ctx bounds the drain.
func (ps *Pools) Close(ctx context.Context) error {
	var steps []func() error
	for _, p := range ps.All() {
		steps = append(steps, func() error { return p.Stop(ctx) })
	}
	err := errors.Join(all(steps), ps.DropUpstreams(ctx, nil), ps.stopSidecars(ctx))
	ps.mu.Lock()
	again := ps.closing
	ps.closing = true
	ps.mu.Unlock()
	ps.kick()
	<-ps.done
	if !again {
		ps.far.close()
		ps.free()
	}
	return err
}

// all runs the steps at once and joins their errors.
func all(steps []func() error) error {
	errs := make([]error, len(steps))
	var wg sync.WaitGroup
	for i, f := range steps {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Announce tells l everything that a front must know: each pool's availability and its workers in
// rotation, in order with what Link is told afterwards. For a front that has just started. A front
// that is asked to drain a worker it never had must call WorkerDrained at once.
func (ps *Pools) Announce(l Link) { ps.call(func(time.Time) { ps.announce(l) }) }

func (ps *Pools) announce(l Link) {
	for _, p := range ps.far.pools {
		p.announce(l)
	}
	for _, p := range ps.pools {
		if isSidecar(p.name) {
			continue
		}
		l.PoolAvailable(p.name, ps.available(p.name, p.availability()))
		for _, n := range p.sortedWorkers() {
			switch w := p.workers[n]; {
			case w.state == WorkerReady:
				l.WorkerReady(w.ref, w.endpoint)
			case w.state == WorkerDisabling:
				l.WorkerRest(w.ref)
			case w.state == WorkerDraining, w.state == WorkerSuspending:
				l.WorkerDrain(w.ref)
			}
		}
	}
}

// WorkerDrained implements LinkEvents.
func (ps *Pools) WorkerDrained(w WorkerRef) { ps.post(event{worker: w, kind: evDrained}) }

// WorkerHung implements LinkEvents.
func (ps *Pools) WorkerHung(w WorkerRef, detail string) {
	ps.post(event{worker: w, kind: evHung, text: "hung: " + detail})
}

// WorkerRefused implements LinkEvents.
func (ps *Pools) WorkerRefused(w WorkerRef, err string) {
	ps.post(event{worker: w, kind: evRefused, text: err})
}

// WorkerCircuit implements LinkEvents. It is told, not acted on: the front does what is to be done.
func (ps *Pools) WorkerCircuit(w WorkerRef, why string) {
	ps.post(event{call: func() {
		ps.onPool(w.Pool, func(p *Pool, _ time.Time) { p.onCircuit(w, why) })
	}})
}

// WorkerServed implements LinkEvents.
func (ps *Pools) WorkerServed(w WorkerRef) { ps.post(event{worker: w, kind: evServed}) }

// PoolWaits implements LinkEvents.
func (ps *Pools) PoolWaits(pool string) {
	ps.post(event{call: func() { ps.onPool(pool, (*Pool).onWaits) }})
}

// PoolLoad implements LinkEvents.
func (ps *Pools) PoolLoad(l PoolLoad) {
	ps.post(event{call: func() {
		if p := ps.far.pools[l.Pool]; p != nil {
			p.onLoad(&l)
		}
		ps.onPool(l.Pool, func(p *Pool, now time.Time) { p.onLoad(&l, now) })
	}})
}

// onPool runs f for the pool of that name, if there is one; on the main loop.
func (ps *Pools) onPool(name string, f func(*Pool, time.Time)) {
	if p := ps.pools[name]; p != nil {
		now := ps.env.now()
		f(p, now)
		p.settle(now)
	}
}

func cmpStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
