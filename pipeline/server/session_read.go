package server

import (
	"bytes"

	"weir/pipeline"
	"weir/protocol/http1"
)

// readHeads takes heads from the start of b and serves each, until b ends, an exchange stays open, or
// the client takes no more answers. It returns how many bytes it consumed.
//
// Hot path: once per read. No allocation: TestPlaintextAllocs.
func (s *session) readHeads(b []byte) int {
	n := 0
	for n < len(b) {
		if !s.conn.Room() {
			s.wantRoom = true
			s.conn.Pause()
			return n
		}
		g := s.ln.guest
		if g != nil && g.home && g.read {
			s.conn.Pause()
			return n // for whoever gets the connection back
		}
		rest := b[n:]
		if s.state == stateHead && !s.worthParsing(rest) {
			return n
		}
		x := s.ls.acquire()
		size, err := x.parse(rest, &s.ln.head)
		if err != nil {
			s.refuse(x, err)
			return len(b)
		}
		if size == 0 {
			s.ls.putBack(x)
			s.partial(rest)
			return n
		}
		if g != nil && !g.expects(x) {
			s.ls.putBack(x)
			s.conn.Pause()
			g.goHome()
			return n
		}
		n += size
		s.open(x)
		switch {
		case s.state == stateIdle: // complete, the usual case
		case s.state == stateDiscard:
			n += x.discard(b[n:])
			if s.state != stateIdle {
				return n
			}
		case s.state == stateGone:
			return len(b)
		default:
			x.pin(b[n:])
			return 0 // the buffer was taken
		}
	}
	return n
}

// worthParsing keeps a head that comes in small pieces from being parsed at each: a parse is due when
// a line has ended, or a good part more is here.
func (s *session) worthParsing(b []byte) bool {
	fresh := b[s.seen:]
	s.seen = int32(len(b))
	if bytes.IndexByte(fresh, '\n') >= 0 || len(b) >= int(s.parsed)+partialRetryBytes {
		return true
	}
	return false
}

// partial notes that the head in b is incomplete.
func (s *session) partial(b []byte) {
	s.seen, s.parsed = int32(len(b)), int32(len(b))
	if s.state == stateIdle {
		s.setState(stateHead)
		s.since = s.ls.loop.Now()
		s.arm()
	}
	s.conn.Grow()
}

// open begins the exchange of a parsed head and serves it.
func (s *session) open(x *exchange) {
	now := s.ls.loop.Now()
	start := now
	if s.state == stateHead {
		start = s.since
		s.seen, s.parsed = 0, 0
	}
	s.setState(stateOpen)
	s.x = x
	x.begin(s, start, now)
	x.ownHead()
	err := x.tr.Begin(x, &x.req, s.origin(), now)
	switch {
	case x.req.Form == http1.AsteriskForm:
		x.serve(optionsAsterisk)
	case err != nil:
		x.fail(400, pipeline.ReasonURL, err)
	default:
		s.route(x)
	}
}

// origin is where the exchange comes from.
func (s *session) origin() pipeline.Origin {
	if g := s.ln.guest; g != nil {
		return pipeline.Origin{Peer: s.conn.Peer(), Local: g.Local, Scheme: g.Scheme, Trusted: s.trusted}
	}
	return pipeline.Origin{
		Peer: s.conn.Peer(), Local: s.ln.address, Scheme: "http", Trusted: s.trusted,
	}
}

// route finds the app and lets it answer. CONNECT has no path, so it is the app at "/" that gets it,
// where that takes CONNECT: whatever its target is, the app is who answers.
//
// Hot path: once per request. No allocation: TestPlaintextAllocs.
func (s *session) route(x *exchange) {
	if g := s.ln.guest; g != nil {
		s.enter(x, &g.app)
		return
	}
	t := s.table()
	if t == nil {
		s.unmatched(x)
		return
	}
	set := t.lookup(x.req.Host())
	if set == nil {
		s.unmatched(x)
		return
	}
	a := set.find(x.tr.Path())
	switch {
	case x.req.Form == http1.AuthorityForm && (a == nil || !a.connect):
		x.serve(pipeline.RefuseConnect)
		return
	case a == nil:
		x.serve(nil)
		return
	}
	if t.head != a.head {
		if err := x.req.Within(&a.head); err != nil {
			s.refuseParsed(x, err)
			return
		}
	}
	s.enter(x, a)
}

// enter lets a answer.
func (s *session) enter(x *exchange, a *app) {
	x.app = a
	x.bodyMax = a.body
	if a.body >= 0 && x.req.ContentLength > a.body {
		x.close = true
		x.fail(413, pipeline.EntityTooLarge, nil)
		return
	}
	x.tr.MovePathBase(len(a.prefix))
	x.serve(a.handler)
}

// table is what the connection's listener serves, to the address that the client connected to.
func (s *session) table() *table {
	t := s.ln.table
	if t == nil && s.ln.removed {
		t = s.ls.routes.at(s.conn.Local())
	}
	if t != nil && t.local != nil {
		if own := t.local[s.conn.Local().Addr().Unmap()]; own != nil {
			return own
		}
	}
	return t
}

func (s *session) unmatched(x *exchange) {
	switch s.ls.opt.Unmatched {
	case UnmatchedClose:
		s.ls.countReason(pipeline.NoSite)
		s.drop()
	case Unmatched400:
		x.fail(400, pipeline.NoSite, nil)
	default:
		x.fail(421, pipeline.NoSite, nil)
	}
}
