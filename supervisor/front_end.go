package supervisor

import (
	"context"
	"errors"
	"time"
)

// errEnding: the supervisor is on its way out.
var errEnding = errors.New("supervisor: shutting down")

// drain has every front finish what it has, within within, and end; no front is started any more.
// unlistened is called once when none accepts any longer; drain returns when the last is gone. One
// that outstays its time is killed.
func (s *frontSet) drain(ctx context.Context, within time.Duration, unlistened func()) {
	s.end(kindDrain, drainBody{within})
	ctx, cancel := context.WithTimeout(ctx, within+frontDrainGrace)
	defer cancel()
	_ = s.await(ctx, s.allUnlistened) // or the time is up, and they are killed below
	unlistened()
	s.join(ctx)
}

// shutdown ends every front now.
func (s *frontSet) shutdown() {
	s.end(kindShutdown, nil)
	ctx, cancel := context.WithTimeout(context.Background(), frontKillGrace)
	defer cancel()
	s.join(ctx)
}

func (s *frontSet) end(kind string, body any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	s.cancel() // ends back-off
	s.broadcast(kind, body)
	s.notify()
}

// join waits for the last front; when ctx ends it kills them.
func (s *frontSet) join(ctx context.Context) {
	gone := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	for _, f := range s.fronts {
		f.kill("it did not end in time")
	}
	s.mu.Unlock()
	<-gone
}

func (s *frontSet) allUnlistened() bool {
	for _, f := range s.fronts {
		if f.state != frontDown && !f.unlistened {
			return false
		}
	}
	return true
}
