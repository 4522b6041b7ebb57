package supervisor

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// orphanSweeper reaps what a subreaper inherits: descendants whose own parents died first. Process
// mode only, as it listens to SIGCHLD.
type orphanSweeper struct {
	ch    chan os.Signal
	known func() map[int]bool // see sweepOrphans
	stop  chan struct{}
	done  chan struct{}
}

func sweepOnSignal(known func() map[int]bool) *orphanSweeper {
	s := &orphanSweeper{ch: make(chan os.Signal, 1), known: known, stop: make(chan struct{}),
		done: make(chan struct{})}
	signal.Notify(s.ch, syscall.SIGCHLD)
	go s.run()
	return s
}

// run sweeps after a child ended, at most once per orphanSweepEvery; a signal during the pause waits
// in ch.
func (s *orphanSweeper) run() {
	defer close(s.done)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-pause.C:
		}
		select {
		case <-s.stop:
			return
		case <-s.ch:
			pause.Reset(orphanSweepEvery)
			sweepOrphans(s.known())
		}
	}
}

func (s *orphanSweeper) close() {
	signal.Stop(s.ch)
	close(s.stop)
	<-s.done
}
