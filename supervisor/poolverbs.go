package supervisor

import (
	"context"
	"fmt"
	"time"
)

// Drain refuses new requests (503 AppShutdown), lets every worker finish what it has for as long as
// that takes, then ends it; it returns when the last process is gone and leaves the pool stopped. Stop
// sets a drain that takes too long a deadline. ctx bounds the wait, not the drain.
func (p *Pool) Drain(ctx context.Context) error { return p.halt(ctx, evPoolDrain) }

// Disable refuses new requests (503 Disabled) at once, drains every worker and ends it; it returns when
// the last process is gone. The pool stays disabled, whatever is applied, until Start or Stop. ctx
// bounds the wait, not what is waited for.
func (p *Pool) Disable(ctx context.Context) error { return p.halt(ctx, evPoolDisable) }

// halt brings e and waits until no worker is left. Unlike with Stop, nothing is cut when ctx ends.
func (p *Pool) halt(ctx context.Context, e poolEvent) error {
	return p.wait(ctx, func(now time.Time) *waiter {
		p.event(e, now)
		p.settle(now)
		return p.emptyWaiter()
	}, nil)
}

// DrainWorker takes worker POOL/n out of rotation, lets it finish what it has for as long as that
// takes, and ends it; its place is filled at once. It returns when the process is gone. The error wraps
// ErrNoWorker if it is not there. ctx bounds the wait, not the drain.
func (p *Pool) DrainWorker(ctx context.Context, n uint64) error {
	return p.wait(ctx, func(now time.Time) *waiter { return p.releaseWorker(n, true, now) }, nil)
}

// StopWorker is DrainWorker with the deadline of StopTimeout.
func (p *Pool) StopWorker(ctx context.Context, n uint64) error {
	return p.wait(ctx, func(now time.Time) *waiter { return p.releaseWorker(n, false, now) }, nil)
}

func (p *Pool) releaseWorker(n uint64, patient bool, now time.Time) *waiter {
	w := p.workers[n]
	if w == nil {
		return refusal(fmt.Errorf("supervisor: pool %s: worker %d: %w", p.name, n, ErrNoWorker))
	}
	// One that leaves already is given no more time.
	w.patient = patient && (w.patient || w.state <= WorkerReady)
	p.dismiss(w, "asked for", now)
	return &waiter{
		done: func() bool { return p.workers[n] == nil },
		fail: func() error { return nil },
	}
}
