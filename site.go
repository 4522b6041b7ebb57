package weir

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/server"
	"weir/supervisor"
	"weir/supervisor/config"
	"weir/supervisor/worker"
)

// site is the process of a worker that accepts for itself (dispatch: reuseport): the server of a
// front, on one loop, with one site whose one app is a handler of this binary. It implements
// worker.Site.
type site struct {
	app      *App
	name     string // of the handler
	ctx      context.Context
	handler  pipeline.Handler
	loop     *netpoll.Loop
	server   *server.Server
	row      []uint64 // of counters
	logs     accessLogs
	log      *ownLog
	stderr   *supervisor.QueuedLog
	blocking blockingPool
	conns    *netpoll.Cap
	running  sync.WaitGroup // the loop
}

var _ worker.Site = (*site)(nil)

// siteServerName is the Server field of answers: as that of workers behind a front.
const siteServerName = "Weir-Worker"

// siteMain serves until the supervisor has the worker leave.
func siteMain(ctx context.Context, app *App, name string) error {
	s := &site{app: app, name: name, ctx: ctx, stderr: supervisor.NewQueuedLog(os.Stderr)}
	defer s.stderr.Close()
	defer s.end()
	return worker.ServeSite(ctx, s)
}

// Configure implements worker.Site.
func (s *site) Configure(c worker.SiteConfig) error {
	if s.server == nil {
		if err := s.start(&c); err != nil {
			return err
		}
	}
	served, err := s.sites(c.Config)
	if err != nil {
		return err
	}
	log, err := s.logs.next(c.Config)
	if err != nil {
		return err
	}
	o := s.options(c.Config)
	o.AccessLog = log
	if err := s.server.Apply(o, siteListeners(c.Config), served); err != nil {
		s.logs.drop(log)
		return err
	}
	s.bound(c.Config)
	s.log.follow(c.Config.Log)
	s.logs.settle(log, c.Config)
	return nil
}

// start makes the loop and runs it: once, with the first configuration.
func (s *site) start(c *worker.SiteConfig) (err error) {
	s.log = newOwnLog(s.stderr, c.Config.Log)
	s.logs.stdout = c.Stdout
	s.row = c.Counters.Row(0)
	if s.handler, err = s.app.build(s.ctx, s.name); err != nil {
		return err
	}
	if os.Getenv("GOMAXPROCS") == "" { // else the pool's limits say how many
		runtime.GOMAXPROCS(2 + min(runtime.NumCPU(), 2)) // the loop, blocking work, everything else
	}
	tuneMemory(c.Config)
	if err := s.blocking.resize(c.Config.Limits.Blocking); err != nil {
		return err
	}
	s.conns = netpoll.NewCap(siteConnsMax(c.Config))
	s.loop, err = netpoll.New(netpoll.Config{
		Conns: s.conns, BufferBytes: buffersPerLoop(c.Config, 1), FinishRate: rateOf(c.Config.MinRate.Rate),
		ReadFile: s.blocking.submit, PlainWait: runtime.GOMAXPROCS(0) <= 1,
	})
	if err != nil {
		return err
	}
	s.server = server.New([]*netpoll.Loop{s.loop}, s.options(c.Config))
	s.running.Go(s.loop.Run)
	return nil
}

func (s *site) options(c *config.Config) server.Options {
	o := serverOptions(c)
	if o.ServerHeader == "" {
		o.ServerHeader = siteServerName
	}
	o.Logger, o.Blocking = s.log.Logger, s.blocking.submit
	o.Counters = func(int) []uint64 { return s.row }
	return o
}

// sites is the one site of c, its chain around the handler.
func (s *site) sites(c *config.Config) ([]server.Site, error) {
	if len(c.Sites) != 1 || len(c.Sites[0].Apps) != 1 {
		return nil, fmt.Errorf("weir: worker: %d sites, expected one with one app", len(c.Sites))
	}
	own := &c.Sites[0]
	h, err := (registry{s.app}).chain(s.handler, own)
	if err != nil {
		return nil, err
	}
	a := &own.Apps[0]
	return []server.Site{{Name: own.Name, Bindings: bindings(own), Apps: []server.App{{
		Name: appName(a), Prefix: a.Prefix, Handler: h, Limits: serverLimits(a.Limits),
		Connect: a.Connect,
	}}}}, nil
}

// siteListeners are the addresses, whose sockets come one by one.
func siteListeners(c *config.Config) []server.Listener {
	var out []server.Listener
	for _, l := range c.Listeners {
		if l.Pool != "" {
			out = append(out, server.Listener{
				Address: l.Address, Joined: true, Proxy: proxyModes[l.ProxyProtocol],
			})
		}
	}
	return out
}

// bound applies the limits that belong to loop and pool rather than to the server.
func (s *site) bound(c *config.Config) {
	s.conns.SetMax(siteConnsMax(c))
	if err := s.blocking.resize(c.Limits.Blocking); err != nil {
		s.log.Error("limits.blocking is as before", "error", err)
	}
	s.loop.Post(func() {
		s.loop.BufferBytes = buffersPerLoop(c, 1)
		s.loop.FinishRate = rateOf(c.MinRate.Rate)
	})
}

// siteConnsMax is limits.connections, which holds for each process that accepts.
func siteConnsMax(c *config.Config) int {
	return connsMax(c, &supervisor.Snapshot{Config: c, Loops: 1})
}

// Join implements worker.Site.
func (s *site) Join(id uint64, address string, fd int) error {
	return s.server.Join(id, address, fd, false)
}

// Part implements worker.Site.
func (s *site) Part(id uint64) { s.server.Part(id) }

// Alive implements worker.Site.
func (s *site) Alive(pong func(inFlight int)) {
	s.loop.Post(func() {
		n := int(s.row[server.CounterRequests] - s.row[server.CounterCompleted])
		go pong(n) // it may wait for the supervisor
	})
}

// Rest implements worker.Site.
func (s *site) Rest(rested func()) {
	s.server.Rest(func() { go rested() }) // it may wait for the supervisor
}

// ReopenLogs implements worker.Site.
func (s *site) ReopenLogs() { s.logs.reopen() }

// Drain implements worker.Site.
func (s *site) Drain(ctx context.Context) { s.server.Drain(ctx, nil) }

// end stops the loop.
func (s *site) end() {
	if s.loop != nil {
		s.loop.Stop()
		s.running.Wait()
	}
	s.logs.close()
}
