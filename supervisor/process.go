package supervisor

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// process is one worker seen by the operating system: its directory, port, pipes and pid.
type process struct {
	env  *osEnv
	ref  WorkerRef
	conf *PoolConfig

	user     account
	dir      socketDir
	contract contract
	listener int // socket: inherit, until fork; -1
	control  control
	notify   *notifySocket
	out      *output
	cpus     []int // guarded by env.mu; nil: all
	place    place // once started

	readySaid chan struct{} // closed by READY=1
	exited    chan struct{} // closed when it is a zombie
	saidOnce  sync.Once

	mu     sync.Mutex
	pid    int    // guarded by mu; 0 before fork
	reaped bool   // guarded by mu: the pid may be somebody else's
	stage  string // guarded by mu: what the worker's readiness waits for; "": not known

	stopped atomic.Bool // by SIGSTOP
	group   string      // guarded by mu, written before fork: directory of its cgroup; "" none
}

// run is the whole life of p; its goroutine ends with it.
func (p *process) run() {
	defer p.leaveGroup()
	c, err := p.start()
	if err == nil {
		err = c.awaitExec()
		if err != nil {
			p.signal(true)
			p.collect(c)
		}
	}
	if err != nil {
		p.release()
		p.env.post(event{worker: p.ref, kind: evSpawnFailed,
			err: fmt.Errorf("supervisor: worker %s: %w", p.ref, p.explain(err))})
		return
	}
	p.env.post(event{worker: p.ref, kind: evSpawned, pid: c.pid, place: p.place})
	var probing sync.WaitGroup
	probing.Go(p.probe)
	exit := p.collect(c)
	probing.Wait() // it must not tell of a ready worker afterwards
	p.release()
	if p.accepts() {
		p.env.opts.groups.ended(p.ref)
	}
	p.env.post(event{worker: p.ref, kind: evExited, exit: exit})
}

// accepts reports a worker that accepts connections itself.
func (p *process) accepts() bool { return p.conf.Dispatch == config.DispatchReuseport }

// explain names the command where the cause alone does not.
func (p *process) explain(err error) error {
	if !errors.Is(err, ErrCommandNotFound) {
		return err
	}
	return fmt.Errorf("command %q: %w", p.conf.Command[0], err)
}

// start makes everything that the worker is told about, and forks.
func (p *process) start() (*child, error) {
	if err := p.prepare(); err != nil {
		return nil, err
	}
	environ, err := workerEnv(p.user.identity(os.Environ()), p.conf.env(), &p.contract)
	if err != nil {
		return nil, err
	}
	isolate := p.isolate()
	environ = p.conf.Isolation.goVariables(environ, isolate.cpus)
	run, real := placeOf(p.conf)
	p.place = real
	o := &spawnOrder{
		dir: run.dir, program: run.program, account: p.user, noFile: p.env.opts.NoFile,
		isolate: isolate,
		argv:    p.contract.argv(p.conf.Command),
	}
	c, err := fork(o, environ, p.listener, p.control.theirs)
	p.closeListener()
	p.control.closeTheirs()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.pid = c.pid
	p.mu.Unlock()
	p.out.streams.Go(func() { p.out.read(c.stdout, "stdout", p.env.now) })
	p.out.streams.Go(func() { p.out.read(c.stderr, "stderr", p.env.now) })
	return c, nil
}

// prepare makes directory, sockets and port.
func (p *process) prepare() (err error) {
	spec := p.conf.User
	if spec == "" {
		spec = p.env.opts.User
	}
	if p.user, err = workerAccount(spec); err != nil {
		return err
	}
	if err := p.mayPass(p.env.opts.RuntimeDir); err != nil {
		return err
	}
	p.dir = socketDir{path: workerDir(p.env.opts.RuntimeDir, p.ref), worker: p.user,
		front: p.env.front}
	p.contract = contract{ref: p.ref, socket: p.dir.socket(), notify: p.dir.notify(),
		listen: p.conf.Socket == config.SocketInherit, dispatch: p.conf.Dispatch,
		slots: p.conf.Concurrency}
	if !p.dir.shared() && p.user.gid == p.env.front.gid {
		p.env.warnOnce(p.ref.Pool, "the workers' group is the front's: they can connect to the sockets "+
			"of other pools")
	}
	if err := checkSocketPath(p.contract.notify); err != nil {
		return err
	}
	if err := p.dir.make(); err != nil {
		return err
	}
	if p.notify, err = listenNotify(p.contract.notify, p.user, p.onNotice); err != nil {
		return err
	}
	if p.conf.Sidecar.Is {
		p.contract.socket = ""
		return nil
	}
	if p.contract.port, err = p.env.ports.take(); err != nil {
		return err
	}
	if p.control, err = p.openControl(); err != nil {
		return err
	}
	p.contract.control, p.contract.watchdog = 3, p.conf.watchdog()
	if p.contract.listen {
		p.contract.control = 4
		p.listener, err = listenInherited(p.contract.socket)
		if err == nil {
			err = p.dir.admit(p.contract.socket)
		}
	}
	return err
}

func (p *process) closeListener() {
	if p.listener >= 0 {
		_ = unix.Close(p.listener) // the worker has its own
		p.listener = -1
	}
}

// onNotice takes one message from NOTIFY_SOCKET.
func (p *process) onNotice(n notice) {
	if n.ready {
		p.saidOnce.Do(func() { close(p.readySaid) })
	}
	e := event{worker: p.ref, kind: evNotice, status: n.status, recycle: n.recycle}
	if n.stopping {
		e.kind = evStopNotice
		e.text = "the worker said STOPPING=1"
	}
	if n.stopping || n.status != nil || n.recycle != nil {
		p.env.post(e)
	}
	if n.watchdog != signNone {
		p.env.post(event{worker: p.ref, kind: evNotice, sign: n.watchdog})
	}
}

// collect waits for the end of c, kills what is left of its group, and reaps it.
func (p *process) collect(c *child) ExitStatus {
	c.awaitDeath()
	close(p.exited)
	p.mu.Lock()
	oom := p.group != "" && groupOOM(p.group)
	if !p.reaped { // by somebody else: see audit
		// The leader is a zombie: the group's number cannot be anybody else's yet.
		_ = unix.Kill(-c.pid, unix.SIGKILL) // ESRCH: it was alone
		if p.group != "" {
			killGroup(p.group) // whoever left the process group, too
		}
	}
	var ws syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(c.pid, &ws, 0, nil); err != syscall.EINTR {
			break
		}
	}
	p.reaped = true
	p.mu.Unlock()
	if p.env.opts.Process {
		killDescendants(p.contract.socket, p.env.known())
	}
	p.endOutput(c)
	x := exitStatus(c.pid, ws, p.env.now())
	if oom && x.Signal == int(unix.SIGKILL) {
		x.How += " (out of memory)"
	}
	return x
}

// endOutput gives the readers a moment to reach the end of what the dead wrote. A descendant that left
// the group may hold the pipes: they are closed on it.
func (p *process) endOutput(c *child) {
	deadline := time.Now().Add(outputDrainAfterDeath)
	_ = c.stdout.SetReadDeadline(deadline) // pipes have deadlines
	_ = c.stderr.SetReadDeadline(deadline)
	p.out.streams.Wait()
	c.closePipes()
}

func exitStatus(pid int, ws syscall.WaitStatus, at time.Time) ExitStatus {
	x := ExitStatus{PID: pid, At: at, Code: ws.ExitStatus()}
	if ws.Signaled() {
		x.Code, x.Signal = -1, int(ws.Signal())
		x.How = "signal: " + ws.Signal().String()
		if ws.CoreDump() {
			x.How += " (core dumped)"
		}
		return x
	}
	x.How = fmt.Sprintf("exit status %d", x.Code)
	return x
}

// signal sends SIGTERM to the process or SIGKILL to its group, while they are known to be ours.
func (p *process) signal(kill bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 || p.reaped {
		return
	}
	if kill {
		_ = unix.Kill(-p.pid, unix.SIGKILL) // ESRCH: about to be reaped
		return
	}
	_ = unix.Kill(p.pid, unix.SIGTERM)
}

// release closes what belongs to the supervisor's side; directory and port go with forget.
func (p *process) release() {
	p.closeListener()
	p.control.close()
	if p.notify != nil {
		p.notify.close()
	}
}
