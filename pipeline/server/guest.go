package server

import (
	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/handoff"
	"weir/protocol/http1"
)

// Guest is a connection that a front has given to this process: its requests are answered by one
// handler, then it is given back.
type Guest struct {
	Handler pipeline.Handler
	Home    Home
	ID      uint64
	Limits  handoff.Limits
	Local   string
	Scheme  string
	Trusted bool
	Scope   handoff.Scope

	Requests, Errors uint32 // answered so far

	s    *session
	ls   *loopServer
	opt  *Options // its clocks
	app  app
	read bool // the first head was parsed
	home bool // to be given back when nothing is under way
	ends bool // a tunnel is to end
}

// Home is where a guest came from. Its methods run on the guest's loop.
type Home interface {
	// Return gives c back with its unconsumed input. netpoll.ErrLinkFull: later. Any other error:
	// never.
	Return(g *Guest, c *netpoll.Conn) error
	// Left: the guest is not here any more; closed, unless Return took it.
	Left(g *Guest, returned bool)
}

// Welcome serves the connection fd, whose first bytes are b, on the server's loop of that index, on
// that loop. After an error fd is the caller's.
func (srv *Server) Welcome(loop int, fd int, m *handoff.Message, g *Guest) error {
	ls := srv.loops[loop]
	g.ls = ls
	g.opt = ls.guestOptions(&m.Clocks)
	g.app = app{
		prefix: g.Scope.Prefix, handler: g.Handler, name: "handoff", body: g.Limits.Body,
		head: http1.Limits{RequestLineBytes: g.Limits.Line, HeadBytes: g.Limits.Head,
			Fields: g.Limits.Fields}.Resolved(),
	}
	ln := &listener{ls: ls, address: g.Local, head: g.app.head, guest: g}
	ln.removed = m.Flags&handoff.FlagLast != 0 // its exchanges close
	s := &session{ls: ls, ln: ln, state: stateIdle, since: ls.loop.Now(), trusted: g.Trusted}
	c, err := ls.loop.AdoptFrom(fd, m.Peer, false, s)
	if err != nil {
		return err
	}
	s.conn, g.s = c, s
	ls.began()
	s.arm()
	c.PushInput(m.Bytes)
	return nil
}

// Recall has the guest given back when the answer that it is at has been sent, or now. A tunnel stays.
func (g *Guest) Recall() { g.goHome() }

// Leave is Recall by a process that ends: the client of a tunnel is told so, too.
func (g *Guest) Leave() {
	g.ends = true
	if s := g.s; s.state == stateOpen {
		s.x.GoAway(pipeline.ReasonNone)
	}
	g.goHome()
}

// Abandon says that nobody takes the guest back: the answer that it is at is its last.
func (g *Guest) Abandon() {
	s := g.s
	s.ln.removed, g.ends = true, true // new exchanges close
	if s.state == stateOpen {
		s.x.GoAway(pipeline.ReasonNone)
	}
	switch {
	case s.state == stateOpen:
		s.x.close = true
	case g.read && (s.state == stateIdle || s.state == stateHead):
		s.leave(true)
	}
}

// expects says whether the head that x has parsed is to be answered here.
func (g *Guest) expects(x *exchange) bool {
	r := &x.req
	if !g.read {
		g.read = true
		g.Scope.Host = string(r.Host())
		return true
	}
	if r.Form != http1.OriginForm || !r.PathPlain() {
		return false
	}
	return g.Scope.Has(string(r.Host()), string(r.Path()))
}

// answered counts an exchange.
func (g *Guest) answered(x *exchange) {
	g.Requests++
	if x.status >= 500 || x.cause != nil {
		g.Errors++
	}
	if !g.Scope.Keep {
		g.goHome()
	}
}

// goHome gives the guest back at the end of the turn in which nothing is under way.
func (g *Guest) goHome() {
	if g.home {
		return
	}
	g.home = true
	g.queue()
}

func (g *Guest) queue() {
	g.ls.leaving = append(g.ls.leaving, g)
	g.ls.loop.Hurry()
}

// maybeReturn gives the guest back if it is between requests and its answers have gone.
func (g *Guest) maybeReturn() {
	s := g.s
	switch {
	case s.state != stateIdle && s.state != stateHead:
		return // the end of the exchange queues it again
	case !g.read:
		return // the request it came with is first
	case s.ln.removed:
		s.leave(true)
		return
	}
	if s.conn.Flush(); s.conn.Pending() {
		s.conn.Pause()
		s.arm() // comes back with guestRetry
		return
	}
	switch err := g.Home.Return(g, s.conn); {
	case err == nil:
		s.setState(stateGone)
		s.x = nil
		s.ls.ended()
		g.Home.Left(g, true)
	case s.conn.Closed():
		s.gone()
	case err == netpoll.ErrLinkFull:
		s.conn.Pause()
		s.arm()
	default:
		s.leave(true)
	}
}

// returnGuests ends a turn.
func (ls *loopServer) returnGuests() {
	for i := 0; i < len(ls.leaving); i++ {
		g := ls.leaving[i]
		ls.leaving[i] = nil
		g.maybeReturn()
	}
	ls.leaving = ls.leaving[:0]
}
