package weir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"weir/pipeline/dispatch"
	"weir/protocol/handoff"
	"weir/supervisor"
	"weir/supervisor/config"
)

// startPools starts all pools at once and waits for a ready worker of each, and for the first word of
// all servers that are not ours.
func (s *Server) startPools(ctx context.Context) error {
	if len(s.Pools) == 0 {
		return nil
	}
	c, err := s.configure()
	if err != nil {
		return err
	}
	if err := s.makeRuntimeDir(); err != nil {
		return err
	}
	var events supervisor.LinkEvents = laterEvents{&s.pools}
	log := s.logger()
	o := spoolOptions(c, 1)
	o.Failed = func(err error) { log.Error("spool: a request body was not kept", "error", err) }
	s.spool = dispatch.NewSpool(o)
	s.routes = newRouteSet(&App{}, s.loops, newWorkerEvents(events, log), s.Secret, s.spool)
	next, err := s.routes.next(c, 1)
	if err != nil {
		return err
	}
	s.routes.settle(next)
	s.pools, err = supervisor.NewPools(supervisor.PoolsOptions{
		Link: s.routes, Logger: s.Logger, RuntimeDir: s.runtimeDir(), Output: s.Output,
		Starts: max(2, 2*runtime.GOMAXPROCS(0)), OnExit: func(_ string, err error) { go s.abort(err) },
	})
	if err != nil {
		return err
	}
	for _, p := range s.Pools {
		p.attach(next.pools[p.config.Name])
		p.of.Store(s.pools)
	}
	s.loads = startLoadReporter(s.routes.all, events)
	return s.runPools(ctx)
}

// configure is what a front would be told of the pools.
func (s *Server) configure() (*config.Config, error) {
	c := config.Default()
	c.TrustedProxies = s.TrustedProxies
	if n := len(s.Secret); n > 0 && n < secretBytesMin {
		return nil, fmt.Errorf("field Secret: %d bytes, want at least %d", n, secretBytesMin)
	}
	spools := s.Spool != config.Spool{}
	for _, p := range s.Pools {
		name := p.config.Name
		if _, twice := c.Pool(name); twice {
			return nil, fmt.Errorf("pool %s: there are two of that name", name)
		}
		if p.config.Dispatch == config.DispatchHandoff && s.Limits.Head.HeadBytes > handoff.HeadMax {
			return nil, fmt.Errorf("pool %s: dispatch: handoff: Limits.Head.HeadBytes is above %d", name,
				handoff.HeadMax)
		}
		if err := p.take(s); err != nil {
			return nil, err
		}
		c.Pools = append(c.Pools, p.config)
		spools = spools || p.buffers()
	}
	if spools {
		var err error
		if c.Spool, err = config.CompleteSpool(s.Spool); err != nil {
			return nil, fmt.Errorf("field Spool: %w", err)
		}
	}
	return &c, nil
}

func (s *Server) makeRuntimeDir() error {
	if s.RuntimeDir != "" {
		return nil
	}
	var err error
	if s.tempDir, err = os.MkdirTemp("", "weir-"); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // workers of other users pass to their sockets
		return os.Chmod(s.tempDir, 0o711)
	}
	return nil
}

func (s *Server) runtimeDir() string {
	if s.RuntimeDir != "" {
		return s.RuntimeDir
	}
	return s.tempDir
}

// runPools returns when what is to be ready is.
func (s *Server) runPools(ctx context.Context) error {
	var far []supervisor.UpstreamConfig
	var starting []*supervisor.Pool
	for _, p := range s.Pools {
		if len(p.config.Upstreams) > 0 {
			far = append(far, supervisor.UpstreamConfigFrom(&p.config))
			continue
		}
		sp, err := s.pools.Add(supervisor.PoolConfigFrom(&p.config, nil))
		if err != nil {
			return err
		}
		if p.config.Start != config.StartManual {
			starting = append(starting, sp)
		}
	}
	s.pools.ApplyUpstreams(far)
	errs := make(chan error, len(starting)+1)
	for _, sp := range starting {
		go func() { errs <- sp.Start(ctx) }()
	}
	err := s.pools.AwaitUpstreams(ctx)
	for range starting {
		err = errors.Join(err, <-errs)
	}
	return err
}

// logger is Logger or one that discards.
func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

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
