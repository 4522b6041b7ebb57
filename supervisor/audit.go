package supervisor

import "time"

// audit compares the books with the kernel: every worker that is believed to have a process must have
// one, and it must be ours. Normally the end of a process arrives as evExited within milliseconds. One
// that nobody told of is found here, twice in a row, so that an event on its way is no finding; then
// the worker's end is put in the books, and its pid, which may be somebody else's, is never signalled
// again.
func (ps *Pools) audit(now time.Time) {
	if ps.auditAt.IsZero() || now.Before(ps.auditAt) {
		return
	}
	for _, p := range ps.pools {
		for _, n := range p.sortedWorkers() {
			if w := p.workers[n]; w != nil {
				p.auditWorker(w, now)
			}
		}
	}
	ps.auditAt = now.Add(auditEvery)
}

func (p *Pool) auditWorker(w *worker, now time.Time) {
	if w.pid == 0 {
		return
	}
	found := p.ps.env.verify(w.ref)
	if found == "" || found != w.found {
		w.found = found
		return
	}
	w.found = ""
	p.totals.corrections++
	p.ps.log.Error("audit: books corrected", "pool", p.name, "worker", w.ref.String(), "pid", w.pid,
		"state", w.state.String(), "reason", found)
	p.ps.env.disown(w.ref)
	x := ExitStatus{PID: w.pid, At: now, How: "unnoticed end: " + found, Code: -1}
	w.handle(&event{worker: w.ref, kind: evExited, exit: x}, now)
	p.settle(now)
}

// auditNext is when to audit; zero while there is no worker.
func (ps *Pools) auditNext(now time.Time) time.Time {
	for _, p := range ps.pools {
		if len(p.workers) == 0 {
			continue
		}
		if ps.auditAt.IsZero() {
			ps.auditAt = now.Add(auditEvery)
		}
		return ps.auditAt
	}
	ps.auditAt = time.Time{}
	return time.Time{}
}

// Findings of verify.
const (
	foundGone    = "there is no such process"
	foundForeign = "the process is not a child of ours"
	foundZombie  = "the process has ended and was not reaped"
	foundReaped  = "the process was reaped and nothing was told"
)

// verify implements env.
func (e *osEnv) verify(w WorkerRef) (found string) {
	p := e.proc(w)
	if p == nil {
		return foundGone
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return foundReaped
	}
	return lookAtChild(p.pid)
}

// disown implements env.
func (e *osEnv) disown(w WorkerRef) {
	if p := e.proc(w); p != nil {
		p.mu.Lock()
		p.reaped = true
		p.mu.Unlock()
	}
}
