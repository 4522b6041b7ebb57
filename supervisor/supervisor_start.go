package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// openAdmin opens the admin sockets; serve has them answered, once there is something to answer from.
func (s *Supervisor) openAdmin(c *config.Admin) (serve func(), err error) {
	var ready []net.Listener
	for _, address := range c.Listen {
		address = strings.ReplaceAll(address, "{runtime}", s.dir.path)
		l, err := listen(config.Listener{Address: address, Mode: c.Mode, Backlog: adminBacklog}, 1, nil)
		if err == nil {
			s.admins = append(s.admins, l)
			var nl net.Listener
			if nl, err = goListener(l); err == nil {
				ready = append(ready, nl)
			}
		}
		if err != nil {
			for _, nl := range ready {
				_ = nl.Close() // never served
			}
			return nil, err
		}
	}
	s.admin = admin.NewServer(s, s.log)
	return func() {
		for _, nl := range ready {
			go func() {
				if err := s.admin.Serve(nl); err != nil {
					s.log.Error("admin API ended", "err", err)
				}
			}()
		}
	}, nil
}

// goListener is l as the standard library wants it: a duplicate, so that l stays ours to close.
func goListener(l *Listener) (net.Listener, error) {
	f := os.NewFile(uintptr(l.fds[0]), l.spec.Address)
	l.fds = nil
	defer f.Close() //nolint:errcheck // FileListener has its own
	nl, err := net.FileListener(f)
	if err != nil {
		return nil, &ListenError{Address: l.spec.Address, Err: err}
	}
	return nl, nil
}

// checkPaths reports a runtime directory that is too long for the sockets that would lie in it, also
// for those of pools' later workers.
func (s *Supervisor) checkPaths(c *config.Config) error {
	var errs []error
	for _, address := range c.Admin.Listen {
		if below, ok := strings.CutPrefix(address, "unix:{runtime}"); ok {
			errs = append(errs, checkSocketPath(s.dir.path+below))
		}
	}
	for i := range c.Pools {
		d := socketDir{path: workerDir(s.dir.path, WorkerRef{c.Pools[i].Name, workersCounted})}
		errs = append(errs, checkSocketPath(d.notify()))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	return nil
}

// poolConfigs is what c's sidecars and pools are to the supervisor, in this order.
func (s *Supervisor) poolConfigs(c *config.Config) ([]PoolConfig, error) {
	cars := make([]PoolConfig, len(c.Sidecars))
	for i := range c.Sidecars {
		cars[i] = SidecarConfigFrom(&c.Sidecars[i])
		if err := cars[i].validate(); err != nil {
			return nil, err
		}
	}
	out := cars
	for i := range c.Pools {
		p := &c.Pools[i]
		if len(p.Upstreams) > 0 {
			continue
		}
		var self []string
		if s.opts.WorkerCommand != nil && len(p.Command) == 0 {
			self = s.opts.WorkerCommand(p)
		}
		pc := PoolConfigFrom(p, self)
		if err := pc.validate(); err != nil {
			return nil, err
		}
		out = append(out, pc)
	}
	return out, nil
}

// upstreamConfigs is what c's pools of upstreams are to the supervisor.
func upstreamConfigs(c *config.Config) (out []UpstreamConfig) {
	for i := range c.Pools {
		if len(c.Pools[i].Upstreams) > 0 {
			out = append(out, UpstreamConfigFrom(&c.Pools[i]))
		}
	}
	return out
}

// up starts fronts and pools side by side and returns when the instance is ready.
func (s *Supervisor) up() error {
	c := &s.loaded.Config
	s.fronts.start(s.pools, c, frontListeners(s.listeners))
	ctx, cancel := context.WithCancelCause(s.untilDrain())
	defer cancel(nil)
	var starting sync.WaitGroup
	starting.Go(func() {
		if err := s.fronts.ready(ctx); err != nil {
			cancel(err)
		}
	})
	s.pools.ApplyUpstreams(upstreamConfigs(c))
	pools, err := s.poolConfigs(c)
	for _, pc := range pools {
		p, addErr := s.pools.Add(pc)
		if addErr != nil {
			err = errors.Join(err, addErr)
			continue
		}
		if pc.Start == config.StartManual {
			continue
		}
		starting.Go(func() {
			if err := p.Start(ctx); errors.Is(err, ErrCommandNotFound) {
				cancel(err) // no back-off will find it
			} else if err != nil && ctx.Err() == nil {
				s.log.Error("pool is not ready", "pool", p.Name(), "err", err)
			}
		})
	}
	if err != nil {
		cancel(err)
	}
	done := make(chan struct{})
	go func() {
		starting.Wait()
		close(done)
	}()
	slow := time.NewTimer(readyWarnAfter)
	defer slow.Stop()
	for {
		select {
		case <-done:
			return s.ready(ctx)
		case <-slow.C:
			s.say("waiting for %s", strings.Join(s.missing(), ", "))
			slow.Reset(readyWarnAfter)
		case err := <-s.fatal:
			return err
		}
	}
}

// ready tells everybody, unless the start failed or was called off.
func (s *Supervisor) ready(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		if isClosed(s.drain) {
			return nil // asked to end before it was up
		}
		return cause
	}
	if err := s.fronts.sync(ctx); err != nil && !isClosed(s.drain) { // they have the workers, too
		return err
	}
	line := s.readyLine()
	s.setState(stateRunning)
	s.notifySystemd(fmt.Sprintf("READY=1\nMAINPID=%d", os.Getpid()))
	s.say("ready: %s", line)
	return nil
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// say prints a line for people and scripts.
func (s *Supervisor) say(format string, args ...any) {
	// A closed stderr is no reason to stop serving.
	_, _ = fmt.Fprintf(s.opts.Status, "weir: "+format+"\n", args...)
}

// readyLine is http://127.0.0.1:8080 (pid 4711, workers 2/2, 38 ms).
func (s *Supervisor) readyLine() string {
	urls := make([]string, len(s.listeners))
	for i, l := range s.listeners {
		urls[i] = l.URL()
	}
	workers := ""
	if pools := s.pools.Status(); len(pools) > 0 {
		ready, want := 0, 0
		for _, p := range pools {
			ready += p.Ready
			if p.Want == PoolRunning {
				want += p.WantCount
			}
		}
		workers = fmt.Sprintf(", workers %d/%d", ready, want)
	}
	return fmt.Sprintf("%s (pid %d%s, %d ms)", strings.Join(urls, ", "), os.Getpid(), workers,
		time.Since(s.opts.Started).Milliseconds())
}

// missing is what the start waits for.
func (s *Supervisor) missing() []string {
	var out []string
	s.fronts.mu.Lock()
	for _, f := range s.fronts.fronts {
		if f.state != frontUp {
			out = append(out, fmt.Sprintf("front %d", f.slot))
		}
	}
	s.fronts.mu.Unlock()
	for _, c := range s.pools.Sidecars() {
		if c.Want == PoolRunning && c.Ready == 0 {
			out = append(out, sidecarPrefix+c.Name)
		}
	}
	for _, p := range s.pools.Status() {
		if p.Want == PoolRunning && p.Ready == 0 && p.WantCount > 0 {
			out = append(out, fmt.Sprintf("pool %s (0/%d workers ready)", p.Name, p.WantCount))
		}
	}
	return out
}
