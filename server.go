package weir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/server"
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
	Listeners []net.Listener // TCP or Unix, in addition; taken over by Start, also those of other holders
	Handler   pipeline.Handler
	Connect   bool    // CONNECT goes to Handler, too; else it is answered 405
	Pools     []*Pool // started by Start, stopped by Shutdown

	Loops          int // 0 = half of GOMAXPROCS, at least 1
	Limits         Limits
	Timeouts       Timeouts
	TrustedProxies []netip.Prefix
	Blocking       int          // blocking handlers at once; 0 = 10 000
	Connections    int          // client connections; 0 = no bound but descriptors
	RuntimeDir     string       // for workers' sockets, of this Server alone; "" = a temporary directory
	Logger         *slog.Logger // nil = discard
	Output         io.Writer    // what workers print, in whole lines; nil = os.Stderr
	Secret         []byte       // signs the cookies of sticky pools, 16 bytes or more; nil = a random one
	Spool          config.Spool // of request bodies, for buffer: request; zero = the keys' defaults

	mu       sync.Mutex
	started  bool
	loops    []*netpoll.Loop
	server   *server.Server
	routes   *routeSet
	spool    *dispatch.Spool
	pools    *supervisor.Pools
	loads    *loadReporter
	blocking *ants.Pool
	addrs    []net.Addr
	bound    atomic.Pointer[[]net.Addr] // addrs, once they are complete
	tempDir  string
	files    []string // Unix sockets that Start made
	own      []int    // duplicates of the listening sockets that Start made, to be plugged
	running  sync.WaitGroup
	state    atomic.Pointer[serving]
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
		s.bound.Store(&s.addrs)
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
	s.state.Store(&serving{server: s.server, began: time.Now(), state: stateRunning})
	return nil
}

// Addrs are the addresses in use, with real ports, in the order of Listen and Listeners.
func (s *Server) Addrs() []net.Addr {
	if now := s.bound.Load(); now != nil { // a handler may ask while Shutdown waits for it
		return *now
	}
	return nil
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
//
// Nobody who connects meanwhile is reset: the kernel queues no more connections to the sockets that
// Start opened, those that it has queued are served, and then the sockets are closed. Sockets that came
// as Listeners may have other holders, who go on accepting from them.
func (s *Server) Shutdown(ctx context.Context) error { return s.end(ctx, nil) }

// end is Shutdown, for a reason if it was not asked for.
func (s *Server) end(ctx context.Context, why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.server == nil {
		return s.failure
	}
	s.failure = why
	now := *s.state.Load()
	now.state = stateDraining
	s.state.Store(&now)
	s.plug(ctx)
	for _, p := range s.dispatchers() {
		p.Leave()
	}
	if cut := s.server.Drain(ctx, nil); cut > 0 {
		s.failure = errors.Join(why, fmt.Errorf("weir: shutdown: %d %w", cut, ErrCut))
	}
	s.teardown(ctx)
	return s.failure
}

// abort ends a server of which a pool failed that has `then: exit`.
func (s *Server) abort(err error) {
	ctx, cancel := context.WithTimeout(context.Background(), drainDefault)
	defer cancel()
	_ = s.end(ctx, err) // Wait returns it
}

// Run is Start, then Shutdown when ctx ends, within the default drain time. It returns early when the
// server has ended by itself.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-s.done:
		return s.Wait()
	}
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
	site.Apps = []server.App{{Prefix: "/", Handler: h, Connect: s.Connect}}
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

// dispatchers are the dispatching halves of the pools.
func (s *Server) dispatchers() []*dispatch.Pool {
	if s.routes == nil {
		return nil
	}
	return s.routes.all()
}

// teardown ends pools and loops; with s.mu held.
func (s *Server) teardown(ctx context.Context) {
	s.loads.close()
	if s.pools != nil {
		if err := s.pools.Close(ctx); err != nil && s.failure == nil {
			s.failure = err
		}
	}
	if now := s.state.Load(); now != nil {
		last := &serving{began: now.began, state: stateStopped, counters: s.server.Counters()}
		s.state.Store(last)
	}
	for _, l := range s.loops {
		l.Stop()
	}
	s.running.Wait()
	s.endBlocking()
	closeFDs(s.own)
	s.own = nil
	for _, path := range s.files {
		_ = os.Remove(path) // may be gone already
	}
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

// endBlocking waits a moment for the handlers that were cut, then closes the files that they may have
// been reading.
func (s *Server) endBlocking() {
	if s.blocking == nil {
		return
	}
	if err := s.blocking.ReleaseTimeout(blockingEndMax); err != nil {
		s.logger().Warn("handlers go on after the end", "count", s.blocking.Running())
		return
	}
	if s.routes != nil {
		s.routes.close()
	}
}
