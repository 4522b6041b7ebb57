package dispatch

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// hangReport collects from all loops what a worker held when it was given up.
type hangReport struct {
	worker *worker
	detail string // what was wrong

	mu      sync.Mutex
	pending int      // guarded by mu: loops that have yet to say
	held    int      // guarded by mu
	lines   []string // guarded by mu; at most reportRequestsMax
}

// add takes one loop's requests; the last loop tells. On the lane's loop.
func (r *hangReport) add(l *lane) {
	r.mu.Lock()
	for j := l.busy; j != nil; j = j.nextBusy {
		if r.held++; len(r.lines) < reportRequestsMax {
			r.lines = append(r.lines, j.describe())
		}
	}
	r.pending--
	last := r.pending == 0
	r.mu.Unlock()
	if last {
		p := r.worker.pool
		p.ev.Hung(p.name, r.worker.n, r.text())
	}
}

func (r *hangReport) text() string {
	if r.held == 0 {
		return r.detail + "; nothing in flight"
	}
	text := fmt.Sprintf("%s; %d in flight: %s", r.detail, r.held, strings.Join(r.lines, ", "))
	if more := r.held - len(r.lines); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

var stageNames = [...]string{
	stageFree: "free", stageQueued: "queued", stageParked: "waits to be tried again",
	stageBacklog: "backlog full", stageConnect: "connecting", stageSent: "sent", stageRelay: "answering",
	stageTunnel: "tunnel",
}

// describe names a request for an operator: method, path, id, stage, time on a worker.
func (j *job) describe() string {
	st := j.status()
	elapsed := time.Duration(j.s.loop.Now() - j.start).Round(time.Millisecond)
	return fmt.Sprintf("%s %q id=%s %s for %v", st.Method, st.Path, st.ID, st.Stage, elapsed)
}

// path is what the request is for, in reports: without the query, which may hold secrets.
func (j *job) path() []byte {
	if j.connects() {
		return j.c.Request().Target()
	}
	return j.c.Request().Path()
}
