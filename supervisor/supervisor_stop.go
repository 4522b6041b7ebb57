package supervisor

import (
	"context"
	"slices"
	"time"

	"weir/supervisor/config"
)

// down ends fronts and pools: in order, or at once when hurry is set or Shutdown is called.
//
// Design: readiness fails, drain_delay, fronts accept what waits and close their listeners, then the
// supervisor closes its copies; when the last front is gone the workers have nothing left to do.
func (s *Supervisor) down(hurry bool) {
	s.setState(stateDraining)
	s.notifySystemd("STOPPING=1")
	if hurry {
		s.Shutdown()
	}
	ctx, cancel := context.WithCancel(doneContext{s.now})
	defer cancel()
	t := &s.config().Timeouts
	began := time.Now()
	s.log.Info("draining", "delay", t.DrainDelay, "within", t.Drain)
	if d := t.DrainDelay.Std(); d > 0 && !t.DrainDelay.IsOff() {
		pause(ctx, d)
	}
	within := drainBound(t.Drain)
	s.mu.Lock()
	listeners := slices.Clone(s.listeners)
	s.mu.Unlock()
	if ctx.Err() == nil {
		plugAll(ctx, listeners, s.log)
		s.groups.retireAll()
	}
	s.drainFronts(ctx, within)
	s.groups.emptied(ctx) // by workers that are not told to leave yet
	s.closeListeners()    // fronts that had to be killed did not say so
	s.reloading.Lock()    // a reload that was under way gives up when a drain begins
	defer s.reloading.Unlock()
	left := max(within-time.Since(began), stopPoolsMin)
	poolsCtx, cancelPools := context.WithTimeout(ctx, left)
	defer cancelPools()
	if err := s.pools.Close(poolsCtx); err != nil {
		s.log.Error("stopping pools", "err", err)
	}
	s.log.Info("stopped", "after", time.Since(began).Round(time.Millisecond))
}

// drainFronts drains the fronts, and cuts them short when ctx ends.
func (s *Supervisor) drainFronts(ctx context.Context, within time.Duration) {
	if ctx.Err() != nil {
		s.fronts.shutdown()
		return
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.fronts.drain(ctx, within, s.closeListeners)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		s.fronts.shutdown()
		<-drained
	}
}

// drainBound is d, or for "off" longer than any drain.
func drainBound(d config.Duration) time.Duration {
	if d.IsOff() {
		return 10 * 365 * 24 * time.Hour
	}
	return d.Std()
}

// closeListeners closes those of the fronts; the others are needed until their workers have gone.
func (s *Supervisor) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		if l.spec.Pool == "" {
			l.close()
		}
	}
	s.listeners = nil
}

// close gives back what open took, however far that came.
func (s *Supervisor) close() {
	s.closeListeners()
	if s.admin != nil {
		if err := s.admin.Close(); err != nil {
			s.log.Warn("admin API", "err", err)
		}
	}
	for _, l := range s.admins {
		l.close()
	}
	if s.fronts != nil {
		s.fronts.cancel()
		s.fronts.free()
	}
	if s.groups != nil {
		s.groups.close()
	}
	if s.dir != nil {
		s.dir.release()
	}
}

func (s *Supervisor) config() *config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &s.loaded.Config
}
