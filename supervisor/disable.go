package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A worker that is disabled takes no requests, finishes those that it has, and stays: for somebody who
// looks at it, or to have it do less. It keeps its place, so nobody is started instead, and is left alone
// by everything that looks after workers that serve: pings, limits, idle time, scaling, a recycle of all.
// A changed configuration replaces it when it is enabled. When its process ends, its place is filled as
// any other. When fewer workers are wanted by a verb or a configuration, it is the first to go.

// ErrWorkerState: a worker is not in a state in which the verb could be done.
var ErrWorkerState = errors.New("cannot be done now")

// DisableWorker takes worker POOL/n out of rotation and keeps it; it returns when the worker holds no
// request any more. It stays so until StartWorker, Start, or the end of the worker. When every worker
// that the pool may have is disabled, requests get 503 Disabled. The error wraps ErrNoWorker,
// ErrPoolStopped or ErrWorkerState. ctx bounds the wait, not what is waited for.
func (p *Pool) DisableWorker(ctx context.Context, n uint64) error {
	return p.wait(ctx, func(now time.Time) *waiter { return p.disableWorker(n, now) }, nil)
}

func (p *Pool) disableWorker(n uint64, now time.Time) *waiter {
	w, err := p.serving(n)
	if err == nil && !w.state.disabled() {
		if why := p.undisablable(w); why != "" {
			err = w.refuse(why)
		}
	}
	if err != nil {
		return refusal(err)
	}
	w.handle(&event{worker: w.ref, kind: evDisable, text: "asked for"}, now)
	return &waiter{
		done: func() bool { return w.state == WorkerDisabled },
		fail: func() error {
			if !w.state.disabled() {
				return w.refuse("it is " + w.state.String() + " meanwhile")
			}
			return nil
		},
	}
}

// undisablable says why w, which is not disabled, cannot be; "" if it can. One that is being replaced, or
// replaces another, is somebody's who waits for the end of that.
func (p *Pool) undisablable(w *worker) string {
	switch {
	case w.state == WorkerStarting:
		return "it is not ready yet"
	case w.givenUp():
		return "it does not answer, and is about to be ended"
	}
	for _, s := range p.slots {
		if s.cur.w == w && s.stale == "" && s.vacated == causeNone && s.next.w == nil {
			return ""
		}
	}
	return "it is being replaced, or replaces another"
}

// StartWorker puts worker POOL/n, which is disabled or suspended, back into rotation. If the configuration
// has changed meanwhile, it is replaced instead: it ends, and a fresh one fills its place. StartWorker
// returns when the worker in the place is ready. A ready one is left alone. The error wraps ErrNoWorker,
// ErrPoolStopped or ErrWorkerState; numbers are not used again, so a worker that has ended is not there.
func (p *Pool) StartWorker(ctx context.Context, n uint64) error {
	return p.wait(ctx, func(now time.Time) *waiter { return p.startWorker(n, now) }, nil)
}

func (p *Pool) startWorker(n uint64, now time.Time) *waiter {
	w, err := p.serving(n)
	if err != nil {
		return refusal(err)
	}
	place := p.slotOf(w)
	seat := &place.cur
	p.enable(w, now)
	return &waiter{
		done: func() bool { return seat.w != nil && seat.w.state == WorkerReady },
		fail: func() error {
			err := p.changeFailed()
			switch {
			case err != nil:
				return err
			case p.want != PoolRunning:
				return fmt.Errorf("supervisor: pool %s: %w", p.name, ErrPoolStopped)
			case seat.w == nil && seat.fails > 0:
				return p.lastErr
			case !slices.Contains(p.slots, place):
				return w.refuse("fewer workers are wanted meanwhile")
			}
			return nil
		},
	}
}

// serving is worker n, which is not about to leave.
func (p *Pool) serving(n uint64) (*worker, error) {
	w := p.workers[n]
	switch {
	case p.want != PoolRunning:
		return nil, fmt.Errorf("supervisor: pool %s: %w", p.name, ErrPoolStopped)
	case w == nil:
		return nil, fmt.Errorf("supervisor: pool %s: worker %d: %w", p.name, n, ErrNoWorker)
	case p.slotOf(w) == nil:
		return nil, w.refuse("it leaves")
	}
	return w, nil
}

// refuse is why w is not where a verb wants it to be.
func (w *worker) refuse(why string) error {
	return fmt.Errorf("supervisor: worker %s: %w: %s", w.ref, ErrWorkerState, why)
}

// slotOf is the slot that w fills, or is to fill; nil: it has left.
func (p *Pool) slotOf(w *worker) *slot {
	for _, s := range p.slots {
		if s.cur.w == w || s.next.w == w {
			return s
		}
	}
	return nil
}

// enable puts w back into rotation, or ends it if it is of a past configuration.
func (p *Pool) enable(w *worker, now time.Time) {
	if w.outdated {
		p.dismiss(w, "configuration changed", now)
		return
	}
	w.handle(&event{worker: w.ref, kind: evEnable, text: "asked for"}, now)
}

// enableAll is enable for every worker that is disabled, in a pool that is started.
func (p *Pool) enableAll(now time.Time) {
	if p.want != PoolRunning {
		return
	}
	for _, n := range p.sortedWorkers() {
		if w := p.workers[n]; w.state.disabled() {
			p.enable(w, now)
		}
	}
	p.withhold(now)
}

// disabled counts the workers that are.
func (p *Pool) disabled() (n int) {
	for _, s := range p.slots {
		if s.disabled() {
			n++
		}
	}
	return n
}

// allDisabled reports that every worker is disabled, and that there may be no others.
func (p *Pool) allDisabled() bool {
	_, high := p.bounds()
	n := p.disabled()
	if n == 0 || n < len(p.slots) || p.target < high || p.target > n {
		return false
	}
	for _, s := range p.slots {
		if s.next.w != nil {
			return false
		}
	}
	return true
}

// withhold has requests refused while every worker is disabled: nobody would come for those that wait.
func (p *Pool) withhold(now time.Time) {
	switch all := p.allDisabled(); {
	case p.want != PoolRunning:
	case all && (p.state == PoolRunning || p.state == PoolStarting):
		p.event(evPoolAllOff, now)
	case !all && p.state == PoolDisabled:
		p.event(evPoolDown, now)
	}
}

// rest takes w out of rotation, to be put back.
func (w *worker) rest() {
	w.drained = true
	w.pool.ps.opts.Link.WorkerRest(w.ref)
}
