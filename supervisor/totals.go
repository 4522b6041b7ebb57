package supervisor

import "time"

// PoolCounts is what happened to requests for a pool.
type PoolCounts struct {
	Requests     uint64 `json:"requests"`      // that came while it was available
	Queued       uint64 `json:"queued"`        // of them, those that had to wait
	QueueFull    uint64 `json:"queue_full"`    // refused
	QueueTimeout uint64 `json:"queue_timeout"` // waited too long
	Timeouts     uint64 `json:"timeouts"`      // took a worker too long
	Refused      uint64 `json:"refused"`       // attempts to connect that failed
	Replays      uint64 `json:"replays"`       // sent once more after a worker took a byte
}

// Add adds o.
func (c *PoolCounts) Add(o PoolCounts) {
	c.Requests += o.Requests
	c.Queued += o.Queued
	c.QueueFull += o.QueueFull
	c.QueueTimeout += o.QueueTimeout
	c.Timeouts += o.Timeouts
	c.Refused += o.Refused
	c.Replays += o.Replays
}

// Since is what happened after was.
func (c PoolCounts) Since(was PoolCounts) PoolCounts {
	return PoolCounts{
		Requests: c.Requests - was.Requests, Queued: c.Queued - was.Queued,
		QueueFull: c.QueueFull - was.QueueFull, QueueTimeout: c.QueueTimeout - was.QueueTimeout,
		Timeouts: c.Timeouts - was.Timeouts, Refused: c.Refused - was.Refused,
		Replays: c.Replays - was.Replays,
	}
}

// totals are what happened to a pool since it was added, whatever fronts and workers came and went.
// Owned by the main loop.
type totals struct {
	PoolCounts
	completed   uint64 // requests that workers finished
	errors      uint64 // of those, answers of 500 and above; broken exchanges
	started     uint64 // workers
	mishaps     [mishapCount]uint64
	lastMishap  time.Time
	failed      uint64 // times that rapid-fail protection took the pool offline
	corrections uint64 // of the books, by audits
}

// mishap is what is wrong with a worker that leaves, or is killed, though nobody asked it to go.
type mishap uint8

// Mishaps. The first is none.
const (
	mishapNone       mishap = iota
	mishapSpawn             // no process, or one that never became the worker's program
	mishapStartLimit        // not ready at ready.timeout
	mishapExit              // ended by itself
	mishapHang              // held a request without a byte and finished nothing else
	mishapPing              // no sign of life
	mishapUnserving         // its socket takes no connections any more
	mishapStopLimit         // was to end and had not at stop_timeout: SIGKILL
	mishapCount
)

var mishapNames = [mishapCount]string{
	"", "spawn", "start_limit", "exit", "hang", "ping", "unserving", "stop_limit",
}

// mishap says what e, which found w in from, means.
func (w *worker) mishap(from WorkerState, e *event) mishap {
	switch e.kind {
	case evSpawnFailed:
		return mishapSpawn
	case evExamined:
		return mishapStartLimit
	case evUnserving:
		return mishapUnserving
	case evStopLate:
		return mishapStopLimit
	case evHung, evOrphan:
		if w.pulse.why != "" {
			return mishapPing
		}
		return mishapHang
	case evExited:
		if !w.asked && from < WorkerDraining && !(w.conf.Sidecar.Is && e.exit.Code == 0) {
			return mishapExit
		}
	}
	return mishapNone
}

// note counts what e means.
func (t *totals) note(m mishap, now time.Time) {
	if m != mishapNone {
		t.mishaps[m]++
		t.lastMishap = now
	}
}

// status is the form of status and metrics: every kind of mishap is there.
func (t *totals) status() PoolTotals {
	out := PoolTotals{
		PoolCounts: t.PoolCounts, Completed: t.completed, Errors: t.errors, Started: t.started,
		Mishaps: make(map[string]uint64, mishapCount-1), LastMishap: t.lastMishap, Failed: t.failed,
		Corrections: t.corrections,
	}
	for m := mishapNone + 1; m < mishapCount; m++ {
		out.Mishaps[mishapNames[m]] = t.mishaps[m]
	}
	return out
}
