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
	w.patient = patient && (w.patient || w.state < WorkerDraining)
	p.dismiss(w, "asked for", now)
	return &waiter{
		done: func() bool { return p.workers[n] == nil },
		fail: func() error { return nil },
	}
}

// Scale makes the pool have n workers. That holds until an Apply changes how many are configured; in
// a pool that load scales, load goes on from there. It returns when there are as many ready ones, or
// none too many; a pool that does not run keeps the number for its next start. If a new worker does
// not become ready the pool goes on trying; the error says why. It wraps ErrOutOfBounds where load
// could not lead to n.
func (p *Pool) Scale(ctx context.Context, n int) error {
	if n < 1 || n > poolWorkersMax {
		return fmt.Errorf("supervisor: pool %s: scale: %d is not in 1-%d", p.name, n, poolWorkersMax)
	}
	return p.wait(ctx, func(now time.Time) *waiter { return p.scale(n, now) }, nil)
}

func (p *Pool) scale(n int, now time.Time) *waiter {
	low, high := p.conf.bounds()
	if low < high && (n < low || n > high) {
		return refusal(fmt.Errorf("supervisor: pool %s: scale: %w: %d is not in %d-%d", p.name,
			ErrOutOfBounds, n, low, high))
	}
	p.scaled = n
	old := p.target
	if p.want == PoolRunning {
		p.setTarget(n, "asked for", now)
		p.maintain(now)
	}
	return &waiter{
		done: func() bool { return p.want != PoolRunning || p.filled() && p.leaving() == 0 },
		fail: func() error {
			for _, s := range p.slots[min(old, len(p.slots)):] {
				if s.cur.w == nil && s.cur.fails > 0 {
					return fmt.Errorf("supervisor: pool %s: scale: %w", p.name, p.lastErr)
				}
			}
			return p.changeFailed()
		},
	}
}

// unscale forgets what Scale set when the configured number of workers is not what it was in old.
func (p *Pool) unscale(old *PoolConfig) {
	low, high := old.bounds()
	if l, h := p.conf.bounds(); l != low || h != high {
		p.scaled = 0
	}
}

// leaving counts the workers that have no slot any more.
func (p *Pool) leaving() int {
	n := len(p.workers)
	for _, s := range p.slots {
		for _, w := range []*worker{s.cur.w, s.next.w} {
			if w != nil {
				n--
			}
		}
	}
	return n
}
