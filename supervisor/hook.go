package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// hook is a program of the operator's that is run when something happened. It runs with the rights of
// this process, in a process group of its own, which is killed after hookTimeout.
type hook struct {
	argv []string
	ref  WorkerRef
	pid  int // 0: there is none
	why  string
}

// args are argv with the placeholders replaced.
func (h *hook) args() []string {
	r := strings.NewReplacer("{pid}", strconv.Itoa(h.pid), "{pool}", h.ref.Pool,
		"{worker}", h.ref.String(), "{reason}", h.why)
	args := make([]string, len(h.argv))
	for i, a := range h.argv {
		args[i] = r.Replace(a)
	}
	return args
}

// runHook runs h to its end and logs what it printed. Beyond hooksMax at a time hooks are left out,
// which is logged as well.
func (e *osEnv) runHook(h *hook) {
	attrs := []any{"pool", h.ref.Pool, "worker", h.ref.String(), "pid", h.pid, "hook", h.argv[0]}
	if e.hooks.Add(1) > hooksMax {
		e.hooks.Add(-1)
		e.log.Warn("hook left out", append(attrs, "reason", fmt.Sprintf("%d run already", hooksMax))...)
		return
	}
	defer e.hooks.Add(-1)
	ctx, cancel := context.WithTimeout(e.ctx, hookTimeout)
	defer cancel()
	args := h.args()
	out := &tail{max: hookOutputBytesMax}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return unix.Kill(-c.Process.Pid, unix.SIGKILL) }
	c.WaitDelay = time.Second // for a descendant that left the group and holds the pipe
	begun := e.now()
	err := c.Run()
	attrs = append(attrs, "took", e.now().Sub(begun).Round(time.Millisecond).String(),
		"output", out.String())
	if err != nil {
		e.log.Error("hook failed", append(attrs, "error", err)...)
		return
	}
	e.log.Info("hook", attrs...)
}

// tail keeps the end of what is written to it.
type tail struct {
	b   bytes.Buffer
	max int
}

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(p []byte) (int, error) {
	t.b.Write(p)
	if over := t.b.Len() - t.max; over > 0 {
		t.b.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(strings.TrimSpace(t.b.String()), "") }

// tellFailed runs rapid_fail.hook: the pool has just failed.
func (p *Pool) tellFailed() {
	if len(p.conf.RapidFail.Hook) == 0 || len(p.exits) == 0 && p.lastErr == nil {
		return
	}
	h := hook{argv: p.conf.RapidFail.Hook, ref: WorkerRef{Pool: p.name, N: p.lastN}}
	if p.lastErr != nil {
		h.why = p.lastErr.Error()
	}
	if n := len(p.exits); n > 0 {
		h.pid = p.exits[n-1].PID
	}
	p.ps.env.hook(h)
}

// hook implements env.
func (e *osEnv) hook(h hook) { e.running.Go(func() { e.runHook(&h) }) }

// dumpSignals are the signals of config.HangDump.
var dumpSignals = map[config.HangDump]unix.Signal{
	"SIGQUIT": unix.SIGQUIT, "SIGABRT": unix.SIGABRT, "SIGUSR1": unix.SIGUSR1, "SIGUSR2": unix.SIGUSR2,
}

// autopsy implements env: the signal, a moment for what it makes the worker print, then the hook.
func (e *osEnv) autopsy(w WorkerRef, a autopsy) {
	p := e.proc(w)
	e.running.Go(func() {
		defer e.post(event{worker: w, kind: evAutopsied})
		if p == nil {
			return
		}
		if sig, ok := dumpSignals[a.dump]; ok {
			p.send(sig)
			select {
			case <-p.exited:
			case <-time.After(dumpPatience):
			}
		}
		if len(a.hook) > 0 {
			e.runHook(&hook{argv: a.hook, ref: w, pid: p.livePID(), why: a.why})
		}
	})
}

// send sends sig to the process, while it is known to be ours.
func (p *process) send(sig unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid > 1 && !p.reaped {
		_ = unix.Kill(p.pid, sig) // ESRCH: about to be reaped
	}
}

// livePID is the process while it is known to be ours, else 0.
func (p *process) livePID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return 0
	}
	return p.pid
}
