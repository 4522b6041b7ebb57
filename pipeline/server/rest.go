package server

import (
	"sync/atomic"

	"weir/pipeline"
)

// Rest has every connection leave as Drain does, at once behind the answer that it is at, and a second
// later if it is idle; but sockets may join again. It is called when all that had joined have parted.
// rested is called on a loop, once, when no connection is left; not if a socket joins before.
func (srv *Server) Rest(rested func()) {
	var busy atomic.Int64
	busy.Store(int64(len(srv.loops)))
	for _, ls := range srv.loops {
		ls.onLoop(func() {
			ls.rest(func() {
				if busy.Add(-1) == 0 {
					rested()
				}
			})
		})
	}
}

func (ls *loopServer) rest(rested func()) {
	switch {
	case ls.draining: // the end of that tells
		return
	case ls.open == 0:
		rested()
		return
	}
	ls.emptied = rested
	at := ls.loop.Now() + int64(drainIdleGrace)
	ls.each(func(s *session) {
		s.ln.removed, s.ln.idleAt = true, at
		if s.state == stateOpen {
			s.x.close = true
			s.x.GoAway(pipeline.ReasonNone)
		}
		s.arm()
	})
}
