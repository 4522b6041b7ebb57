package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// Options are what a supervisor is made from. Config is required.
type Options struct {
	Config *config.Loaded
	// Load loads the configuration anew for a reload; nil refuses reloads.
	Load func() (*config.Loaded, error)
	// Applied is told of a configuration that a reload has put in force; nil: nobody is.
	Applied func(*config.Loaded)
	// WorkerCommand is the argv that hosts the handler of a pool without command; nil refuses such
	// pools.
	WorkerCommand func(p *config.Pool) []string
	Counters      []string // columns of the fronts' counters
	// Hosts reports whether fronts run handlers or middleware of the program's own, which may read the
	// environment; else they do not get it. nil: they never do.
	Hosts func(*config.Config) bool

	Exe       string   // program of the fronts; "" is this binary
	FrontArgs []string // its arguments; nil is "__front"

	Logger  *slog.Logger // nil discards
	Stdout  *os.File     // of fronts; nil is os.Stdout
	Stderr  *os.File     // of fronts and workers' output; nil is os.Stderr
	Status  io.Writer    // the ready line; nil is Stderr
	Started time.Time    // when the process began, for the ready line; zero is Run's begin
	Version string
}

// runState is how far a supervisor has come.
type runState string

const (
	stateStarting runState = "starting" // not yet ready
	stateRunning  runState = "running"
	stateDraining runState = "draining" // on its way out
)

// Supervisor owns listening sockets, front processes and pools, and carries no traffic itself.
type Supervisor struct {
	opts    Options
	log     *slog.Logger
	stopped chan struct{} // closed when fronts and pools are gone
	drain   chan struct{} // closed by Drain
	now     chan struct{} // closed by Shutdown
	once    [2]sync.Once  // of drain and now

	fronts *frontSet
	groups *groups
	pools  *Pools
	store  *fdStore // nil without systemd's
	admin  *admin.Server
	admins []*Listener
	fatal  chan error // capacity 1: a pool with then: exit
	adopt  bool       // orphaned descendants of workers; a test process must not

	reloading sync.Mutex // one reload at a time

	mu        sync.Mutex
	dir       *runtimeDir
	state     runState
	started   time.Time
	loaded    *config.Loaded
	listeners []*Listener
}

var _ admin.Instance = (*Supervisor)(nil)

// New checks o. Nothing is opened before Run.
func New(o Options) (*Supervisor, error) {
	if o.Config == nil {
		return nil, errors.New("supervisor: no configuration")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Stdout, os.Stdout)
	setDefault(&o.Stderr, os.Stderr)
	if o.Status == nil {
		o.Status = o.Stderr
	}
	setDefault(&o.Exe, ownBinary())
	if o.FrontArgs == nil {
		o.FrontArgs = []string{"__front"}
	}
	s := &Supervisor{
		opts: o, log: o.Logger, stopped: make(chan struct{}), drain: make(chan struct{}),
		now: make(chan struct{}), fatal: make(chan error, 1), state: stateStarting, loaded: o.Config,
		adopt: true,
	}
	_, err := s.poolConfigs(&o.Config.Config)
	return s, err
}

// Run runs the instance until Drain, Shutdown or the end of ctx, which is a Drain. It may be called
// once. It returns nil after an orderly end; errors are a *[ListenError], one that wraps
// [ErrCommandNotFound], or another reason why the instance cannot run.
func (s *Supervisor) Run(ctx context.Context) error {
	s.mu.Lock()
	s.started = time.Now()
	s.mu.Unlock()
	setDefault(&s.opts.Started, s.started)
	stop := context.AfterFunc(ctx, s.Drain)
	defer stop()
	defer s.markStopped()
	if err := s.open(); err != nil {
		if s.pools != nil {
			err = errors.Join(err, s.pools.Close(ctx))
		}
		s.close()
		return err
	}
	err := s.up()
	if err == nil {
		err = s.wait()
	}
	s.down(err != nil)
	s.markStopped()
	s.close()
	return err
}

func (s *Supervisor) markStopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stopped:
	default:
		close(s.stopped)
	}
}

// open takes everything that can fail for reasons outside: directory, sockets, memory.
func (s *Supervisor) open() error {
	c := &s.loaded.Config
	if err := s.claim(c); err != nil {
		return err
	}
	if err := s.checkPaths(c); err != nil {
		return err
	}
	front, err := lookupAccount(c.User)
	if err != nil {
		return fmt.Errorf("supervisor: user: %w", err)
	}
	if c.User == "" && front.uid == 0 {
		s.log.Warn("running as root, fronts and workers too; give them an account with --user")
	}
	in := inheritSockets(os.Getenv, os.Getpid(), 3, s.log)
	forgetInheritance()
	loops := int(c.Loops)
	s.fronts, err = newFrontSet(frontOptions{
		exe: s.opts.Exe, argv0: argv0(), args: s.opts.FrontArgs, stdout: s.opts.Stdout,
		stderr: s.opts.Stderr, credential: credentialOf(front), fronts: c.Fronts, loops: loops,
		counters: s.opts.Counters, hosts: s.opts.Hosts, log: s.log,
	})
	if err != nil {
		return err
	}
	s.groups = newGroups(s.fronts, s.opts.Counters, s.opts.Stdout, s.log)
	ls, err := listenAll(s.untilDrain(), c.Listeners, c.Fronts*loops, in)
	if err != nil {
		return err
	}
	s.setListeners(ls)
	in.closeUnused(s.log)
	s.store = newFDStore(os.Getenv, s.log)
	for _, l := range ls {
		if l.spec.Pool == "" {
			s.store.add(l)
			continue
		}
		s.groups.add(l.spec.Pool, l, c) // its sockets are not of use to another instance
	}
	pools, err := NewPools(PoolsOptions{
		Link: s.groups, groups: s.groups, Logger: s.log, RuntimeDir: s.dir.path, Output: s.opts.Stderr, User: c.User,
		FrontUser: c.User, Starts: int(c.Limits.Starts), Workers: workersMax(c), Process: s.adopt,
		OnExit: s.poolExit,
	})
	if err != nil {
		return err
	}
	s.pools = pools
	s.groups.events = pools
	serve, err := s.openAdmin(&c.Admin)
	if err == nil {
		serve()
	}
	return err
}

// workersMax is limits.workers; 0: off.
func workersMax(c *config.Config) int {
	if c.Limits.Workers.IsOff() {
		return 0
	}
	return int(c.Limits.Workers)
}

func argv0() string {
	if len(os.Args) > 0 {
		return os.Args[0]
	}
	return "weir"
}

// claim takes the runtime directory.
func (s *Supervisor) claim(c *config.Config) error {
	p := runtimePlace{path: c.RuntimeDir, explicit: c.RuntimeDir != "", mode: 0o700}
	if p.path == "" {
		p.path, p.explicit = admin.RuntimeDir(os.Getenv, os.Geteuid())
	}
	if os.Geteuid() == 0 {
		p.mode = 0o711 // fronts and workers of other users, also later ones, pass to their sockets
	}
	d, note, err := claimRuntimeDir(s.untilDrain(), p)
	s.mu.Lock()
	s.dir = d
	s.mu.Unlock()
	if note != "" {
		s.log.Warn(note)
	}
	return err
}

// untilDrain is a context that ends with Drain or Shutdown.
func (s *Supervisor) untilDrain() context.Context { return doneContext{s.drain} }

// doneContext is a context that ends when its channel is closed.
type doneContext struct{ done <-chan struct{} }

func (doneContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c doneContext) Done() <-chan struct{}     { return c.done }
func (doneContext) Value(any) any               { return nil }

func (c doneContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

// wait waits for the end of the running instance; an error is one that nobody asked for.
func (s *Supervisor) wait() error {
	select {
	case <-s.drain:
		return nil
	case err := <-s.fatal:
		return err
	}
}

// poolExit is for pools with then: exit.
func (s *Supervisor) poolExit(pool string, err error) {
	select {
	case s.fatal <- fmt.Errorf("supervisor: pool %s: failed, and is configured to end the instance: %w",
		pool, err):
	default: // another one was first
	}
}

// Drain begins the orderly end: no new connections, what has begun is finished.
func (s *Supervisor) Drain() { s.once[0].Do(func() { close(s.drain) }) }

// Shutdown ends the instance at once.
func (s *Supervisor) Shutdown() {
	s.Drain()
	s.once[1].Do(func() { close(s.now) })
}

// Stopped implements admin.Instance.
func (s *Supervisor) Stopped() <-chan struct{} { return s.stopped }

// ReopenLogs has fronts open their log files anew.
func (s *Supervisor) ReopenLogs() {
	if s.isState(stateRunning) {
		s.fronts.reopenLogs()
		s.groups.reopenLogs()
	}
}

// SetLogLevel changes the level of every front's log until the next reload that changes log.level.
func (s *Supervisor) SetLogLevel(level config.LogLevel) {
	if s.isState(stateRunning) {
		s.fronts.setLogLevel(level)
	}
}

func (s *Supervisor) isState(want runState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == want
}

func (s *Supervisor) setState(to runState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = to
}

func (s *Supervisor) setListeners(ls []*Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = ls
}

// RuntimeDir is the directory in use, "" before Run has claimed it.
func (s *Supervisor) RuntimeDir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runtimeDir()
}

// runtimeDir is RuntimeDir for those who hold mu.
func (s *Supervisor) runtimeDir() string {
	if s.dir == nil {
		return ""
	}
	return s.dir.path
}

// notifySystemd tells systemd, if it asked to be told.
func (s *Supervisor) notifySystemd(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("sd_notify", "err", err)
	}
}
