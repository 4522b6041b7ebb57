package weir

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"weir/netpoll"
	"weir/pipeline/dispatch"
	"weir/pipeline/server"
	"weir/supervisor"
	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// front is the process that carries client traffic: what the supervisor says, done to loops, server
// and pools. Its methods run on the control channel's goroutine unless said otherwise.
type front struct {
	supervisor.Link // routes, once started

	app      *App
	session  *supervisor.FrontSession
	loops    []*netpoll.Loop
	server   *server.Server
	routes   *routeSet
	spool    *dispatch.Spool
	logs     accessLogs
	log      *ownLog
	stderr   *supervisor.QueuedLog
	blocking blockingPool
	conns    *netpoll.Cap
	loads    *loadReporter
	running  sync.WaitGroup // loops
}

// frontMain is the main function of a front process.
func frontMain(app *App) int {
	// The supervisor says when to end; a terminal's or a service manager's signal goes to it, too.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	stderr := supervisor.NewQueuedLog(os.Stderr) // a loop never waits for whoever reads our log
	defer stderr.Close()
	session, err := supervisor.AttachFront(supervisor.ControlFD)
	if err != nil {
		fmt.Fprintln(stderr, "weir: front:", err)
		return exitFailed
	}
	f := &front{app: app, session: session, stderr: stderr}
	if err := session.Serve(f); err != nil {
		fmt.Fprintln(stderr, "weir:", err)
		return exitFailed
	}
	return exitOK
}

// Configure implements supervisor.FrontHandler.
func (f *front) Configure(s supervisor.Snapshot) error {
	first := f.server == nil
	if first {
		if err := f.start(&s); err != nil {
			return err
		}
	}
	routes, err := f.routes.next(s.Config, s.Fronts)
	if err != nil {
		return err
	}
	log, err := f.logs.next(s.Config)
	if err != nil {
		return err
	}
	o := f.serverOptions(&s)
	o.AccessLog, o.Pools = log, routes.to
	f.routes.prepare(routes)
	if err := f.server.Apply(o, frontListeners(&s), routes.sites); err != nil {
		f.routes.prepare(nil)
		f.logs.drop(log)
		return err
	}
	for _, p := range f.routes.all() {
		p.Recall() // a kept connection may ask for what is another's now
	}
	f.bound(&s)
	f.log.follow(s.Config.Log)
	f.logs.settle(log, s.Config)
	f.routes.settle(routes)
	if first {
		f.session.ReportReady()
	}
	return nil
}

// start makes the loops and runs them: once, with the first configuration.
func (f *front) start(s *supervisor.Snapshot) error {
	c := s.Config
	f.log = newOwnLog(f.stderr, c.Log)
	tuneRuntime(c, s.Loops) // loops ask how many Ps there are
	if err := f.blocking.resize(c.Limits.Blocking); err != nil {
		return err
	}
	f.conns = netpoll.NewCap(connsMax(c, s))
	for i := range s.Loops {
		l, err := netpoll.New(netpoll.Config{
			Index: i, Conns: f.conns, BufferBytes: buffersPerLoop(c, s.Loops),
			FinishRate: rateOf(c.MinRate.Rate), ReadFile: f.blocking.submit,
			PlainWait: runtime.GOMAXPROCS(0) <= s.Loops,
		})
		if err != nil {
			return err
		}
		f.loops = append(f.loops, l)
	}
	f.server = server.New(f.loops, f.serverOptions(s))
	f.spool = dispatch.NewSpool(f.spoolOptions(s))
	f.routes = newRouteSet(
		f.app, f.loops, newWorkerEvents(f.session.Events(), f.log.Logger), s.Secret, f.spool)
	f.Link = f.routes
	for _, l := range f.loops {
		f.running.Go(l.Run)
	}
	f.loads = startLoadReporter(f.routes.all, f.session.Events())
	return nil
}

// bound applies the limits that belong to loops and pool rather than to the server.
func (f *front) bound(s *supervisor.Snapshot) {
	c := s.Config
	tuneRuntime(c, s.Loops)
	f.conns.SetMax(connsMax(c, s))
	f.spool.Update(f.spoolOptions(s))
	if err := f.blocking.resize(c.Limits.Blocking); err != nil {
		f.log.Error("limits.blocking is as before", "error", err)
	}
	for _, l := range f.loops {
		l.Post(func() {
			l.BufferBytes = buffersPerLoop(c, s.Loops)
			l.FinishRate = rateOf(c.MinRate.Rate)
		})
	}
}

func (f *front) spoolOptions(s *supervisor.Snapshot) dispatch.SpoolOptions {
	o := spoolOptions(s.Config, s.Fronts)
	o.Failed = func(err error) { f.log.Error("spool: a request body was not kept", "error", err) }
	return o
}

func (f *front) serverOptions(s *supervisor.Snapshot) server.Options {
	o := serverOptions(s.Config)
	o.Logger, o.Blocking = f.log.Logger, f.blocking.submit
	o.Counters = func(loop int) []uint64 { return s.Counters.Row(loop) }
	return o
}

// tuneRuntime gives each loop a P of its own, and one more for everything else, so that loops keep
// theirs across short waits; handlers on the blocking pool get theirs where there are any.
func tuneRuntime(c *config.Config, loops int) {
	procs := loops + 1
	if hasBlocking(c) {
		procs += min(runtime.NumCPU(), 2)
	}
	runtime.GOMAXPROCS(procs)
	tuneMemory(c)
}

// tuneMemory is for processes whose memory is buffers.
func tuneMemory(c *config.Config) {
	debug.SetGCPercent(gcPercent)
	if limit := c.Limits.Buffers.Bytes(); limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2*limit + memoryBeside)
	}
}

func hasBlocking(c *config.Config) bool {
	for _, s := range c.Sites {
		for i := range s.Apps {
			switch s.Apps[i].Kind() {
			case config.AppStatic, config.AppHandler:
				return true
			}
			if s.Apps[i].Buffer == config.BufferRequest {
				return true
			}
		}
	}
	for i := range c.Pools {
		p := &c.Pools[i]
		if p.Sendfile.Root != "" || p.Protocol != config.ProtocolHTTP {
			return true
		}
	}
	return false
}

func buffersPerLoop(c *config.Config, loops int) int {
	if c.Limits.Buffers.IsOff() {
		return 1 << 62
	}
	return int(c.Limits.Buffers.Bytes()) / loops
}

// connsMax is limits.connections, or what the descriptors allow: a dispatched request needs two.
// design.md section 4, Accept.
func connsMax(c *config.Config, s *supervisor.Snapshot) int {
	if n := c.Limits.Connections; n != config.Auto {
		if n.IsOff() {
			return 1 << 30
		}
		return max(1, int(n))
	}
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) != nil {
		return connsMin
	}
	workers := 0
	for _, p := range c.Pools {
		workers += int(p.Workers.Max)
	}
	free := int(min(lim.Cur, 1<<30)) - descriptorsBeside - len(s.Listeners)*s.Loops - workers*s.Loops
	return max(free/2, connsMin)
}

func frontListeners(s *supervisor.Snapshot) []server.Listener {
	var out []server.Listener
	for _, l := range s.Listeners {
		own := server.Listener{Address: l.Address, FDs: l.FDs}
		if c, ok := s.Config.Listener(l.Address); ok {
			own.Proxy = proxyModes[c.ProxyProtocol]
		}
		out = append(out, own)
	}
	return append(out, siteListeners(s.Config)...) // for sockets that are lent
}

// Lend implements supervisor.FrontHandler.
func (f *front) Lend(id uint64, address string, fd int) {
	if err := f.server.Join(id, address, fd, true); err != nil {
		f.log.Error("a pool without workers does not answer", "address", address, "error", err)
	}
}

// Reclaim implements supervisor.FrontHandler.
func (f *front) Reclaim(id uint64) { f.server.Part(id) }

// StatusWanted implements supervisor.FrontHandler.
func (f *front) StatusWanted() {
	go func() {
		report := reportOf(f.server, len(f.loops), f.spool, f.routes.all())
		report.LogLost = f.stderr.Lost()
		b, err := json.Marshal(report)
		if err != nil {
			f.log.Error("status", "error", err)
			return
		}
		f.session.ReportStatus(b)
	}()
}

// RequestsWanted implements supervisor.FrontHandler.
func (f *front) RequestsWanted(q admin.RequestsQuery, answer func(admin.Requests)) {
	pools := f.routes.all()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), supervisor.RequestsWithin)
		defer cancel()
		answer(requestsOf(ctx, pools, q))
	}()
}

// LogLevel implements supervisor.FrontHandler.
func (f *front) LogLevel(level config.LogLevel) { f.log.level.Set(levelOf(level)) }

// ReopenLogs implements supervisor.FrontHandler.
func (f *front) ReopenLogs() { f.logs.reopen() }

// Drain implements supervisor.FrontHandler.
func (f *front) Drain(deadline time.Time) {
	go func() {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		for _, p := range f.routes.all() {
			p.Leave()
		}
		if cut := f.server.Drain(ctx, f.session.ReportUnlistened); cut > 0 {
			f.log.Warn("drain deadline: exchanges cut", "count", cut)
		}
		f.end()
	}()
}

// Shutdown implements supervisor.FrontHandler.
func (f *front) Shutdown() { go f.end() }

// end stops the loops and ends Serve.
func (f *front) end() {
	f.loads.close()
	for _, l := range f.loops {
		l.Stop()
	}
	f.running.Wait()
	f.logs.close()
	_ = f.session.Close() // the process ends next; there is nobody to tell
}
