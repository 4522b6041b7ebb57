package supervisor

import (
	"os"
	"syscall"
)

func (e *osEnv) measure(ws []WorkerRef, pss bool, done func(memory)) {
	e.running.Go(func() {
		m := memory{workers: map[uint64]usage{}}
		var leaders []int
		numbers := map[int]uint64{}
		for _, w := range ws {
			if pid := e.proc(w).pidNow(); pid != 0 {
				leaders, numbers[pid] = append(leaders, pid), w.N
			}
		}
		groups, err := readMemory(leaders, pss)
		view := viewMemory()
		m.err, m.free = err, view.free()
		for pid, u := range groups {
			m.workers[numbers[pid]] = u
		}
		e.post(event{call: func() { done(m) }})
	})
}

func (e *osEnv) scan(patterns []string, done func(fileSet)) {
	e.running.Go(func() {
		s := scanPatterns(patterns)
		e.post(event{call: func() { done(s) }})
	})
}

// pidNow is p's pid while it is known to be p's, else 0; p may be nil.
func (p *process) pidNow() int {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return 0
	}
	return p.pid
}

// measured adds the memory of workers to a status.
func measured(pools []PoolStatus) {
	var leaders []int
	for _, p := range pools {
		for _, w := range p.Workers {
			if w.PID != 0 {
				leaders = append(leaders, w.PID)
			}
		}
	}
	if len(leaders) == 0 {
		return
	}
	groups, err := readMemory(leaders, true)
	if err != nil { // proportional shares of another user's processes, say
		groups, _ = readMemory(leaders, false) // unsupported here: unknown
	}
	for _, p := range pools {
		for i := range p.Workers {
			u := groups[p.Workers[i].PID]
			p.Workers[i].RSS, p.Workers[i].PSS = u.rss, u.pss
		}
	}
}

func inodeOf(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino) // of other types elsewhere
	}
	return 0
}
