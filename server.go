package weir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"github.com/panjf2000/ants/v2"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/server"
	"weir/pipeline/static"
	"weir/supervisor"
	"weir/supervisor/config"
)

// Limits and Timeouts of a [Server]; zero values mean the defaults that their fields name.
type (
	Limits   = server.Limits
	Timeouts = server.Timeouts
)

// ErrStarted is returned by Start on a Server that was started before.
var ErrStarted = errors.New("weir: server was started already")

// Server is a fast front end inside a program: loops, router and pools without a process of their own.
// The zero value listens on 127.0.0.1:8080 and answers 404. Fields must not change after Start.
//
// It changes nothing global: no signal handlers, no rlimits, no GOMAXPROCS, no default logger, and of
// all child processes it waits only for those it started.
type Server struct {
	Listen    []string       // "127.0.0.1:8080", ":8080" or "unix:/path"; port 0 is allowed
	Listeners []net.Listener // TCP or Unix, in addition; taken over by Start
	Handler   pipeline.Handler
	Pools     []*Pool // started by Start, stopped by Shutdown

	Loops          int // 0 = half of GOMAXPROCS, at least 1
	Limits         Limits
	Timeouts       Timeouts
	TrustedProxies []netip.Prefix
	Blocking       int          // blocking handlers at once; 0 = 10 000
	Connections    int          // client connections; 0 = no bound but descriptors
	RuntimeDir     string       // for workers' sockets; "" = a temporary directory
	Logger         *slog.Logger // nil = discard

	mu       sync.Mutex
	started  bool
	loops    []*netpoll.Loop
	server   *server.Server
	pools    *supervisor.Pools
	loads    *loadReporter
	blocking *ants.Pool
	addrs    []net.Addr
	tempDir  string
	roots    []*static.Files // of scripts
	files    []string        // Unix sockets that Start made
	running  sync.WaitGroup
	done     chan struct{}
	failure  error
}

// Start listens and serves; it returns when every pool has a ready worker, or with an error and
// nothing left behind. ctx bounds the wait only.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return ErrStarted
	}
	s.started = true
	s.done = make(chan struct{})
	listeners, err := s.open()
	if err == nil {
		err = s.startLoops()
	}
	if err == nil {
		err = s.startPools(ctx)
	}
	if err == nil {
		err = s.server.Apply(s.options(), listeners, s.sites(listeners))
	}
	if err != nil {
		for _, l := range listeners {
			closeFDs(l.FDs)
		}
		s.teardown(context.WithoutCancel(ctx))
		return fmt.Errorf("weir: start: %w", err)
	}
	return nil
}

// Addrs are the addresses in use, with real ports, in the order of Listen and Listeners.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs
}

// Wait returns when the server has ended: nil after a clean Shutdown.
func (s *Server) Wait() error {
	s.mu.Lock()
	done := s.done
	s.mu.Unlock()
	if done == nil {
		return nil
	}
	<-done
	return s.failure
}

// ErrCut is wrapped by Shutdown's error when its ctx ended before every exchange was complete.
var ErrCut = errors.New("exchanges were cut")

// Shutdown stops accepting, lets what has begun finish, then stops the pools. When ctx ends first the
// rest is cut; the error then wraps ErrCut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.server == nil {
		return nil
	}
	if cut := s.server.Drain(ctx, nil); cut > 0 {
		s.failure = fmt.Errorf("weir: shutdown: %d %w", cut, ErrCut)
	}
	s.teardown(ctx)
	return s.failure
}

// Run is Start, then Shutdown when ctx ends, within the default drain time.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainDefault)
	defer cancel()
	return s.Shutdown(drain)
}

func (s *Server) options() server.Options {
	o := server.Options{
		Limits: s.Limits, Timeouts: s.Timeouts, TrustedProxies: s.TrustedProxies,
		Logger: s.Logger, Blocking: s.block, Pools: map[string]pipeline.Handler{},
	}
	for _, p := range s.Pools {
		o.Pools[p.config.Name] = p.Handler()
	}
	return o
}

func (s *Server) block(f func()) bool { return s.blocking.Submit(f) == nil }

// sites is one site on every listener, for every host.
func (s *Server) sites(listeners []server.Listener) []server.Site {
	site := server.Site{Name: config.DefaultName}
	for _, l := range listeners {
		site.Bindings = append(site.Bindings, server.Binding{Address: l.Address, Host: "*"})
	}
	h := s.Handler
	if h == nil {
		h = pipeline.NotFoundHandler
	}
	site.Apps = []server.App{{Prefix: "/", Handler: h}}
	return []server.Site{site}
}

func (s *Server) startLoops() error {
	size := s.Blocking
	if size == 0 {
		size = blockingDefault
	}
	var err error
	if s.blocking, err = ants.NewPool(size, ants.WithNonblocking(true)); err != nil {
		return err
	}
	var limit *netpoll.Cap
	if s.Connections > 0 {
		limit = netpoll.NewCap(s.Connections)
	}
	n := s.Loops
	if n <= 0 {
		n = max(1, runtime.GOMAXPROCS(0)/2)
	}
	for i := range n {
		l, err := netpoll.New(netpoll.Config{
			Index: i, Conns: limit, ReadFile: s.block, PlainWait: runtime.GOMAXPROCS(0) <= n,
		})
		if err != nil {
			return err
		}
		s.loops = append(s.loops, l)
	}
	s.server = server.New(s.loops, s.options())
	for _, l := range s.loops {
		s.running.Go(l.Run)
	}
	return nil
}

// startPools starts all pools at once and waits for a ready worker of each.
func (s *Server) startPools(ctx context.Context) error {
	if len(s.Pools) == 0 {
		return nil
	}
	dir := s.RuntimeDir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "weir-"); err != nil {
			return err
		}
		s.tempDir = dir
	}
	link := make(poolLinks, len(s.Pools))
	var events supervisor.LinkEvents = laterEvents{&s.pools}
	log := s.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	for _, p := range s.Pools {
		root, err := p.attach(s.loops, newWorkerEvents(events, log), s.TrustedProxies)
		if err != nil {
			return err
		}
		if root != nil {
			s.roots = append(s.roots, root)
		}
		link[p.config.Name] = p
	}
	pools, err := supervisor.NewPools(supervisor.PoolsOptions{
		Link: link, Logger: s.Logger, RuntimeDir: dir, Starts: max(2, 2*runtime.GOMAXPROCS(0)),
	})
	if err != nil {
		return err
	}
	s.pools = pools
	s.loads = startLoadReporter(s.dispatchers, events)
	errs := make(chan error, len(s.Pools))
	for _, p := range s.Pools {
		if p.pool, err = pools.Add(p.config); err != nil {
			return err
		}
	}
	for _, p := range s.Pools {
		go func() { errs <- p.pool.Start(ctx) }()
	}
	for range s.Pools {
		err = errors.Join(err, <-errs)
	}
	return err
}

// dispatchers are the dispatching halves of the pools.
func (s *Server) dispatchers() []*dispatch.Pool {
	out := make([]*dispatch.Pool, len(s.Pools))
	for i, p := range s.Pools {
		out[i] = p.to.Load()
	}
	return out
}

// teardown ends pools and loops; with s.mu held.
func (s *Server) teardown(ctx context.Context) {
	s.loads.close()
	if s.pools != nil {
		if err := s.pools.Close(ctx); err != nil && s.failure == nil {
			s.failure = err
		}
	}
	for _, l := range s.loops {
		l.Stop()
	}
	s.running.Wait()
	if s.blocking != nil {
		s.blocking.Release()
	}
	for _, path := range s.files {
		_ = os.Remove(path) // may be gone already
	}
	for _, root := range s.roots {
		_ = root.Close() // only looked into; a search for a script may still be under way, and fails
	}
	s.roots = nil
	if s.tempDir != "" {
		_ = os.RemoveAll(s.tempDir) // only our own sockets' directories are in it
	}
	s.server = nil
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}
