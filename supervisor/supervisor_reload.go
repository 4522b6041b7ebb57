package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// Reload loads the configuration anew and applies what differs: new listeners are bound first, then
// every front changes or none does, then removed listeners are closed and changed pools changed. Any
// error before the fronts have changed leaves everything as it was and wraps [admin.ErrRefused]; a
// later one is about single pools, and the new configuration is in force. Errors are logged, too.
//
// ctx bounds the wait for pools.
func (s *Supervisor) Reload(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if !s.isState(stateRunning) {
		err := fmt.Errorf("supervisor: reload: %w: the instance is not running", admin.ErrConflict)
		s.log.Error("reload", "err", err)
		return err
	}
	s.notifySystemd(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	defer func() {
		if s.isState(stateRunning) {
			s.notifySystemd("READY=1")
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.untilDrain(), func() { cancel(errEnding) })
	defer stop()
	err := s.reload(ctx)
	if err != nil {
		s.log.Error("reload", "err", err)
	}
	return err
}

func (s *Supervisor) reload(ctx context.Context) error {
	if s.opts.Load == nil {
		return fmt.Errorf("supervisor: reload: %w: there is nothing to load", admin.ErrRefused)
	}
	loaded, err := s.opts.Load()
	if err != nil {
		return fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	next, old := &loaded.Config, s.config()
	changes := config.Diff(old, next)
	if changes.IsEmpty() {
		s.log.Info("reload: nothing has changed")
		return nil
	}
	if keys := changes.NeedRestart(); len(keys) > 0 {
		s.log.Warn("reload: needs a restart to take effect", "keys", strings.Join(keys, " "))
	}
	keepProcess(next, old)
	pools, err := s.poolConfigs(next)
	if err != nil {
		return fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	if err := s.checkPaths(next); err != nil {
		return fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	if err := s.swap(ctx, loaded); err != nil {
		return fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	if s.opts.Applied != nil {
		s.opts.Applied(loaded)
	}
	s.log.Info("reloaded", "sites", countOf(changes.Sites), "listeners", countOf(changes.Listeners),
		"sidecars", countOf(changes.Sidecars), "pools", countOf(changes.Pools))
	s.pools.SetBounds(int(next.Limits.Starts), workersMax(next))
	err = s.pools.Change(ctx, pools, upstreamConfigs(next))
	err = errors.Join(err, s.fronts.sync(ctx), s.groups.synced(ctx))
	s.groups.prune(next)
	s.groups.emptied(ctx)
	s.unbalance()
	return err
}

// unbalance takes programs from the addresses of fronts that pools' workers had before: all of their
// sockets are closed by now, so the numbers of the others have changed.
func (s *Supervisor) unbalance() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range frontListeners(s.listeners) {
		if l.steered {
			l.steered = false
			if err := detachBalance(l.fds[0]); err != nil {
				s.log.Debug("listener", "address", l.Address(), "err", err) // then its loops are uneven
			}
		}
	}
}

func countOf(t config.ThingChanges) int { return len(t.Added) + len(t.Removed) + len(t.Changed) }

// keepProcess keeps in next what is fixed for the life of the process.
func keepProcess(next, old *config.Config) {
	next.Loops, next.Fronts, next.User = old.Loops, old.Fronts, old.User
	next.RuntimeDir, next.Admin = old.RuntimeDir, old.Admin
}

// swap binds what is new, changes the fronts, and closes what is not used any more.
func (s *Supervisor) swap(ctx context.Context, loaded *config.Loaded) error {
	next := &loaded.Config
	s.mu.Lock()
	old := slices.Clone(s.listeners)
	s.mu.Unlock()
	var added []config.Listener
	var kept, removed, passed []*Listener
	for _, spec := range next.Listeners {
		if !slices.ContainsFunc(old, func(l *Listener) bool { return l.Address() == spec.Address }) {
			added = append(added, spec)
		}
	}
	for _, l := range old {
		switch spec, ok := next.Listener(l.Address()); {
		case !ok:
			removed = append(removed, l)
		case spec.Pool != l.spec.Pool:
			passed = append(passed, l)
		default:
			kept = append(kept, l)
		}
	}
	fresh, err := s.bindBeside(ctx, added, removed, next.Fronts*int(next.Loops))
	if err == nil {
		fresh, err = succeed(fresh, passed, next)
	}
	if err != nil {
		return err
	}
	removed = append(removed, passed...)
	ls := slices.Concat(kept, fresh)
	if err := s.configureFronts(ctx, next, ls, removed); err != nil {
		for _, l := range fresh {
			l.close()
		}
		s.groups.rebalance()
		return err
	}
	s.mu.Lock()
	s.loaded, s.listeners = loaded, ls
	s.mu.Unlock()
	s.groups.apply(ls, next)
	// The fronts have accepted what waited. One that began meanwhile may still be sent the old sockets.
	settled, cancel := context.WithTimeout(ctx, frontConfigureMax)
	defer cancel()
	_ = s.fronts.ready(settled) // one that does not come up is no reason to keep them
	for _, l := range removed {
		if l.spec.Pool != "" {
			s.groups.retire(l)
			continue
		}
		s.store.remove(l)
		l.close()
	}
	for _, l := range frontListeners(fresh) {
		s.store.add(l)
	}
	for _, l := range kept {
		spec, _ := next.Listener(l.Address())
		if err := l.adjust(*spec); err != nil {
			s.log.Warn("reload: options of a listener", "err", err)
		}
	}
	return nil
}

// succeed opens the successors of those that pass from fronts to a pool's workers, back, or from one
// pool to another, beside fresh; on an error nothing is left open.
func succeed(fresh, passed []*Listener, next *config.Config) ([]*Listener, error) {
	for _, l := range passed {
		spec, _ := next.Listener(l.Address())
		s, err := l.successor(*spec, next.Fronts*int(next.Loops))
		if err != nil {
			for _, l := range fresh {
				l.close()
			}
			return nil, err
		}
		fresh = append(fresh, s)
	}
	return fresh, nil
}

// configureFronts changes the fronts. TCP listeners that go are plugged first, as one that comes may
// take over their clients; a Unix socket's path has no successor, and plugging it is for good.
func (s *Supervisor) configureFronts(ctx context.Context, next *config.Config,
	ls, removed []*Listener) error {
	var plugged []*Listener
	for _, l := range removed {
		if l.network == "tcp" {
			plugged = append(plugged, l)
		}
	}
	if len(plugged) > 0 {
		bounded, cancel := context.WithTimeout(ctx, frontConfigureMax)
		defer cancel()
		_ = s.fronts.ready(bounded) // nobody is kept waiting for a front that starts
		plugAll(ctx, plugged, s.log)
	}
	err := s.fronts.configure(ctx, next, frontListeners(ls))
	if err != nil {
		for _, l := range plugged {
			l.unplug(s.log)
		}
	}
	return err
}

// bindBeside opens added while removed are still open. Where one of them has the same port (say,
// 127.0.0.1:8080 becomes :8080) the kernel would refuse that, so both are marked as sharing it.
func (s *Supervisor) bindBeside(ctx context.Context, added []config.Listener, removed []*Listener,
	want int) ([]*Listener, error) {
	var fresh []*Listener
	for _, spec := range added {
		var l *Listener
		var err error
		if shareWith(spec.Address, removed) {
			l, err = listenBeside(spec, want)
		} else {
			var ls []*Listener
			if ls, err = listenAll(ctx, []config.Listener{spec}, want, nil); err == nil {
				l = ls[0]
			}
		}
		if err != nil {
			for _, l := range fresh {
				l.close()
			}
			return nil, err
		}
		fresh = append(fresh, l)
	}
	return fresh, nil
}

// Recycle replaces every worker of a pool, one after the other.
func (s *Supervisor) Recycle(ctx context.Context, pool string) error {
	if s.pools == nil || !s.isState(stateRunning) {
		return fmt.Errorf("supervisor: recycle %s: %w: the instance is not running", pool,
			admin.ErrConflict)
	}
	p := s.pools.Pool(pool)
	if p == nil {
		return fmt.Errorf("%w %q", admin.ErrUnknownPool, pool)
	}
	err := p.Recycle(ctx, "asked for")
	if errors.Is(err, ErrPoolStopped) {
		return fmt.Errorf("%w: %w", admin.ErrConflict, err)
	}
	return err
}
