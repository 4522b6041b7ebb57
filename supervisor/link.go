package supervisor

import (
	"fmt"
	"time"
)

// WorkerRef names a worker everywhere: POOL/N. N is never reused within a pool.
type WorkerRef struct {
	Pool string
	N    uint64
}

// String is POOL/N; for a sidecar's process sidecar/NAME.
func (w WorkerRef) String() string {
	if isSidecar(w.Pool) {
		return w.Pool
	}
	return fmt.Sprintf("%s/%d", w.Pool, w.N)
}

// Endpoint is where a ready worker takes connections.
type Endpoint struct {
	Network     string // "unix" or "tcp"
	Address     string // path, or host:port
	Concurrency int    // slots: requests and upstream connections the worker may hold at once, over all loops
	PID         int

	// Mux: the worker speaks the frames of protocol/frame instead of HTTP/1.1.
	Mux bool
	// Handoff: the worker takes connections in the messages of protocol/handoff.
	Handoff bool
	// SlowStart is how long the worker takes to get its full share of requests; 0: at once.
	SlowStart time.Duration
	// Proxy is the version of the PROXY header that connections begin with; 0: none.
	Proxy int
}

// PoolLoad is what a pool does in one front, reported while it changes, a few times a second.
type PoolLoad struct {
	Pool    string        `json:"pool"`
	Waiting int           `json:"waiting"` // requests in the queue now
	Oldest  time.Duration `json:"oldest"`  // how long the oldest of them has waited
	Counts  PoolCounts    `json:"counts"`  // since the last report
	Workers []WorkerLoad  `json:"workers"` // in rotation or draining
}

// WorkerLoad is one worker's part.
type WorkerLoad struct {
	N         uint64 `json:"n"`
	InFlight  int    `json:"in_flight"` // requests now
	Completed uint64 `json:"completed"` // since the last report
	Errors    uint64 `json:"errors"`    // since the last report: answers of 500 and above, broken exchanges
}

// Availability is what a front does with requests for a pool.
type Availability uint8

// Availabilities. A pool that is running or starting queues, even with no ready worker.
const (
	Available Availability = iota // dispatch or queue
	Failed                        // rapid-fail protection: 503 AppOffline
	Stopped                       // 503 AppShutdown
	Disabled                      // 503 Disabled
)

// Link is how the supervisor tells one front about pools: over the control channel, or by direct call
// in library mode. Methods do not block, may be called from any goroutine, and take effect in order.
type Link interface {
	PoolAvailable(pool string, a Availability)
	// WorkerReady puts w into rotation; also one that was drained or failed, and goes on.
	WorkerReady(w WorkerRef, e Endpoint)
	// WorkerDrain takes w out of rotation; its idle connections are closed, requests in flight go on,
	// then LinkEvents.WorkerDrained is called once.
	WorkerDrain(w WorkerRef)
	// WorkerRest is WorkerDrain for a worker that is to stay, and be ready again: one that accepts for
	// itself, which ends when it is drained, does not.
	WorkerRest(w WorkerRef)
	// WorkerFail takes w, which does not answer, out of rotation: its requests without a byte of an
	// answer get 504 WorkerHung or go to another worker, then LinkEvents.WorkerHung is called with what
	// it held.
	WorkerFail(w WorkerRef, reason string)
	// WorkerGone says that w's process ended: what it held is failed or replayed.
	WorkerGone(w WorkerRef)
}

// LinkEvents is what a front tells the supervisor. Any goroutine; does not block.
type LinkEvents interface {
	WorkerDrained(w WorkerRef)
	// WorkerHung: w held a request for hang.after without a byte and finished nothing meanwhile, or
	// WorkerFail was called. detail lists the requests it held.
	WorkerHung(w WorkerRef, detail string)
	// WorkerRefused: a connection attempt was refused although w was ready; a hint to look at it.
	WorkerRefused(w WorkerRef, err string)
	// WorkerCircuit: w fails and gets no requests for a while, why being the last failure; or, with an
	// empty why, it gets them again.
	WorkerCircuit(w WorkerRef, why string)
	// WorkerServed is sent once per worker, when its first request completed.
	WorkerServed(w WorkerRef)
	// PoolWaits: a request waits and no worker is in rotation. Once until one is.
	PoolWaits(pool string)
	PoolLoad(l PoolLoad)
}
