package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// frontState is how far a front process has come.
type frontState string

const (
	frontDown     frontState = "down"     // no process; soon another
	frontStarting frontState = "starting" // forked; does not accept yet
	frontUp       frontState = "up"       // accepts
)

// errFrontGone: the front ended before it answered.
var errFrontGone = errors.New("the front ended before it answered")

// front is the place of one front process and the process that fills it, one after the other.
type front struct {
	set      *frontSet
	slot     int
	counters *Counters

	// Guarded by set.mu.
	state      frontState
	proc       *os.Process         // nil when down
	queue      *controlQueue       // nil when down
	pending    []pendingConfigure  // sent and not yet answered, oldest first
	known      map[string]struct{} // listeners whose sockets the process holds
	generation uint64              // of the last configure sent
	unlistened bool                // it drains and accepts no more
	synced     uint64              // the last sync that the process has answered
	killed     string              // why we killed it; "" if we did not
	startedAt  time.Time
	readyAt    time.Time
	wasReady   bool // some process in this place was
	starts     int
	early      int // deaths in a row within frontEarlyDeath of their start
	lastExit   string
	status     json.RawMessage
	reported   chan struct{}        // closed and replaced with each status
	loads      map[string]*PoolLoad // last reports of this process; nil before
}

// pendingConfigure waits for the front's answer.
type pendingConfigure struct {
	generation uint64
	listeners  []string
	fresh      []string
	answer     chan error // capacity 1; nil: nobody waits, and a refusal is the end of the process
}

// run keeps a process in the place until the set ends.
func (f *front) run() {
	defer f.set.wg.Done()
	for {
		f.set.mu.Lock()
		f.startedAt, f.killed = time.Now(), ""
		ending := f.set.ending
		f.set.mu.Unlock()
		if ending {
			return
		}
		err := f.life()
		delay, again := f.died(err)
		if !again || !pause(f.set.ctx, delay) {
			return
		}
	}
}

// life is one process from fork to reaping. The error says how it ended.
func (f *front) life() error {
	conn, theirs, err := ControlPair()
	if err != nil {
		return err
	}
	cmd := f.command(theirs)
	onForker(func() { err = cmd.Start() })
	_ = theirs.Close() // the process has its own, or there is none
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	if !f.attach(conn, cmd.Process) {
		_ = cmd.Process.Kill() // the set has ended meanwhile
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		f.serve(conn)
	}()
	err = cmd.Wait()
	_ = conn.Close() // ends serve; a process that has ended reads nothing
	<-served
	f.detach()
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// command is the front's command: this very binary, even if its file was replaced since.
func (f *front) command(control *os.File) *exec.Cmd {
	o := &f.set.opts
	cmd := &exec.Cmd{
		Path: o.exe, Args: append([]string{o.argv0}, o.args...), Env: frontEnv(os.Environ()),
		Stdout: o.stdout, Stderr: o.stderr, ExtraFiles: []*os.File{control},
		SysProcAttr: frontSysProcAttr(o.credential),
	}
	return cmd
}

// credentialOf is nil if the front runs as the supervisor does.
func credentialOf(a account) *syscall.Credential {
	if !a.switched {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	for _, g := range a.groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// attach sends a new process everything that it must know; from here on it gets every change. It is
// false if no front is wanted any more.
func (f *front) attach(conn *ControlConn, p *os.Process) bool {
	s := f.set
	s.mu.Lock()
	defer s.mu.Unlock()
	f.state, f.proc, f.queue = frontStarting, p, newControlQueue(conn)
	f.known, f.pending, f.unlistened, f.synced = map[string]struct{}{}, nil, false, 0
	f.readyAt, f.status = time.Time{}, nil
	f.starts++
	defer s.notify()
	if s.ending { // listeners may be closed already
		return false
	}
	f.queue.put(kindHello, helloBody{
		Version: controlVersion, PID: os.Getpid(), Slot: f.slot, Fronts: len(s.fronts),
		Loops: s.opts.loops, Counters: s.opts.counters, Secret: s.secret,
	}, int(f.counters.file.Fd()))
	f.configure(s.current, nil)
	if s.level != "" {
		f.queue.put(kindLogLevel, textBody{string(s.level)})
	}
	for pool, a := range s.pools {
		f.queue.put(kindPool, poolBody{pool, a})
	}
	for w, e := range s.workers {
		f.queue.put(kindReady, workerBody{w, f.share(e)})
	}
	if f.slot == 0 {
		s.lendAll()
	}
	return true
}

// share is e with this front's part of the slots.
func (f *front) share(e Endpoint) Endpoint {
	n := len(f.set.fronts)
	part := e.Concurrency / n
	if f.slot < e.Concurrency%n {
		part++
	}
	e.Concurrency = part
	return e
}

// configure sends c and the sockets that the process has not got yet. The caller holds set.mu.
func (f *front) configure(c frontConfig, answer chan error) {
	p := pendingConfigure{generation: c.generation, answer: answer}
	for _, l := range c.listeners {
		a := l.Address()
		p.listeners = append(p.listeners, a)
		if _, ok := f.known[a]; ok {
			continue
		}
		f.known[a] = struct{}{}
		p.fresh = append(p.fresh, a)
		f.queue.put(kindListener, listenerBody{a, l.network, l.actual},
			l.socketsOf(f.slot, f.set.opts.loops)...)
	}
	f.pending = append(f.pending, p)
	f.generation = c.generation
	body := configureBody{Generation: c.generation, Listeners: p.listeners, Config: c.config.ForFront()}
	if hosts := f.set.opts.hosts; hosts != nil && hosts(c.config) {
		body.Env = hostedEnv(os.Environ())
	}
	f.queue.put(kindConfigure, body)
}

// serve reads what the process says until it ends or misbehaves; then it is killed.
func (f *front) serve(conn *ControlConn) {
	for {
		m, fds, err := conn.Recv()
		closeFDs(fds) // a front has none to give
		if err == nil {
			err = f.handle(&m)
		}
		if err == nil {
			continue
		}
		if cause := f.queue.cause(); cause != nil {
			err = cause
		}
		f.hungUp(err)
		return
	}
}

// hungUp ends a process that cannot be spoken to any more. Most often it has just ended by itself: then
// its status says why. One that was told to end may still have logs to write.
func (f *front) hungUp(err error) {
	f.set.mu.Lock()
	defer f.set.mu.Unlock()
	gone := err == io.EOF || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed)
	switch {
	case !gone:
		f.kill(err.Error())
	case !f.set.ending && f.proc != nil:
		_ = f.proc.Kill() // fails only if it has ended
	}
}

// kill ends the process, which is reaped by life. The caller holds set.mu.
func (f *front) kill(why string) {
	if f.proc == nil {
		return
	}
	if f.killed == "" {
		f.killed = why
	}
	_ = f.proc.Kill() // fails only if it has ended
}

func (f *front) handle(m *Message) error {
	switch m.Kind {
	case kindHello:
		return decoded(m, func(*helloBody) {})
	case kindConfigured:
		return decoded(m, f.configured)
	case kindAccepting:
		f.accepting()
	case kindUnlisten:
		f.set.mu.Lock()
		f.unlistened = true
		f.set.notify()
		f.set.mu.Unlock()
	case kindDrained:
		return decoded(m, func(b *eventBody) { f.set.drained(f.slot, b.Worker) })
	case kindHung:
		return decoded(m, func(b *eventBody) { f.set.events.WorkerHung(b.Worker, b.Text) })
	case kindRefused:
		return decoded(m, func(b *eventBody) { f.set.events.WorkerRefused(b.Worker, b.Text) })
	case kindCircuit:
		return decoded(m, func(b *eventBody) { f.set.events.WorkerCircuit(b.Worker, b.Text) })
	case kindReported:
		return decoded(m, func(b *eventBody) { f.set.events.WorkerReported(b.Worker, b.Text) })
	case kindServed:
		return decoded(m, func(b *eventBody) { f.set.events.WorkerServed(b.Worker) })
	case kindSynced:
		return decoded(m, func(b *syncBody) {
			f.set.mu.Lock()
			f.synced = b.N
			f.set.notify()
			f.set.mu.Unlock()
		})
	case kindWaits:
		return decoded(m, func(b *textBody) { f.set.events.PoolWaits(b.Text) })
	case kindLoad:
		return decoded(m, f.loaded)
	case kindRequests:
		return decoded(m, func(b *requestsReport) { f.set.answered(f.slot, b) })
	case kindStatus:
		f.set.mu.Lock()
		f.status = m.Body
		close(f.reported)
		f.reported = make(chan struct{})
		f.set.mu.Unlock()
	default:
		return fmt.Errorf("supervisor: %w: unknown message %q", ErrControlProtocol, m.Kind)
	}
	return nil
}

// configured takes the answer to the oldest configure.
func (f *front) configured(b *configuredBody) {
	s := f.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(f.pending) == 0 || f.pending[0].generation != b.Generation {
		f.kill(fmt.Sprintf("it answered configuration %d, which it was not asked for", b.Generation))
		return
	}
	p := f.pending[0]
	f.pending = f.pending[1:]
	defer s.notify()
	if b.Error == "" {
		f.known = make(map[string]struct{}, len(p.listeners))
		for _, a := range p.listeners {
			f.known[a] = struct{}{}
		}
		if p.answer != nil {
			p.answer <- nil
		}
		return
	}
	for _, a := range p.fresh {
		delete(f.known, a)
	}
	err := errors.New(b.Error)
	if p.answer != nil {
		p.answer <- err
		return
	}
	f.kill("it refused its configuration: " + b.Error)
	if !f.wasReady {
		s.fail(err)
	}
}

func (f *front) accepting() {
	s := f.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.state != frontStarting {
		return
	}
	f.state, f.readyAt, f.wasReady = frontUp, time.Now(), true
	s.log.Info("front accepts", "front", f.slot, "pid", f.proc.Pid,
		"after", f.readyAt.Sub(f.startedAt).Round(time.Millisecond))
	s.notify()
}

// detach forgets the process: those who wait for its answers are told.
func (f *front) detach() {
	s := f.set
	s.mu.Lock()
	f.queue.close(false)
	queue := f.queue
	for _, p := range f.pending {
		if p.answer != nil {
			p.answer <- errFrontGone
		}
	}
	f.state, f.pending, f.queue, f.proc, f.known = frontDown, nil, nil, nil, nil
	drained := s.forgetDrains(f.slot)
	loads := f.unload()
	s.notify()
	s.mu.Unlock()
	<-queue.done
	for _, l := range loads {
		s.events.PoolLoad(l)
	}
	for _, w := range drained {
		s.events.WorkerDrained(w)
	}
}

// died decides what follows the end of a process: how long to wait for the next, if there is one.
func (f *front) died(err error) (delay time.Duration, again bool) {
	s := f.set
	s.mu.Lock()
	defer s.mu.Unlock()
	f.lastExit = err.Error()
	if f.killed != "" {
		f.lastExit = f.killed
	}
	defer s.notify()
	if s.ending {
		return 0, false
	}
	if time.Since(f.startedAt) < frontEarlyDeath {
		f.early++
	} else {
		f.early = 0
	}
	if !f.wasReady && f.early >= frontStartDeaths {
		s.fail(fmt.Errorf("supervisor: front: ended %d times before it accepted: %s", f.early, f.lastExit))
		return 0, false
	}
	waits := f.early
	if !f.readyAt.IsZero() {
		waits -= frontUpDeaths // what accepted is likely to do so again
	}
	delay = frontBackoff(waits)
	s.log.Error("front ended; it is replaced", "front", f.slot, "cause", f.lastExit, "delay", delay)
	return delay, true
}

// frontBackoff is the wait before the next process after that many early deaths in a row.
func frontBackoff(early int) time.Duration {
	if early <= 1 {
		return 0
	}
	return min(frontBackoffMin<<min(early-2, 10), frontBackoffMax)
}
