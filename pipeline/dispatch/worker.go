package dispatch

import (
	"sync/atomic"
)

// workerState is what a worker may be given.
type workerState uint32

const (
	workerReady    workerState = iota // requests
	workerDraining                    // nothing new; leaves by workerGone
	workerHung                        // nothing; leaves by workerReady (added again) or workerGone
	workerGone                        // nothing: the process has ended
)

var workerStateNames = [...]string{"ready", "draining", "hung", "gone"}

// cacheLine keeps what different loops write apart.
type cacheLine [64]byte

// worker is a worker as all loops see it.
type worker struct {
	pool     *Pool
	n        uint64
	address  string // for messages
	slots    int32
	lanes    []lane // by shard
	protocol Protocol
	mux      bool   // streams over one connection per loop
	proxy    int    // version of the PROXY header: connections serve one request each
	handoff  bool   // connections are given to it
	slow     int64  // ns from slowFrom to the full share of requests
	cookie   []byte // that names it; see sticky.go

	_    cacheLine
	free atomic.Int32 // slots that no connection, open or being opened, has
	// moves counts slots taken and given back: an audit during which it stood still saw the truth.
	moves atomic.Uint32
	// load is the requests in flight in its low 32 bits and the requests completed above them, so
	// that a completion is one addition.
	load     atomic.Uint64
	state    atomic.Uint32
	tunnels  atomic.Int32 // of the requests in flight
	refused  atomic.Int64 // pool time until which it gets no connection; 0 when it took the last
	told     atomic.Int64 // pool time of the last complaint; 0 before
	slowFrom atomic.Int64 // pool time at which it was added; 0: it has its full share
	served   atomic.Bool
	drained  atomic.Bool // Events.Drained was called
	circuit  circuit
	_        cacheLine
}

const loadDone = 1 << 32

// inFlight is the requests that the worker has.
func (w *worker) inFlight() int { return int(uint32(w.load.Load())) }

// done counts completed requests, modulo 2^32.
func (w *worker) done() uint32 { return uint32(w.load.Load() >> 32) }

// usable says whether the worker may be given a request now.
func (w *worker) usable() bool {
	if workerState(w.state.Load()) != workerReady {
		return false
	}
	if w.circuit.open(w.pool) {
		return false
	}
	until := w.refused.Load()
	return until == 0 || w.pool.clock() >= until
}

// inRotation says whether requests are meant to come to the worker.
func (w *worker) inRotation() bool { return workerState(w.state.Load()) == workerReady }

// take takes a slot.
//
// Hot path: once per new connection. No allocation: TestProxyAllocs.
func (w *worker) take() bool {
	w.moves.Add(1) // first: see audit.go
	for {
		n := w.free.Load()
		if n <= 0 {
			return false
		}
		if w.free.CompareAndSwap(n, n-1) {
			break
		}
	}
	if workerState(w.state.Load()) != workerReady { // since the caller looked
		w.giveBack()
		return false
	}
	return true
}

// giveBack returns a slot. The caller then sees to the waiters.
func (w *worker) giveBack() {
	w.moves.Add(1)
	n := w.free.Add(1)
	if n > w.slots {
		panic("dispatch: slot given back twice")
	}
	if workerState(w.state.Load()) == workerDraining {
		w.maybeDrained()
	}
}

// revive puts a worker that hung, or drains, back into rotation.
func (w *worker) revive() bool {
	if w.state.CompareAndSwap(uint32(workerHung), uint32(workerReady)) {
		return true
	}
	if w.state.CompareAndSwap(uint32(workerDraining), uint32(workerReady)) {
		w.drained.Store(false)
		return true
	}
	return false
}

// share is how many requests a fresh worker may hold now, at least one.
func (w *worker) share() int {
	age := w.pool.clock() - w.slowFrom.Load()
	if age >= w.slow {
		w.slowFrom.Store(0)
		return int(w.slots)
	}
	return max(1, int(int64(w.slots)*age/w.slow))
}

// maybeDrained reports a draining worker that has nothing left. Who drains first sets the state,
// then looks at the slots; who gives one back does it the other way round: one of them sees both.
func (w *worker) maybeDrained() {
	if workerState(w.state.Load()) == workerDraining && w.free.Load() == w.slots && w.drained.CompareAndSwap(false, true) {
		w.pool.ev.Drained(w.pool.name, w.n)
	}
}

// completed counts a request that the worker answered.
func (w *worker) completed() {
	w.load.Add(loadDone - 1)
	if w.circuit.failures.Load() != 0 || w.circuit.trial.Load() {
		w.recovered()
	}
	if !w.served.Load() && w.served.CompareAndSwap(false, true) {
		w.pool.ev.Served(w.pool.name, w.n)
	}
}

// complain tells that w hangs, at most once in every ns.
func (w *worker) complain(detail string, every int64) {
	now, last := w.pool.clock(), w.told.Load()
	if (last == 0 || now-last >= every) && w.told.CompareAndSwap(last, now) {
		w.pool.ev.Hung(w.pool.name, w.n, detail)
	}
}

// errors is the answers of 500 and above and the exchanges that broke.
func (w *worker) errors() (n uint64) {
	for i := range w.lanes {
		n += w.lanes[i].errors.Load()
	}
	return n
}

// sum adds up what its lanes count.
func (w *worker) sum(of func(*lane) uint64) (n uint64) {
	for i := range w.lanes {
		n += of(&w.lanes[i])
	}
	return n
}

// abandoned counts a request off that the worker did not answer.
func (w *worker) abandoned() { w.load.Add(^uint64(0)) }
