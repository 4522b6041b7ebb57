package dispatch

import (
	"errors"
	"runtime/debug"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/fastcgi"
	"weir/protocol/proxyproto"
)

// upstream is one connection to a worker. It holds a slot from before it is opened until close.
type upstream struct {
	conn       *netpoll.Conn
	lane       *lane
	job        *job      // nil while idle and once closed
	next, prev *upstream // of the idle ring; nil when not in it
	closed     bool
	decoder    fastcgi.Decoder

	// Of a stream in mux mode, where conn is shared.
	mux    *muxConn
	id     uint32 // 0 while the connection does not stand
	window int64  // bytes of the request's body that the worker takes now
	owed   int64  // bytes of the response's body that it has not been given credit for
	over   bool   // neither side sends on it any more
}

// introduce begins a connection with the PROXY header that names the client.
func (j *job) introduce(u *upstream) {
	b := u.conn.Reserve(proxyproto.AppendMax)
	u.conn.Commit(proxyproto.Append(b, j.lane.w.proxy, j.c.Peer(), j.x.LocalAddr()))
}

// close gives up connection, or stream, and slot. It is in no list and has no job.
func (u *upstream) close() {
	if u.closed {
		return
	}
	if u.mux != nil {
		w := u.lane.w
		if !u.over {
			u.cancel()
		}
		u.mux.drop(u) // u is nobody's from here on
		w.giveBack()
		return
	}
	u.closed = true
	u.conn.Close()
	u.lane.w.giveBack()
}

// OnOpen implements netpoll.Handler: a connection that was being opened stands, or not.
func (u *upstream) OnOpen(_ *netpoll.Conn, err error) {
	j := u.job
	if j == nil {
		return
	}
	switch {
	case errors.Is(err, netpoll.ErrStopped):
		j.stop()
		return
	case err != nil:
		u.closed = true // refused gives the slot back
		j.refused(err)
		return
	}
	u.lane.accepted()
	defer j.guard(j.c)
	j.send(u)
}

// OnData implements netpoll.Handler.
//
// Hot path: once per read from a worker. No allocation: TestProxyAllocs.
func (u *upstream) OnData(_ *netpoll.Conn, b []byte) int {
	j := u.job
	if j == nil {
		u.leave() // bytes that nobody asked for: what they would be taken for is anybody's guess
		return len(b)
	}
	defer j.guard(j.c)
	return j.onData(u, b)
}

// OnDrain implements netpoll.Handler: the worker has taken what was queued. The last writes of a
// turn come after the exchanges' end of turn, so the client is read on in the next.
func (u *upstream) OnDrain(*netpoll.Conn) {
	if u.job != nil && u.job.paused {
		u.lane.s.resumeLater(u)
	}
}

// resumeLater reads u's client on in the next turn.
func (s *shard) resumeLater(u *upstream) {
	if len(s.drained) == 0 {
		s.loop.Post(s.onDrained)
	}
	s.drained = append(s.drained, u)
}

// acquireStream takes a stream from the free list.
func (s *shard) acquireStream() *upstream {
	u := s.freeStreams
	if u == nil {
		return &upstream{}
	}
	s.freeStreams, u.next = u.next, nil
	s.freeStreamCount--
	return u
}

func (s *shard) releaseStream(u *upstream) {
	*u = upstream{}
	if s.freeStreamCount < jobsFreeMax {
		s.freeStreamCount++
		u.next, s.freeStreams = s.freeStreams, u
	}
}

// resumeDrained goes on with the request bodies that waited for room.
func (s *shard) resumeDrained() {
	drained := s.drained
	s.drained = s.drained[:0]
	for i, u := range drained {
		drained[i] = nil
		if j := u.job; j != nil && j.up == u && u.room() {
			j.resumeGuarded()
		}
	}
}

func (j *job) resumeGuarded() {
	defer j.guard(j.c)
	j.resumeBody()
}

// OnEOF implements netpoll.Handler: the worker sends no more.
func (u *upstream) OnEOF(*netpoll.Conn) {
	j := u.job
	if j == nil {
		u.leave()
		return
	}
	defer j.guard(j.c)
	j.onEOF(u)
}

// OnHangup implements netpoll.Handler. Reading is paused because the client has no room; what the
// worker sent before it went comes first, then EOF or the error.
func (u *upstream) OnHangup(*netpoll.Conn, bool) {}

// OnTimer implements netpoll.Handler: an idle connection's time is up.
func (u *upstream) OnTimer(c *netpoll.Conn, now int64) {
	if u.job != nil {
		c.SetTimer(now + int64(idleKeep))
		return
	}
	u.leave()
}

// OnClose implements netpoll.Handler: the connection broke.
func (u *upstream) OnClose(_ *netpoll.Conn, err error) {
	j := u.job
	switch {
	case u.closed:
	case errors.Is(err, netpoll.ErrStopped) && j != nil:
		j.stop()
	case j == nil:
		u.lane.s.stopped = u.lane.s.stopped || errors.Is(err, netpoll.ErrStopped)
		u.leave()
	default:
		defer j.guard(j.c)
		j.onBroken(u)
	}
}

// leave ends an idle connection; its slot may serve a waiter.
func (u *upstream) leave() {
	if u.next != nil {
		u.lane.unlink(u)
	}
	u.close()
	u.lane.s.serve()
}

// guard is the recover for user code that runs because a worker said something: OnStarting,
// filters, completion callbacks. c is the exchange that j served when the event began; the exchange
// answers as for any panic.
func (j *job) guard(c *pipeline.Context) {
	v := recover()
	if v == nil {
		return
	}
	stack := debug.Stack()
	if j.c != c { // j is done with it: a panic after the response was handed over
		panic(v)
	}
	x := j.x
	j.drop()
	x.Panicked(v, stack)
}

// guarded is guard for what runs user code when the job is over.
func guarded(x exchange) {
	if v := recover(); v != nil {
		x.Panicked(v, debug.Stack())
	}
}
