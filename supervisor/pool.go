package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of pools that callers branch on.
var (
	// ErrCommandNotFound: a worker's program does not exist or may not be executed.
	ErrCommandNotFound = errors.New("command not found")
	// ErrClosed: the supervisor of this pool has ended.
	ErrClosed = errors.New("supervisor: closed")
	// ErrPoolFailed: rapid-fail protection took the pool offline.
	ErrPoolFailed = errors.New("pool failed")
	// ErrNoWorker: the worker does not exist, or no longer.
	ErrNoWorker = errors.New("no such worker")
	// ErrOutOfBounds: more or fewer workers than the configuration lets load lead to.
	ErrOutOfBounds = errors.New("outside of workers.min to workers.max")
	// ErrPoolStopped: the pool is stopped or was stopped meanwhile.
	ErrPoolStopped = errors.New("pool is stopped")
)

// Pool is an application pool: workers that run one command. Its methods may be called from any
// goroutine but those of Link's methods; they hand work to the main loop of its Pools.
type Pool struct {
	name string
	ps   *Pools

	// What follows is owned by the main loop.
	conf     *PoolConfig // with defaults; replaced, never changed
	state    PoolState
	want     PoolState // PoolRunning, PoolStopped or PoolDisabled
	patient  bool      // drains without a deadline
	order    startOrder
	removed  bool    // leaves Pools once it is empty
	replaced bool    // by upstreams; guarded by Pools.mu, too
	slots    []*slot // one per wanted worker
	workers  map[uint64]*worker
	lastN    uint64
	failures []time.Time // within rapid_fail.window, oldest first
	lastErr  error
	exits    []ExitStatus // newest last
	probeAt  time.Time    // failed: the next half-open probe; zero: none
	probes   int          // consecutive probes that failed
	waiters  []*waiter
	waiting  int           // requests that wait for a slot, as fronts last said
	oldest   time.Duration // how long the oldest of them had waited
	target   int           // workers wanted; see setTarget
	scaled   int           // workers by Scale, while the configuration keeps its own; 0: none
	fleet    fleet
	rec      recycler
	totals   totals
}

// waiter is an API call that waits for something to become true.
type waiter struct {
	done func() bool  // asked on the loop after every event of the pool
	fail func() error // a reason to give up; nil for none
	rep  bool         // a failed replacement is a reason
	ch   chan error   // capacity 1
}

// Name is the pool's name.
func (p *Pool) Name() string { return p.name }

// Start makes the pool run; it returns when a worker is ready, at once if none is wanted before a
// request. A pool that runs already is left alone, but that its disabled workers are enabled; a failed one
// is tried anew, a disabled one is enabled.
// The error wraps ErrCommandNotFound, ErrPoolFailed, ErrPoolStopped or ctx's; the pool goes on trying
// unless it was stopped.
func (p *Pool) Start(ctx context.Context) error {
	return p.wait(ctx, func(now time.Time) *waiter {
		p.enableAll(now)
		p.event(evPoolStart, now)
		p.maintain(now)
		return p.readyWaiter()
	}, nil)
}

// WaitReady returns when a worker is ready, or with the same errors as Start.
func (p *Pool) WaitReady(ctx context.Context) error {
	return p.wait(ctx, func(time.Time) *waiter { return p.readyWaiter() }, nil)
}

func (p *Pool) readyWaiter() *waiter {
	return &waiter{
		done: func() bool { return p.ready() > 0 || p.dormant() },
		fail: func() error {
			err := p.startFailure()
			switch {
			case err != nil:
				return err
			case p.state == PoolFailed:
				return fmt.Errorf("supervisor: pool %s: %w: %w", p.name, ErrPoolFailed, p.lastErr)
			case p.want != PoolRunning:
				return fmt.Errorf("supervisor: pool %s: %w", p.name, ErrPoolStopped)
			case errors.Is(p.lastErr, ErrCommandNotFound):
				return p.lastErr
			}
			return nil
		},
	}
}

// Stop refuses new requests, drains every worker and ends it; it returns when the last process is
// gone. When ctx ends first, what is left is killed, and Stop returns once it is gone.
func (p *Pool) Stop(ctx context.Context) error {
	return p.wait(ctx, func(now time.Time) *waiter {
		p.event(evPoolStop, now)
		p.settle(now)
		return p.emptyWaiter()
	}, p.killAll)
}

func (p *Pool) emptyWaiter() *waiter {
	return &waiter{
		done: func() bool { return len(p.workers) == 0 },
		fail: func() error {
			if p.want == PoolRunning {
				return fmt.Errorf("supervisor: pool %s: stop: started again", p.name)
			}
			return nil
		},
	}
}

// Recycle replaces every worker, one after the other, each by one that is ready before the old is
// drained (Recycle.Overlap may turn that round). It returns when the old ones are gone. If a replacement
// does not become ready, or the first one answers with more errors than they do (Recycle.Watch), the old
// workers stay, fresh ones go back to where those run from, and the error says why. ctx bounds the wait,
// not the recycling.
func (p *Pool) Recycle(ctx context.Context, reason string) error {
	o := order{causeCommand, reason}
	return p.wait(ctx, func(now time.Time) *waiter { return p.recycle(o, 0, now) }, nil)
}

// RecycleWorker is Recycle for worker POOL/n. The error wraps ErrNoWorker if it is not there.
func (p *Pool) RecycleWorker(ctx context.Context, n uint64, reason string) error {
	o := order{causeCommand, reason}
	return p.wait(ctx, func(now time.Time) *waiter { return p.recycle(o, n, now) }, nil)
}

// Apply changes the configuration; the name must be the same. What is fixed when a worker starts is
// changed by replacing workers as Recycle does; everything else leaves workers alone. It returns when
// no worker of the old configuration is left. If a replacement does not become ready, the old workers
// go on and the pool goes on trying; the error says why.
func (p *Pool) Apply(ctx context.Context, c PoolConfig) error {
	if c.Name != p.name {
		return fmt.Errorf("supervisor: pool %s: apply: the name is %q", p.name, c.Name)
	}
	if err := c.validate(); err != nil {
		return err
	}
	return p.wait(ctx, func(now time.Time) *waiter { return p.apply(c, now) }, nil)
}

// Status is what the pool is now. After Close it is the last status.
func (p *Pool) Status() PoolStatus {
	s := p.status()
	measured([]PoolStatus{s})
	return s
}

// status is Status without the memory of workers.
func (p *Pool) status() PoolStatus {
	var s PoolStatus
	if !p.ps.call(func(now time.Time) { s = p.snapshot(now) }) {
		s = p.snapshot(p.ps.env.now()) // the loop has ended: nothing else touches p
	}
	return s
}

// wait runs begin on the loop and waits for its waiter. When ctx ends, late (if any) runs on the loop
// and the wait goes on; without it ctx's error is returned.
func (p *Pool) wait(ctx context.Context, begin func(time.Time) *waiter, late func(time.Time)) error {
	var w *waiter
	ok := p.ps.call(func(now time.Time) {
		w = begin(now)
		w.ch = make(chan error, 1)
		p.waiters = append(p.waiters, w)
		p.settle(now)
	})
	if !ok {
		return ErrClosed
	}
	select {
	case err := <-w.ch:
		return err
	case <-p.ps.done:
		return ErrClosed
	case <-ctx.Done():
	}
	if late == nil {
		p.ps.call(func(time.Time) { p.dropWaiter(w) })
		return fmt.Errorf("supervisor: pool %s: %w", p.name, context.Cause(ctx))
	}
	p.ps.call(late)
	select {
	case err := <-w.ch:
		return err
	case <-p.ps.done:
		return ErrClosed
	}
}
