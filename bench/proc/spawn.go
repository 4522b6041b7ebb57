package proc

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// AnyCPU leaves a process on all CPUs of the bench.
const AnyCPU = -1

// Spec is a command to start.
type Spec struct {
	Path string
	Args []string
	Env  []string // added to ours; later entries win
	Dir  string
	CPU  int // the one CPU of the process and of all it forks, or AnyCPU
}

// Spawner starts processes from one locked thread and stops what is left of them at Close.
//
// One thread, because a child inherits the affinity of the thread that forks it, and because
// PDEATHSIG follows that thread: it must live as long as the bench.
type Spawner struct {
	requests chan func()
	cpus     []int

	mu   sync.Mutex
	live map[*Process]struct{} // guarded by mu
}

// NewSpawner starts the spawner's thread; Close ends it.
func NewSpawner() (*Spawner, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	cpus, err := CPUs()
	if err != nil {
		return nil, fmt.Errorf("proc: spawner: %w", err)
	}
	s := &Spawner{requests: make(chan func()), cpus: cpus, live: make(map[*Process]struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for f := range s.requests {
			f()
		}
	}()
	return s, nil
}

// Close stops every process that still lives, then the thread. Spawn must not be called after it.
func (s *Spawner) Close() {
	s.mu.Lock()
	var left []*Process
	for p := range s.live {
		left = append(left, p)
	}
	s.mu.Unlock()
	for _, p := range left {
		p.Stop()
	}
	close(s.requests)
}

// Spawn starts a command and returns as soon as it runs.
func (s *Spawner) Spawn(spec Spec) (*Process, error) {
	p := &Process{spawner: s, exited: make(chan struct{})}
	p.cmd = exec.Command(spec.Path, spec.Args...)
	p.cmd.Dir, p.cmd.Env = spec.Dir, append(os.Environ(), spec.Env...)
	p.cmd.SysProcAttr = childAttr()
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	// A grandchild that outlives its parent keeps the pipe open; do not wait for it.
	p.cmd.WaitDelay = killWaitMax
	err := s.onThread(func() error { return s.start(p.cmd, spec.CPU) })
	if err != nil {
		return nil, fmt.Errorf("proc: spawn %s: %w", spec.Path, err)
	}
	s.mu.Lock()
	s.live[p] = struct{}{}
	s.mu.Unlock()
	go p.reap()
	return p, nil
}

func (s *Spawner) onThread(f func() error) error {
	done := make(chan error, 1)
	s.requests <- func() { done <- f() }
	return <-done
}

// start runs on the spawner's thread.
func (s *Spawner) start(cmd *exec.Cmd, cpu int) error {
	if cpu == AnyCPU {
		return cmd.Start()
	}
	if err := setAffinity(0, []int{cpu}); err != nil {
		return err
	}
	err := cmd.Start()
	if back := setAffinity(0, s.cpus); err == nil && back != nil {
		err = back
	}
	return err
}

// Process is a started command with everything it has forked.
type Process struct {
	spawner *Spawner
	cmd     *exec.Cmd
	out     tail
	exited  chan struct{} // closed once reaped; err and cmd.ProcessState are set before
	err     error
}

// PID returns the process id of the command itself.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed once the command itself has been reaped.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err returns how the command ended; valid once Exited is closed.
func (p *Process) Err() error { return p.err }

// CPUTime returns user + system time of the command; valid once Exited is closed.
func (p *Process) CPUTime() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Output returns the last bytes that the command wrote.
func (p *Process) Output() string { return p.out.String() }

func (p *Process) reap() {
	p.err = p.cmd.Wait()
	p.spawner.mu.Lock()
	delete(p.spawner.live, p)
	p.spawner.mu.Unlock()
	close(p.exited)
}

// Stop ends the command and all it has forked: SIGTERM to the command, SIGKILL to what is left of
// its tree after stopWaitMax or once the command is gone. It returns when the command is reaped.
func (p *Process) Stop() {
	tree, err := Tree(p.PID())
	if err != nil {
		tree = nil // the command itself is still stopped below
	}
	p.signal(syscall.SIGTERM)
	if !p.waitExit(stopWaitMax) {
		p.signal(syscall.SIGKILL)
		p.waitExit(killWaitMax)
	}
	for _, s := range tree {
		if s.PID == p.PID() {
			continue
		}
		if now, err := ReadStat(s.PID); err == nil && now.Key == s.Key {
			// ESRCH is the only other outcome: it left by itself.
			_ = syscall.Kill(s.PID, syscall.SIGKILL)
		}
	}
}

func (p *Process) signal(sig syscall.Signal) {
	select {
	case <-p.exited:
	default:
		// An error means that it has just ended.
		_ = p.cmd.Process.Signal(sig)
	}
}

func (p *Process) waitExit(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return false
	}
}

// tail keeps the last outputBytesMax bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - outputBytesMax; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
