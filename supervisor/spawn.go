package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forker is the one thread of the process from which helpers are forked. The parent-death signal is
// sent when the thread that forked ends, so it must not end before the process does.
var forker struct {
	once sync.Once
	jobs chan func()
}

// onForker runs f on the forking thread.
func onForker(f func()) {
	forker.once.Do(func() {
		forker.jobs = make(chan func())
		go forkLoop()
	})
	done := make(chan struct{})
	forker.jobs <- func() {
		defer close(done)
		f()
	}
	<-done
}

// forkLoop never ends: see forker.
func forkLoop() {
	runtime.LockOSThread()
	for f := range forker.jobs {
		f()
	}
}

// child is a forked spawn helper and what it becomes.
type child struct {
	pid    int
	pidfd  int // -1: none
	status *os.File
	stdout *os.File
	stderr *os.File
}

// fork starts the helper with order. listener is a listening socket for fd 3, or -1; control is for
// the next. environ is the worker's. The caller reads the three pipes and reaps the pid.
func fork(o *spawnOrder, environ []string, listener, control int) (*child, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close() //nolint:errcheck // nothing was written
	var p pipes
	defer p.closeChildEnds()
	c := &child{pidfd: -1}
	for _, f := range []**os.File{&c.stdout, &c.stderr, &c.status} {
		if *f, err = p.open(); err != nil {
			c.closePipes()
			return nil, err
		}
	}
	files := []uintptr{null.Fd(), uintptr(p.child[0]), uintptr(p.child[1])}
	if listener >= 0 {
		files = append(files, uintptr(listener))
	}
	if control >= 0 {
		files = append(files, uintptr(control))
	}
	o.parent, o.statusFD, o.listen = os.Getpid(), len(files), listener >= 0
	attr := &syscall.ProcAttr{Env: environ, Files: append(files, uintptr(p.child[2]))}
	onForker(func() {
		attr.Sys = forkAttr(&c.pidfd)
		c.pid, err = syscall.ForkExec(ownBinary(), o.args(), attr)
	})
	if err != nil {
		c.closePipes()
		return nil, fmt.Errorf("fork: %w", err)
	}
	return c, nil
}

func (c *child) closePipes() {
	for _, f := range []*os.File{c.stdout, c.stderr, c.status} {
		if f != nil {
			_ = f.Close() // reading ends
		}
	}
}

// pipes are the writing ends that the child gets.
type pipes struct{ child []int }

// open makes a pipe: the reading end does not block, the writing end does.
func (p *pipes) open() (*os.File, error) {
	var fds [2]int
	if err := pipeCloexec(&fds); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	p.child = append(p.child, fds[1])
	if err := unix.SetNonblock(fds[0], true); err != nil {
		_ = unix.Close(fds[0]) // unused
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), nil
}

func (p *pipes) closeChildEnds() {
	for _, fd := range p.child {
		_ = unix.Close(fd) // the child has its own
	}
}

// awaitExec waits until the helper has become the worker's program: the status pipe closes at exec.
// The helper's own report becomes an error.
func (c *child) awaitExec() error {
	defer c.status.Close() //nolint:errcheck // reading end
	if err := c.status.SetReadDeadline(time.Now().Add(spawnTimeout)); err != nil {
		return err
	}
	msg, err := io.ReadAll(io.LimitReader(c.status, statusPipeBytesMax))
	if err != nil {
		return fmt.Errorf("spawn: no exec after %s: %w", spawnTimeout, err)
	}
	if len(msg) == 0 {
		return nil
	}
	return spawnError(string(msg))
}

// spawnError is the helper's report ("ERRNO STAGE TEXT") as an error.
func spawnError(msg string) error {
	num, rest, _ := strings.Cut(msg, " ")
	stage, text, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(num)
	if err != nil {
		return fmt.Errorf("spawn: %q", msg)
	}
	var cause error = syscall.Errno(n)
	if n == 0 {
		cause = errors.New(text)
	}
	switch stage {
	case stageLookup:
		return fmt.Errorf("%w: %w", ErrCommandNotFound, cause)
	case stageInterpreter:
		return fmt.Errorf("%w: the interpreter named in its first line is missing", ErrCommandNotFound)
	case stageExec:
		if cause == syscall.ENOEXEC {
			return fmt.Errorf("%w: neither a program nor a script with a #! line", ErrCommandNotFound)
		}
		return fmt.Errorf("exec: %w", cause)
	}
	return fmt.Errorf("%s: %s", stage, text)
}
