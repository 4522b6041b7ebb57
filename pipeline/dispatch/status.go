package dispatch

import "time"

// Status is what a pool is doing, of one moment only roughly: loops go on while it is read.
type Status struct {
	Name      string
	Available Availability
	Waiting   int           // requests in the queue
	OldestAge time.Duration // of the request that has waited longest; 0 without waiters
	Workers   []WorkerStatus

	Limit        int           // of requests on workers, as found; 0: none
	LimitMode    string        // off, shadow, on
	LeastLatency time.Duration // until an answer begins, of the last minute; with a limit
	Limited      uint64        // requests that came while the limit was reached

	Requests     uint64 // that came
	Queued       uint64 // of them, those that had to wait
	QueueFull    uint64 // refused
	QueueTimeout uint64 // waited too long
	Timeouts     uint64 // took a worker too long
	Refused      uint64 // attempts to connect that failed
	Replays      uint64 // sent once more after a worker took a byte
}

// WorkerStatus is one worker.
type WorkerStatus struct {
	N           uint64
	Address     string
	State       string // ready, draining, hung
	Slots       int
	InFlight    int
	Connections int    // open or being opened
	Completed   uint32 // modulo 2^32
	Circuit     string // closed, open, half-open
	Ejected     uint64 // times that its circuit opened
	HandedOff   uint64 // connections given to it, in handoff mode
	Broken      uint64 // of them, those that ended with it
	Errors      uint64 // answers of 500 and above, and exchanges that broke
}

var adaptiveNames = [...]string{AdaptiveOff: "off", AdaptiveShadow: "shadow", AdaptiveOn: "on"}

// Snapshot is the pool's status. Any goroutine; it takes no lock and does not disturb the loops.
func (p *Pool) Snapshot() Status {
	st := Status{
		Name: p.name, Available: Availability(p.avail.Load()), Waiting: int(p.waiters.Load()),
	}
	for _, s := range p.shards {
		if s == nil {
			continue
		}
		c := &s.counts
		st.Requests += c.requests.Load()
		st.Queued += c.queued.Load()
		st.QueueFull += c.queueFull.Load()
		st.QueueTimeout += c.queueTimeout.Load()
		st.Timeouts += c.timeouts.Load()
		st.Refused += c.refused.Load()
		st.Replays += c.replays.Load()
		st.Limited += c.limited.Load()
	}
	st.Limit, st.LeastLatency = int(p.limiter.current.Load()), p.limiter.latency()
	st.LimitMode = adaptiveNames[p.set.Load().Limit.Adaptive]
	if since, ok := p.waitingSince(); ok {
		st.OldestAge = max(time.Duration(p.clock()-since), 0)
	}
	for _, w := range *p.workers.Load() {
		st.Workers = append(st.Workers, WorkerStatus{
			N: w.n, Address: w.address, State: workerStateNames[w.state.Load()],
			Slots: int(w.slots), InFlight: w.inFlight(),
			Connections: int(w.slots - w.free.Load()), Completed: w.done(), Errors: w.errors(),
			Circuit: w.circuit.name(p), Ejected: w.circuit.ejected.Load(),
			HandedOff: w.sum(func(l *lane) uint64 { return l.handedOff.Load() }),
			Broken:    w.sum(func(l *lane) uint64 { return l.broken.Load() }),
		})
	}
	return st
}

// anyReady says whether a worker may be given requests.
func (p *Pool) anyReady() bool {
	for _, w := range *p.workers.Load() {
		if workerState(w.state.Load()) == workerReady {
			return true
		}
	}
	return false
}
