package server

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// watchdog measures the lag of loops, and notices loops that do not come round: a handler computes, sleeps or waits on the loop, and
// every other client of that loop waits with it. It says once per stall what the loop serves, while it
// lasts, because it may never end.
type watchdog struct {
	loops []*loopServer
	log   atomic.Pointer[slog.Logger]
	start sync.Once
	left  atomic.Int32 // loops that have not ended
	stop  chan struct{}
	told  []int64 // by loop: the turn that was told of
	lags  []lagWindow
}

func newWatchdog(loops []*loopServer) *watchdog {
	w := &watchdog{loops: loops, stop: make(chan struct{}), told: make([]int64, len(loops)),
		lags: make([]lagWindow, len(loops))}
	w.left.Store(int32(len(loops)))
	return w
}

// run watches until the last loop has ended.
func (w *watchdog) run() {
	tick := time.NewTicker(stallCheckEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		late := now.Sub(last) > stallMin/2
		last = now
		if late {
			continue // the process stood still, or the machine: loops have had no chance either
		}
		for i, ls := range w.loops {
			w.look(i, ls, now.Unix())
		}
	}
}

// loopEnded is called by each loop at its end.
func (w *watchdog) loopEnded() {
	if w.left.Add(-1) == 0 {
		close(w.stop)
	}
}

// look measures the lag of ls, and tells of a turn that lasts too long, once. No loop writes these cells.
func (w *watchdog) look(i int, ls *loopServer, second int64) {
	turn, lag := ls.loop.Lag()
	atomic.AddUint64(&ls.row[CounterLoopLag], uint64(lag))
	atomic.AddUint64(&ls.row[CounterLoopLooks], 1)
	atomic.StoreUint64(&ls.row[CounterLoopLagMax], uint64(w.lags[i].note(lag, second)))
	if lag < stallMin || turn == w.told[i] {
		return
	}
	v := ls.serving.read()
	if now, _ := ls.loop.Lag(); now != turn {
		return // over just now: v may be another turn's
	}
	w.told[i] = turn
	atomic.AddUint64(&ls.row[CounterLoopStalls], 1)
	if v == (served{}) {
		v.handler = "none"
	}
	w.log.Load().Warn("loop stalled", "loop", ls.loop.Index, "for", lag.Round(time.Millisecond),
		"handler", v.handler, "site", v.site, "app", v.app, "method", v.method, "path", v.path,
		"request_id", v.requestID)
}
