package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// isolate takes p's processors and makes its cgroup. What this machine has not is said once; the worker
// starts without it.
func (p *process) isolate() isolationOrder {
	i := &p.conf.Isolation
	cpus, err := p.env.seat(p)
	if err != nil {
		p.env.warnOnce(p.ref.Pool, "unsupported here: cpus: "+err.Error())
	}
	group := ""
	if files := i.cgroupFiles(); len(files) > 0 {
		var errs []error
		group, errs = p.env.cgroups.make(p.ref, files)
		for _, err := range errs {
			p.env.warnOnce(p.ref.Pool, "unsupported here: "+err.Error())
		}
	}
	p.mu.Lock()
	p.group = group
	p.mu.Unlock()
	return i.order(cpus, group)
}

// mayPass reports a runtime directory that keeps a worker of another user from its own socket.
func (p *process) mayPass(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("runtime directory: %w", err)
	}
	own, ok := st.Sys().(*syscall.Stat_t)
	if !p.user.switched || p.user.uid == 0 || st.Mode()&0o001 != 0 || !ok ||
		int(own.Uid) == p.user.uid || int(own.Gid) == p.user.gid && st.Mode()&0o010 != 0 {
		return nil
	}
	return fmt.Errorf("runtime directory %s (mode %04o): user %d may not pass: chmod 0711", dir,
		st.Mode().Perm(), p.user.uid)
}

// leaveGroup removes p's cgroup. Its processes have ended or been killed.
func (p *process) leaveGroup() {
	if p.group == "" {
		return
	}
	if err := removeGroup(p.group); err != nil {
		p.env.log.Warn("cgroup stays", "pool", p.ref.Pool, "worker", p.ref.String(), "error", err)
	}
}

// seat gives p its processors; nil is all.
func (e *osEnv) seat(p *process) ([]int, error) {
	word := p.conf.Isolation.CPUs
	if word == "" || word == config.CPUsAll {
		return nil, nil
	}
	own, err := ownCPUs()
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var taken []seatedWorker
	for w, q := range e.procs {
		if w.Pool == p.ref.Pool && q.cpus != nil {
			taken = append(taken, seatedWorker{n: w.N, cpus: q.cpus})
		}
	}
	p.cpus = seatCPUs(word, own, numaNodes, taken)
	return p.cpus, nil
}

// cpuTime is what w and its descendants have used, as far as that can be seen.
func (e *osEnv) cpuTime(w WorkerRef) (used time.Duration, err error) {
	p := e.proc(w)
	if p == nil {
		return 0, fs.ErrNotExist
	}
	p.mu.Lock()
	pid, group := p.pid, p.group
	p.mu.Unlock()
	if group != "" {
		used, err = groupCPUTime(group)
	} else {
		used, err = processCPUTime(pid)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		e.warnOnce(w.Pool, "unsupported here: cpu_limit: "+err.Error())
	}
	return used, err
}

// warnOnce logs what would be the same at every start of a worker.
func (e *osEnv) warnOnce(pool, text string) {
	e.mu.Lock()
	key := pool + "\x00" + text
	said := e.warned[key]
	if e.warned == nil || len(e.warned) >= warningsKept {
		e.warned = map[string]bool{}
	}
	e.warned[key] = true
	e.mu.Unlock()
	if !said {
		e.log.Warn(text, "pool", pool)
	}
}
