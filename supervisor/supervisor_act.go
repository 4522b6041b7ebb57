package supervisor

import (
	"context"
	"errors"
	"fmt"

	"weir/supervisor/admin"
)

// Act implements admin.Instance. What it begins goes on when ctx ends: that bounds the wait alone.
func (s *Supervisor) Act(ctx context.Context, a admin.Action) error {
	if a.Verb == admin.VerbRecycle && a.Worker == 0 && s.pools.upstreams(a.Pool) == nil {
		return s.Recycle(ctx, a.Pool)
	}
	if s.isState(stateDraining) {
		return fmt.Errorf("supervisor: %s: %w: the instance is shutting down", a, admin.ErrConflict)
	}
	if err := s.pools.knows(a.Pool); err != nil {
		return err
	}
	s.log.Info("asked for", "verb", string(a.Verb), "of", a.String()[len(a.Verb)+1:])
	err := s.pools.Act(ctx, a)
	if err == nil {
		s.told(ctx)
	}
	return err
}

// knows reports a pool that is not there.
func (ps *Pools) knows(pool string) error {
	if ps.Pool(pool) == nil && ps.upstreams(pool) == nil {
		return fmt.Errorf("%w %q", admin.ErrUnknownPool, pool)
	}
	return nil
}

// Act carries a out, of a pool of either kind; it returns when that has happened. ctx bounds the wait
// alone. Errors wrap those of package admin.
func (ps *Pools) Act(ctx context.Context, a admin.Action) error {
	if err := ps.knows(a.Pool); err != nil {
		return err
	}
	var err error
	if far := ps.upstreams(a.Pool); far != nil {
		err = far.act(ctx, a)
	} else if p := ps.Pool(a.Pool); p != nil { // else it went between the two questions
		err = act(ctx, p, a)
	}
	switch {
	case errors.Is(err, ErrPoolStopped), errors.Is(err, ErrOutOfBounds), errors.Is(err, ErrWorkerState):
		return fmt.Errorf("%w: %w", admin.ErrConflict, err)
	case errors.Is(err, ErrNoWorker): // it went between the question and the answer
		return fmt.Errorf("%w: %w", admin.ErrUnknownWorker, err)
	}
	return err
}

// told waits until fronts have done what they were told: who is told that a worker was started is not to
// be refused by a front that does not know it yet. One that is held up is waited for no longer than for
// its status.
func (s *Supervisor) told(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, frontStatusMax)
	defer cancel()
	_ = s.fronts.sync(ctx) // it will do it when it can
}

func act(ctx context.Context, p *Pool, a admin.Action) error {
	if a.Worker != 0 {
		switch a.Verb {
		case admin.VerbRecycle:
			return p.RecycleWorker(ctx, a.Worker, "asked for")
		case admin.VerbDrain:
			return p.DrainWorker(ctx, a.Worker)
		case admin.VerbStop:
			return p.StopWorker(ctx, a.Worker)
		case admin.VerbStart:
			return p.StartWorker(ctx, a.Worker)
		case admin.VerbDisable:
			return p.DisableWorker(ctx, a.Worker)
		}
	}
	switch a.Verb {
	case admin.VerbRecycle:
		return p.Recycle(ctx, "asked for")
	case admin.VerbDrain:
		return p.Drain(ctx)
	case admin.VerbStart:
		return p.Start(ctx)
	case admin.VerbStop:
		return p.halt(ctx, evPoolStop)
	case admin.VerbDisable:
		return p.Disable(ctx)
	case admin.VerbScale:
		return p.Scale(ctx, a.Count)
	}
	return fmt.Errorf("supervisor: %s: no such verb", a)
}
