package weir

import (
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
