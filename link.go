package weir

import (
	"log/slog"

	"weir/supervisor"
)

// routeSet is the supervisor's Link: of a front process by messages, of a Server by direct call.
var _ supervisor.Link = (*routeSet)(nil)

// PoolAvailable implements supervisor.Link.
func (r *routeSet) PoolAvailable(pool string, a supervisor.Availability) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pools[pool]; p != nil { // else a reload has removed it
		r.told[pool] = a
		p.SetAvailable(r.available(pool))
	}
}

// WorkerReady implements supervisor.Link.
func (r *routeSet) WorkerReady(w supervisor.WorkerRef, e supervisor.Endpoint) {
	p := r.pool(w.Pool)
	if p == nil {
		return
	}
	if err := p.AddWorker(w.N, dispatchEndpoint(e)); err != nil {
		r.events.Refused(w.Pool, w.N, err.Error())
	}
}

// WorkerDrain implements supervisor.Link.
func (r *routeSet) WorkerDrain(w supervisor.WorkerRef) {
	if p := r.pool(w.Pool); p != nil {
		p.DrainWorker(w.N)
		r.review(w.Pool)
		return
	}
	r.events.Drained(w.Pool, w.N) // of a pool that a reload has removed
}

// WorkerRest implements supervisor.Link.
func (r *routeSet) WorkerRest(w supervisor.WorkerRef) { r.WorkerDrain(w) }

// WorkerFail implements supervisor.Link.
func (r *routeSet) WorkerFail(w supervisor.WorkerRef, reason string) {
	if p := r.pool(w.Pool); p != nil {
		p.FailWorker(w.N, reason)
		r.review(w.Pool)
		return
	}
	r.events.Hung(w.Pool, w.N, reason) // of a pool that a reload has removed
}

// WorkerGone implements supervisor.Link.
func (r *routeSet) WorkerGone(w supervisor.WorkerRef) {
	if p := r.pool(w.Pool); p != nil {
		p.RemoveWorker(w.N)
		r.review(w.Pool)
	}
}

// workerEvents passes what dispatch sees on to the supervisor.
type workerEvents struct {
	to  supervisor.LinkEvents
	log *slog.Logger
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
