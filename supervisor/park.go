package supervisor

import (
	"golang.org/x/sys/unix"
)

// suspend stops w's group at once; paging out goes on beside, until it is done or w is resumed.
func (e *osEnv) suspend(w WorkerRef) {
	p := e.proc(w)
	if p == nil || !p.stop() {
		return
	}
	e.running.Go(func() {
		if err := p.pageOut(); err != nil {
			e.pageOutOnce.Do(func() {
				e.log.Warn("unsupported here: paging out suspended workers; they keep their memory until "+
					"the kernel needs it", "error", err)
			})
		}
	})
}

func (e *osEnv) resume(w WorkerRef) {
	if p := e.proc(w); p != nil {
		p.resume()
	}
}

func (e *osEnv) memory() memoryView { return viewMemory() }

// stop sends SIGSTOP to the group; false: there is none any more.
func (p *process) stop() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 || p.reaped {
		return false
	}
	p.stopped.Store(true)
	return unix.Kill(-p.pid, unix.SIGSTOP) == nil
}

// resume sends SIGCONT to the group.
func (p *process) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped.Store(false)
	if p.pid != 0 && !p.reaped {
		_ = unix.Kill(-p.pid, unix.SIGCONT) // ESRCH: about to be reaped
	}
}
