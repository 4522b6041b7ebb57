package server

import (
	"weir/netpoll"
)

// sessionState is where a connection is between bytes and answers.
type sessionState uint8

const (
	stateProxy   sessionState = iota // waits for a PROXY header; leaves by stateIdle or a close
	stateIdle                        // between requests: no byte of the next head is here
	stateHead                        // part of a head is here; the header clock runs
	stateOpen                        // an exchange is under way
	stateDiscard                     // the response is complete, the rest of its request body is not
	stateGone                        // closed, or handed to netpoll to be closed
	stateCount
)

// sessionNext is every transition that exists; another one is our bug.
var sessionNext = [stateCount][stateCount]bool{
	stateProxy:   {stateIdle: true, stateOpen: true, stateGone: true},
	stateIdle:    {stateHead: true, stateOpen: true, stateGone: true},
	stateHead:    {stateIdle: true, stateOpen: true, stateGone: true},
	stateOpen:    {stateIdle: true, stateDiscard: true, stateGone: true},
	stateDiscard: {stateIdle: true, stateGone: true},
}

// session is one client connection. Idle, it is all that a connection costs beside netpoll's Conn:
// no buffer, no goroutine, no exchange.
type session struct {
	conn     *netpoll.Conn
	ls       *loopServer
	ln       *listener
	x        *exchange  // nil in stateProxy, stateIdle and stateHead
	since    int64      // ns: when the present wait for a head, or for its rest, began
	rate     rateWindow // of the request body; between requests, of answers that are still queued
	halfAt   int64      // ns: end of the half-close grace; 0 when the client has not sent FIN
	halfMark uint32     // low bits of the bytes the client had taken when it was last extended
	seen     int32      // bytes of a partial head looked at
	parsed   int32      // bytes of it at the last parse
	state    sessionState
	trusted  bool // the peer is a trusted proxy
	wantRoom bool // heads wait for room in the outbound queue
}

func (s *session) setState(to sessionState) {
	if !sessionNext[s.state][to] {
		panic("server: session state " + stateNames[s.state] + " to " + stateNames[to])
	}
	s.state = to
}

var stateNames = [stateCount]string{"proxy", "idle", "head", "open", "discard", "gone"}

// OnOpen implements netpoll.Handler; accepted connections have none.
func (s *session) OnOpen(*netpoll.Conn, error) {}

// OnData implements netpoll.Handler.
//
// Hot path: once per read. No allocation: TestPlaintextAllocs.
func (s *session) OnData(_ *netpoll.Conn, b []byte) int {
	switch s.state {
	case stateIdle, stateHead:
		return s.readHeads(b)
	case stateOpen, stateDiscard:
		n := s.x.readBody(b)
		if s.state == stateIdle && n < len(b) {
			s.conn.Resume() // what follows the body is delivered again, as heads
		}
		return n
	case stateProxy:
		return s.readProxy(b)
	}
	return len(b)
}

// OnDrain implements netpoll.Handler: the client has taken what was queued.
func (s *session) OnDrain(c *netpoll.Conn) {
	if s.wantRoom {
		s.wantRoom = false
		c.Resume()
	}
	if s.state == stateOpen && !s.x.ended {
		s.x.call(opWritable, nil)
	}
}

// OnEOF implements netpoll.Handler: the client sends no more.
func (s *session) OnEOF(c *netpoll.Conn) {
	switch s.state {
	case stateOpen:
		switch {
		case s.x.tunnel != nil:
			s.x.tunnelEOF()
		case !s.x.bodyDone:
			s.x.cutBody()
		default:
			s.halfClosed()
		}
	default:
		s.leave(false)
	}
}

// OnHangup implements netpoll.Handler: the client went away, or half away, while we do not read.
func (s *session) OnHangup(_ *netpoll.Conn, reset bool) {
	if !reset && (s.state != stateOpen || s.x.reading() || s.x.tunnel != nil) {
		return // reading will come to the FIN
	}
	if reset {
		s.drop()
		return
	}
	s.halfClosed()
}

// OnClose implements netpoll.Handler: the connection is gone already.
func (s *session) OnClose(*netpoll.Conn, error) { s.gone() }

// halfClosed starts the grace of design section 4: answers go out while bytes flow.
func (s *session) halfClosed() {
	switch d := s.opt().Timeouts.HalfClose; d {
	case HalfCloseOff:
	case HalfCloseCancel:
		s.drop()
	default:
		s.halfAt = s.ls.loop.Now() + int64(d)
		s.halfMark = uint32(s.taken())
		s.arm()
	}
}

// maybeHalfClosed starts the grace for an exchange whose request was here already when the FIN came,
// behind another one: netpoll tells of a FIN once, and then it was that exchange's.
func (s *session) maybeHalfClosed() {
	if s.state == stateOpen && s.x.tunnel == nil && s.halfAt == 0 && !s.x.reading() && s.conn.EOF() {
		s.halfClosed()
	}
}

// drop closes at once; the exchange under way is cancelled.
func (s *session) drop() {
	if s.state == stateGone {
		return
	}
	s.conn.Close()
	s.gone()
}

// leave closes once what is queued has been sent. With linger the client may still be sending.
func (s *session) leave(linger bool) {
	if s.state == stateGone {
		return
	}
	conn := s.conn
	s.gone()
	conn.Finish(linger)
}

// gone parts session and connection.
func (s *session) gone() {
	if s.state == stateGone {
		return
	}
	open := s.state == stateOpen
	x := s.x
	s.setState(stateGone)
	s.x = nil
	s.ls.ended()
	if g := s.ln.guest; g != nil {
		g.Home.Left(g, false)
	}
	switch {
	case x == nil:
	case open:
		x.cancel(ErrClientGone)
	default:
		x.s = nil
		x.release()
	}
}

// taken is the bytes of answers that reached the client's kernel, as far as ours knows.
func (s *session) taken() uint64 { return s.conn.Sent() - uint64(s.conn.Unacked()) }
