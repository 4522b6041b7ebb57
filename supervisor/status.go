package supervisor

import (
	"slices"
	"time"
)

// PoolStatus is what a pool is at one moment.
type PoolStatus struct {
	Name      string            `json:"name"`
	State     PoolState         `json:"state"`
	Want      PoolState         `json:"want"`         // running, stopped or disabled
	WantCount int               `json:"want_workers"` // workers wanted now
	Min       int               `json:"min_workers"`  // fewest and most that load may lead to
	Max       int               `json:"max_workers"`
	Ready     int               `json:"ready_workers"`           // workers in rotation
	Waiting   int               `json:"waiting"`                 // requests in the queue
	Oldest    time.Duration     `json:"oldest"`                  // how long the oldest of them has waited
	Failures  int               `json:"failures"`                // within rapid_fail.window
	Watched   int               `json:"watched_files,omitempty"` // files that match recycle.files
	RecycleAt time.Time         `json:"recycle_at,omitzero"`     // the next of recycle.at
	Recycles  map[string]uint64 `json:"recycles"`                // workers that left to be replaced, by cause
	Error     string            `json:"error,omitempty"`         // why the last worker that failed did
	Workers   []WorkerStatus    `json:"workers"`                 // every process, oldest first
	Exits     []ExitStatus      `json:"exits"`                   // last ones, newest first
	Totals    PoolTotals        `json:"totals"`
}

// PoolTotals are what happened to a pool since it was added.
type PoolTotals struct {
	PoolCounts
	Completed   uint64            `json:"completed"` // requests that workers finished
	Errors      uint64            `json:"errors"`    // of those, answers of 500 and above; broken exchanges
	Started     uint64            `json:"started"`   // workers
	Mishaps     map[string]uint64 `json:"mishaps"`   // workers that left or were killed unasked, by kind
	LastMishap  time.Time         `json:"last_mishap,omitzero"`
	Failed      uint64            `json:"failed"`      // times that rapid-fail protection acted
	Corrections uint64            `json:"corrections"` // of the books, by audits
}

// WorkerStatus is what a worker is at one moment.
type WorkerStatus struct {
	Name     string      `json:"name"` // POOL/N
	State    WorkerState `json:"state"`
	PID      int         `json:"pid"` // 0: not yet
	Started  time.Time   `json:"started"`
	Uptime   float64     `json:"uptime_s"` // seconds since Started
	Ready    bool        `json:"was_ready"`
	Served   bool        `json:"served"`                 // completed a request
	InFlight int         `json:"in_flight"`              // requests it holds
	Requests uint64      `json:"requests"`               // completed
	Errors   uint64      `json:"errors"`                 // of those, answers of 500 and above; broken exchanges
	Network  string      `json:"network,omitempty"`      // unix or tcp
	Address  string      `json:"address,omitempty"`      // where it takes connections
	Reason   string      `json:"reason,omitempty"`       // why it leaves
	Status   string      `json:"status,omitempty"`       // what it said of itself by STATUS=
	Replaces bool        `json:"replaces,omitempty"`     // started to take another worker's place
	Stale    string      `json:"stale,omitempty"`        // why it is to be replaced
	Recycled string      `json:"last_recycle,omitempty"` // the last worker recycled in its place, and why
	RSS      int64       `json:"rss_bytes"`              // of its process group; 0: unknown
	PSS      int64       `json:"pss_bytes"`
	Dir      string      `json:"dir,omitempty"` // where it runs, symlinks resolved
	Output   []string    `json:"output"`        // last lines
}

// ExitStatus is how a worker ended.
type ExitStatus struct {
	Worker string    `json:"worker"`
	PID    int       `json:"pid"`
	At     time.Time `json:"at"`
	How    string    `json:"how"`              // "exit status 1", "signal: killed"
	Code   int       `json:"code"`             // exit status, -1 after a signal
	Signal int       `json:"signal,omitempty"` // number, 0 after an exit
	Reason string    `json:"reason"`           // why it left
	Output []string  `json:"output,omitempty"`
}

// snapshot is p's status; on the main loop.
func (p *Pool) snapshot(now time.Time) PoolStatus {
	s := PoolStatus{
		Name: p.name, State: p.state, Want: p.want, WantCount: p.wanted(), Min: p.floor(),
		Ready: p.ready(), Waiting: p.waiting, Oldest: p.oldest, Failures: p.recentFailures(now),
		Totals:   p.totals.status(),
		Recycles: p.rec.counts.byName(), RecycleAt: p.rec.timetable.next, Watched: len(p.rec.files.last),
		Workers: []WorkerStatus{}, Exits: slices.Clone(p.exits),
	}
	_, s.Max = p.bounds()
	slices.Reverse(s.Exits)
	if p.lastErr != nil {
		s.Error = p.lastErr.Error()
	}
	for _, n := range p.sortedWorkers() {
		s.Workers = append(s.Workers, p.workers[n].snapshot(now))
	}
	return s
}

func (w *worker) snapshot(now time.Time) WorkerStatus {
	s := WorkerStatus{
		Name: w.ref.String(), State: w.state, PID: w.pid, Started: w.startedAt,
		Uptime: now.Sub(w.startedAt).Seconds(), Ready: !w.readyAt.IsZero(), Served: w.served,
		InFlight: w.traffic.inFlight, Requests: w.traffic.completed, Errors: w.traffic.errors,
		Network: w.endpoint.Network, Address: w.endpoint.Address, Reason: w.reason, Status: w.status,
		Dir: w.rec.place.dir, Output: w.pool.ps.env.lines(w.ref),
	}
	for _, sl := range w.pool.slots {
		s.Replaces = s.Replaces || sl.next.w == w
		if sl.cur.w == w {
			s.Stale, s.Recycled = sl.stale, sl.last
		}
	}
	return s
}
