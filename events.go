package weir

import (
	"log/slog"
	"sync"
	"time"

	"weir/supervisor"
)

// workerEvents passes what dispatch sees on to the supervisor.
type workerEvents struct {
	to      supervisor.LinkEvents
	log     *slog.Logger
	reports *reportRate
}

func newWorkerEvents(to supervisor.LinkEvents, log *slog.Logger) workerEvents {
	return workerEvents{to, log, &reportRate{log: log}}
}

func (e workerEvents) Drained(pool string, n uint64) {
	e.to.WorkerDrained(supervisor.WorkerRef{Pool: pool, N: n})
}

func (e workerEvents) Hung(pool string, n uint64, detail string) {
	e.to.WorkerHung(supervisor.WorkerRef{Pool: pool, N: n}, detail)
}

func (e workerEvents) Refused(pool string, n uint64, err string) {
	e.to.WorkerRefused(supervisor.WorkerRef{Pool: pool, N: n}, err)
}

func (e workerEvents) Circuit(pool string, n uint64, why string) {
	e.to.WorkerCircuit(supervisor.WorkerRef{Pool: pool, N: n}, why)
}

func (e workerEvents) Reported(pool string, n uint64, text string) {
	if e.reports.take() {
		e.to.WorkerReported(supervisor.WorkerRef{Pool: pool, N: n}, text)
	}
}

func (e workerEvents) Served(pool string, n uint64) {
	e.to.WorkerServed(supervisor.WorkerRef{Pool: pool, N: n})
}

func (e workerEvents) Failing(pool string, n uint64, why string) {
	e.log.Warn("worker fails", "pool", pool,
		"worker", supervisor.WorkerRef{Pool: pool, N: n}.String(), "reason", why)
}

func (e workerEvents) Audited(pool string, n uint64, detail string) {
	e.log.Error("audit: slots corrected", "pool", pool,
		"worker", supervisor.WorkerRef{Pool: pool, N: n}.String(), "reason", detail)
}

func (e workerEvents) Waiting(pool string) { e.to.PoolWaits(pool) }

// reportRate bounds what is passed on of what workers say about requests: the supervisor must not drown.
type reportRate struct {
	mu     sync.Mutex
	second int64
	count  int
	lost   int
	log    *slog.Logger
}

// take says whether one more may be passed on.
func (r *reportRate) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now().Unix(); now != r.second {
		if r.lost > 0 {
			r.log.Warn("what workers said on STDERR was dropped", "pieces", r.lost)
		}
		r.second, r.count, r.lost = now, 0, 0
	}
	if r.count++; r.count > reportsMax {
		r.lost++
		return false
	}
	return true
}
