package supervisor

import (
	"context"
	"time"

	"weir/supervisor/admin"
)

// asking is a question to fronts.
type asking struct {
	answers chan admin.Requests // one buffered for each front
	waits   map[int]struct{}    // slots of those that have not answered; guarded by frontSet.mu
}

// requests asks every front for the requests that it has under way, within frontStatusMax. What a front
// that does not answer in time has is not known, and said to be so.
func (s *frontSet) requests(ctx context.Context, q admin.RequestsQuery) admin.Requests {
	ctx, cancel := context.WithTimeout(ctx, frontStatusMax)
	defer cancel()
	s.mu.Lock()
	s.lastAsk++
	n, a := s.lastAsk, &asking{make(chan admin.Requests, len(s.fronts)), map[int]struct{}{}}
	s.asks[n] = a
	for _, f := range s.fronts {
		if f.state == frontUp {
			f.queue.put(kindAsk, requestsAsk{n, q})
			a.waits[f.slot] = struct{}{}
		}
	}
	asked := len(a.waits)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.asks, n)
		s.mu.Unlock()
	}()
	var all admin.Requests
	for ; asked > 0; asked-- {
		select {
		case r := <-a.answers:
			all.Add(&r)
		case <-ctx.Done():
			all.Silent += asked * s.opts.loops
			return all
		}
	}
	return all
}

// answered takes one front's answer; a second one, and one that comes too late, is nobody's.
func (s *frontSet) answered(slot int, b *requestsReport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.asks[b.N]
	if a == nil {
		return
	}
	if _, waits := a.waits[slot]; waits {
		delete(a.waits, slot)
		a.answers <- b.Report
	}
}

// RequestsWithin is how long a front may take to answer what requests it has.
const RequestsWithin = frontStatusMax - 200*time.Millisecond

// Requests implements admin.Instance.
func (s *Supervisor) Requests(ctx context.Context, q admin.RequestsQuery) admin.Requests {
	if isClosed(s.stopped) {
		return admin.Requests{}
	}
	all := s.fronts.requests(ctx, q)
	all.Cut()
	return all
}
