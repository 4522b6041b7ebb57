package server

import (
	"context"
	"sync/atomic"

	"weir/pipeline"
)

// Drain stops serving without losing what has begun: every listener accepts what waits and closes,
// responses from now on close their connection, idle connections stay for a second more. It returns
// when no connection is left, or cuts the rest when ctx ends and returns how many exchanges that cut.
// unlistened, if not nil, is called as soon as every listener is closed.
//
// design.md section 7, Drain.
func (srv *Server) Drain(ctx context.Context, unlistened func()) (cut int) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	empty := make(chan struct{}, len(srv.loops))
	for _, ls := range srv.loops {
		ls.onLoop(func() { ls.beginDrain(func() { empty <- struct{}{} }) })
	}
	if unlistened != nil {
		unlistened()
	}
	for range srv.loops {
		select {
		case <-empty:
		case <-ctx.Done():
			return srv.cutAll()
		}
	}
	return 0
}

func (ls *loopServer) beginDrain(emptied func()) {
	ls.draining = true
	ls.drainIdleAt = ls.loop.Now() + int64(drainIdleGrace)
	for _, l := range ls.listeners {
		l.ln.Drain()
	}
	ls.listeners = nil
	if ls.open == 0 {
		emptied()
		return
	}
	ls.emptied = emptied
	ls.each(func(s *session) {
		if s.state == stateOpen {
			s.x.close = true
			s.x.GoAway(pipeline.ReasonNone)
		}
		s.arm()
	})
}

// cutAll ends every connection at once.
func (srv *Server) cutAll() int {
	var cut atomic.Int64
	for _, ls := range srv.loops {
		ls.onLoop(func() {
			ls.each(func(s *session) {
				if s.state == stateOpen {
					cut.Add(1)
					s.x.cause = ErrDrained
				}
				s.conn.Reset()
				s.gone()
			})
		})
	}
	return int(cut.Load())
}

// Connections is the number of client connections over all loops.
func (srv *Server) Connections() int {
	var n atomic.Int64
	for _, ls := range srv.loops {
		ls.onLoop(func() { n.Add(int64(ls.open)) })
	}
	return int(n.Load())
}
