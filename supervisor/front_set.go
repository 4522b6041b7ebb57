package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// frontOptions are fixed for the life of a supervisor.
type frontOptions struct {
	exe        string   // program of a front
	argv0      string   // what it sees as its name
	args       []string // its arguments
	stdout     *os.File
	stderr     *os.File
	credential *syscall.Credential // nil: the supervisor's
	fronts     int
	loops      int
	counters   []string
	hosts      func(*config.Config) bool // see Options.Hosts
	log        *slog.Logger
}

// frontConfig is one generation of configuration.
type frontConfig struct {
	generation uint64
	config     *config.Config
	listeners  []*Listener
}

// frontSet is the front processes of a supervisor and what all of them must know. It is the Link of
// the pools: a call is remembered for fronts to come, and queued to those that are there.
type frontSet struct {
	opts   frontOptions
	log    *slog.Logger
	secret []byte     // of this instance, for what fronts sign; outlives them
	events LinkEvents // set before start
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // one per front

	mu       sync.Mutex
	fronts   []*front
	current  frontConfig
	lastGen  uint64
	lastSync uint64
	pools    map[string]Availability
	workers  map[WorkerRef]Endpoint         // in rotation
	draining map[WorkerRef]map[int]struct{} // slots of fronts that have yet to answer
	lent     map[uint64]lentSocket          // to the first front
	lastAsk  uint64
	asks     map[uint64]*asking // that wait for answers
	level    config.LogLevel    // set by hand; "" is the configuration's
	ending   bool               // nothing is started any more
	freed    bool               // the counters are unmapped
	fatal    error              // why the set cannot start
	changed  chan struct{}      // closed and replaced when a front's state changes
}

var _ Link = (*frontSet)(nil)

func newFrontSet(o frontOptions) (*frontSet, error) {
	if o.fronts < 1 || o.fronts > frontsMax || o.loops < 1 || o.loops > loopsMax {
		return nil, fmt.Errorf("supervisor: %d fronts of %d loops: out of range", o.fronts, o.loops)
	}
	s := &frontSet{
		opts: o, log: o.log, pools: map[string]Availability{}, workers: map[WorkerRef]Endpoint{},
		draining: map[WorkerRef]map[int]struct{}{}, changed: make(chan struct{}),
		secret: make([]byte, secretBytes), lent: map[uint64]lentSocket{},
		asks: map[uint64]*asking{},
	}
	_, _ = rand.Read(s.secret) // never fails
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for slot := range o.fronts {
		c, err := NewCounters(o.counters, o.loops)
		if err != nil {
			s.free()
			return nil, err
		}
		s.fronts = append(s.fronts, &front{
			set: s, slot: slot, counters: c, state: frontDown, reported: make(chan struct{}),
		})
	}
	return s, nil
}

// start forks the fronts with c.
func (s *frontSet) start(events LinkEvents, c *config.Config, ls []*Listener) {
	s.mu.Lock()
	s.events = events
	s.lastGen++
	s.current = frontConfig{s.lastGen, c, ls}
	s.mu.Unlock()
	for _, f := range s.fronts {
		s.wg.Add(1)
		go f.run()
	}
}

// free unmaps the counters, when no front is left.
func (s *frontSet) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed = true
	for _, f := range s.fronts {
		_ = f.counters.Close() // memory of our own
	}
}

// notify wakes those who wait for a change. The caller holds mu.
func (s *frontSet) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// fail ends the hope of a start. The caller holds mu.
func (s *frontSet) fail(err error) {
	if s.fatal == nil {
		s.fatal = err
	}
	s.notify()
}

// await waits until ok, asked under mu after every change, is true; it returns the set's fatal error
// or ctx's otherwise.
func (s *frontSet) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		done, fatal, changed := ok(), s.fatal, s.changed
		s.mu.Unlock()
		switch {
		case done:
			return nil
		case fatal != nil:
			return fatal
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ready waits until every front accepts and has answered what it was asked.
func (s *frontSet) ready(ctx context.Context) error {
	return s.await(ctx, func() bool {
		for _, f := range s.fronts {
			if f.state != frontUp || len(f.pending) > 0 {
				return false
			}
		}
		return true
	})
}

// sync waits until every front that accepts has carried out what it was told so far. One that starts
// anew meanwhile is told everything before it accepts.
func (s *frontSet) sync(ctx context.Context) error {
	s.mu.Lock()
	s.lastSync++
	n := s.lastSync
	asked := map[*front]int{} // and which of its processes
	for _, f := range s.fronts {
		if f.queue != nil {
			asked[f] = f.starts
			f.queue.put(kindSync, syncBody{n})
		}
	}
	s.mu.Unlock()
	return s.await(ctx, func() bool {
		for f, process := range asked {
			if f.queue != nil && f.starts == process && f.synced < n {
				return false
			}
		}
		return true
	})
}

// configure changes the configuration of all fronts, or of none: where one refuses or dies of it, the
// others are put back and the error says why.
func (s *frontSet) configure(ctx context.Context, c *config.Config, ls []*Listener) error {
	bounded, cancel := context.WithTimeoutCause(ctx, frontConfigureMax,
		fmt.Errorf("supervisor: front: not ready within %s", frontConfigureMax))
	defer cancel()
	if err := s.ready(bounded); err != nil {
		return err
	}
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		return errEnding
	}
	s.lastGen++
	next := frontConfig{s.lastGen, c, ls}
	answers := make([]chan error, len(s.fronts))
	for i, f := range s.fronts {
		answers[i] = make(chan error, 1)
		if f.queue == nil {
			answers[i] <- errFrontGone // just now
			continue
		}
		f.configure(next, answers[i])
	}
	s.mu.Unlock()
	var refused error
	accepted := make([]bool, len(s.fronts))
	for i, f := range s.fronts {
		err := s.answer(f, answers[i])
		accepted[i] = err == nil
		if err != nil && refused == nil {
			refused = err
		}
	}
	s.settle(next, accepted, refused == nil)
	return refused
}

// answer waits for a front's answer; one that does not answer in time is replaced.
func (s *frontSet) answer(f *front, ch chan error) error {
	t := time.NewTimer(frontConfigureMax)
	defer t.Stop()
	select {
	case err := <-ch:
		return err
	case <-t.C:
	}
	s.mu.Lock()
	f.kill(fmt.Sprintf("it did not answer a configuration within %s", frontConfigureMax))
	s.mu.Unlock()
	return <-ch
}

// settle makes next the configuration in force, or puts those fronts back that took it. A front that
// started meanwhile has the old one.
func (s *frontSet) settle(next frontConfig, accepted []bool, commit bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if commit {
		if next.config.Log.Level != s.current.config.Log.Level {
			s.level = ""
		}
		s.current = next
		for pool := range s.pools {
			if _, ok := next.config.Pool(pool); !ok {
				delete(s.pools, pool)
			}
		}
	} else {
		s.lastGen++
		s.current.generation = s.lastGen
	}
	for i, f := range s.fronts {
		stale := commit && f.generation != next.generation
		undo := !commit && accepted[i] && f.generation == next.generation
		if f.queue != nil && (stale || undo) {
			f.configure(s.current, nil)
		}
	}
}

// broadcast queues a message to every front that is there. The caller holds mu.
func (s *frontSet) broadcast(kind string, body any) {
	for _, f := range s.fronts {
		if f.queue != nil {
			f.queue.put(kind, body)
		}
	}
}

// PoolAvailable implements Link.
func (s *frontSet) PoolAvailable(pool string, a Availability) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools[pool] = a
	s.broadcast(kindPool, poolBody{pool, a})
}

// WorkerReady implements Link.
func (s *frontSet) WorkerReady(w WorkerRef, e Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers[w] = e
	delete(s.draining, w) // it goes on
	for _, f := range s.fronts {
		if f.queue != nil {
			f.queue.put(kindReady, workerBody{w, f.share(e)})
		}
	}
}

// WorkerDrain implements Link. Where no front is, nothing is in flight: then it is drained at once.
func (s *frontSet) WorkerDrain(w WorkerRef) {
	s.mu.Lock()
	delete(s.workers, w)
	wait := map[int]struct{}{}
	for _, f := range s.fronts {
		if f.queue != nil {
			wait[f.slot] = struct{}{}
		}
	}
	idle := len(wait) == 0
	if !idle {
		s.draining[w] = wait
		s.broadcast(kindDrainW, workerBody{Worker: w})
	}
	s.mu.Unlock()
	if idle {
		s.events.WorkerDrained(w)
	}
}

// WorkerRest implements Link.
func (s *frontSet) WorkerRest(w WorkerRef) { s.WorkerDrain(w) }

// WorkerFail implements Link. Where no front is, nothing was in flight.
func (s *frontSet) WorkerFail(w WorkerRef, reason string) {
	s.mu.Lock()
	delete(s.workers, w)
	told := false
	for _, f := range s.fronts {
		if f.queue != nil {
			f.queue.put(kindFail, eventBody{w, reason})
			told = true
		}
	}
	s.mu.Unlock()
	if !told {
		s.events.WorkerHung(w, reason)
	}
}

// WorkerGone implements Link.
func (s *frontSet) WorkerGone(w WorkerRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.workers, w)
	delete(s.draining, w)
	s.broadcast(kindGone, workerBody{Worker: w})
}

// drained takes one front's word that it has finished with w; the last one counts.
func (s *frontSet) drained(slot int, w WorkerRef) {
	s.mu.Lock()
	wait, ok := s.draining[w]
	delete(wait, slot)
	done := ok && len(wait) == 0
	if done {
		delete(s.draining, w)
	}
	s.mu.Unlock()
	if done {
		s.events.WorkerDrained(w)
	}
}

// forgetDrains is the workers that waited for a front that has ended only. The caller holds mu.
func (s *frontSet) forgetDrains(slot int) (drained []WorkerRef) {
	for w, wait := range s.draining {
		delete(wait, slot)
		if len(wait) == 0 {
			delete(s.draining, w)
			drained = append(drained, w)
		}
	}
	return drained
}

// reopenLogs has every front open its log files anew.
func (s *frontSet) reopenLogs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broadcast(kindReopen, nil)
}

// setLogLevel changes the log level of every front, also of those to come.
func (s *frontSet) setLogLevel(level config.LogLevel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.level = level
	s.broadcast(kindLogLevel, textBody{string(level)})
}

// frontStatuses is what the fronts are now and say of themselves, within frontStatusMax.
func (s *frontSet) frontStatuses(ctx context.Context) []frontStatus {
	ctx, cancel := context.WithTimeout(ctx, frontStatusMax)
	defer cancel()
	s.mu.Lock()
	waits := make([]chan struct{}, len(s.fronts))
	for i, f := range s.fronts {
		if f.state == frontUp {
			waits[i] = f.reported
			f.queue.put(kindStatusAsk, nil)
		}
	}
	s.mu.Unlock()
	for _, w := range waits {
		if w == nil {
			continue
		}
		select {
		case <-w:
		case <-ctx.Done(): // its last report, if any, will do
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]frontStatus, len(s.fronts))
	for i, f := range s.fronts {
		out[i] = frontStatus{slot: f.slot, state: f.state, started: f.startedAt,
			restarts: max(f.starts-1, 0), lastExit: f.lastExit, own: f.status}
		if !s.freed {
			out[i].loops = f.counters.loopLags()
		}
		if f.proc != nil {
			out[i].pid = f.proc.Pid
		}
	}
	return out
}

type frontStatus struct {
	slot     int
	state    frontState
	pid      int
	started  time.Time
	restarts int
	lastExit string
	own      json.RawMessage
	loops    []admin.Loop
}

// counter is the sum of one counter over all fronts.
func (s *frontSet) counter(name string) (sum uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.freed {
		return 0
	}
	for _, f := range s.fronts {
		sum += f.counters.Read(name)
	}
	return sum
}
