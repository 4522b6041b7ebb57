package weir

import (
	"slices"
	"sync"
	"time"

	"weir/pipeline/dispatch"
	"weir/supervisor"
)

// loadReporter tells the supervisor what pools do, while it changes.
type loadReporter struct {
	pools func() []*dispatch.Pool
	to    supervisor.LinkEvents
	last  map[string]*poolTotals
	stop  chan struct{}
	ended sync.WaitGroup
}

// poolTotals is what the last report was made from.
type poolTotals struct {
	pool    *dispatch.Pool // one of the same name begins anew
	sent    supervisor.PoolLoad
	counts  supervisor.PoolCounts
	workers map[uint64]workerTotals
}

type workerTotals struct {
	completed uint32 // modulo 2^32
	errors    uint64
}

// startLoadReporter reports until close, which may be called on nil.
func startLoadReporter(pools func() []*dispatch.Pool, to supervisor.LinkEvents) *loadReporter {
	r := &loadReporter{
		pools: pools, to: to, last: map[string]*poolTotals{}, stop: make(chan struct{}),
	}
	r.ended.Go(r.run)
	return r
}

func (r *loadReporter) close() {
	if r == nil {
		return
	}
	close(r.stop)
	r.ended.Wait()
}

func (r *loadReporter) run() {
	tick := time.NewTicker(loadReportEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
			r.report()
		}
	}
}

// report tells of every pool that has changed.
func (r *loadReporter) report() {
	now := map[string]*poolTotals{}
	for _, p := range r.pools() {
		st := p.Snapshot()
		last := r.last[st.Name]
		if last == nil || last.pool != p {
			last = &poolTotals{pool: p, sent: supervisor.PoolLoad{Pool: st.Name}}
		}
		next := last.load(&st)
		now[st.Name] = next
		if !unchanged(&last.sent, &next.sent) {
			r.to.PoolLoad(next.sent)
		}
	}
	r.last = now
}

// load is the report of st after the one that t was.
func (t *poolTotals) load(st *dispatch.Status) *poolTotals {
	counts := supervisor.PoolCounts{
		Requests: st.Requests, Queued: st.Queued, QueueFull: st.QueueFull,
		QueueTimeout: st.QueueTimeout, Timeouts: st.Timeouts, Refused: st.Refused, Replays: st.Replays,
	}
	next := &poolTotals{
		pool: t.pool, counts: counts, workers: map[uint64]workerTotals{},
		sent: supervisor.PoolLoad{
			Pool: st.Name, Waiting: st.Waiting, Oldest: st.OldestAge, Counts: counts.Since(t.counts),
		},
	}
	for i := range st.Workers {
		w := &st.Workers[i]
		was := t.workers[w.N]
		next.workers[w.N] = workerTotals{w.Completed, w.Errors}
		next.sent.Workers = append(next.sent.Workers, supervisor.WorkerLoad{
			N: w.N, InFlight: w.InFlight, Completed: uint64(w.Completed - was.completed),
			Errors: w.Errors - was.errors,
		})
	}
	return next
}

// unchanged: nothing happened between two reports and nobody waits.
func unchanged(a, b *supervisor.PoolLoad) bool {
	if a.Waiting != b.Waiting || b.Waiting > 0 || b.Counts != (supervisor.PoolCounts{}) {
		return false
	}
	for i := range b.Workers {
		if w := &b.Workers[i]; w.Completed > 0 || w.Errors > 0 {
			return false
		}
	}
	return slices.EqualFunc(a.Workers, b.Workers, func(x, y supervisor.WorkerLoad) bool {
		return x.N == y.N && x.InFlight == y.InFlight
	})
}
