package server

import (
	"net/netip"
	"time"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/handoff"
	"weir/protocol/http1"
)

// loopServer is a Server's part on one loop; the loop owns it.
type loopServer struct {
	srv    *Server
	loop   *netpoll.Loop
	opt    Options // resolved
	routes *routes

	listeners []*listener
	addresses []Listener // as of the last Apply
	open      int        // sessions
	free      *freeExchanges
	pumps     []*session // bodies to be delivered at the end of the turn
	leaving   []*Guest   // connections to be given back at the end of the turn
	packet    []byte     // scratch: a connection on its way
	giving    handoff.Message

	guestOpt    *Options // opt with guestClocks, those of the last guest; nil before the first
	guestClocks handoff.Clocks

	row     []uint64
	serving serving
	limited netpoll.Counters // of the loop, as counted last
	log     *logBatch        // nil when the access log is off

	clock      wallClock
	stamp      logStamp
	date       http1.DateCache
	usual      opening
	serverLine string // "Server: Weir\r\n", or empty

	draining    bool
	drainIdleAt int64  // ns: idle connections leave then
	emptied     func() // told once when draining, or at rest, and no session is left
}

// freeExchanges is a bounded stack of exchanges to be reused.
type freeExchanges struct {
	stack [keepExchanges]*exchange
	n     int
}

// listener is one listening socket's HTTP side on one loop.
type listener struct {
	ls      *loopServer
	ln      *netpoll.Listener
	address string
	proxy   ProxyProtocol
	table   *table       // nil: no site uses the address (any more)
	head    http1.Limits // the widest of its routes
	fresh   bool         // opened by an Apply that is not through: accepts nothing yet
	own     bool         // the descriptor is a duplicate of ours, not the caller's
	removed bool         // closed; its connections are to follow
	idleAt  int64        // ns: idle ones follow then, see Rest; 0: by the keep-alive clock
	id      uint64       // of a socket that Join brought; 0: Apply did
	once    bool         // its connections carry one request each
	guest   *Guest       // in place of a socket: a connection that a front gave; see guest.go
}

// OnAccept implements netpoll.Acceptor. A connection costs two objects: Conn and session.
func (l *listener) OnAccept(_ *netpoll.Listener, c *netpoll.Conn) {
	ls := l.ls
	s := &session{conn: c, ls: ls, ln: l, state: stateIdle, since: ls.loop.Now()}
	s.trusted = len(ls.opt.TrustedProxies) > 0 && ls.opt.trusts(c.Peer().Addr())
	switch {
	case l.proxy == ProxyOff:
	case s.trusted || !c.Peer().IsValid(): // who reaches a Unix socket has been let in by its mode
		s.state = stateProxy
	case l.proxy == ProxyRequired:
		l.refuseStranger(c)
		return
	}
	ls.began()
	c.SetHandler(s)
	s.arm()
}

// began counts a new session.
func (ls *loopServer) began() {
	ls.open++
	ls.row[CounterConnections]++
	ls.row[CounterOpen]++
}

// ended counts off a session, and tells who waits for the last one.
func (ls *loopServer) ended() {
	ls.open--
	ls.row[CounterOpen]--
	if ls.open == 0 && ls.emptied != nil {
		ls.emptied()
		ls.emptied = nil
	}
}

// each calls f for every session, which may end it.
func (ls *loopServer) each(f func(*session)) {
	ls.loop.Each(func(c *netpoll.Conn) {
		if s, ok := c.Handler().(*session); ok && s.ls == ls && s.state != stateGone {
			f(s)
		}
	})
}

// acquire takes a free exchange, or makes one.
func (ls *loopServer) acquire() *exchange {
	f := ls.free
	if f.n == 0 {
		return &exchange{ls: ls}
	}
	f.n--
	x := f.stack[f.n]
	f.stack[f.n] = nil
	return x
}

func (ls *loopServer) putBack(x *exchange) {
	x.reset()
	if f := ls.free; f.n < len(f.stack) {
		f.stack[f.n] = x
		f.n++
	}
}

// endTurn delivers bodies that were asked for in this turn.
func (ls *loopServer) endTurn() {
	for i := 0; i < len(ls.pumps); i++ { // a delivery may ask for more
		s := ls.pumps[i]
		ls.pumps[i] = nil
		if x := s.x; s.state == stateOpen && x != nil && x.pumping {
			x.pumping = false
			x.pump()
		}
	}
	ls.pumps = ls.pumps[:0]
	if len(ls.leaving) > 0 {
		ls.returnGuests()
	}
	if t := ls.loop.Totals(); t.FdLimit != ls.limited.FdLimit || t.ConnLimit != ls.limited.ConnLimit {
		ls.countLimits(t)
	}
	if ls.log != nil {
		ls.log.endTurn()
	}
}

// countLimits counts the times that accepting was suspended, or went on to be, for want of descriptors
// or of connections under the cap.
func (ls *loopServer) countLimits(t netpoll.Counters) {
	ls.row[int(CounterReasons)+int(pipeline.FdLimit)] += t.FdLimit - ls.limited.FdLimit
	ls.row[int(CounterReasons)+int(pipeline.ConnLimit)] += t.ConnLimit - ls.limited.ConnLimit
	ls.limited = t
}

// unix is the wall clock in seconds, read from the system once a second.
func (ls *loopServer) unix() int64 { return ls.clock.second(ls.loop.Now()) }

// wallClock turns loop time into wall-clock seconds.
type wallClock struct {
	offset int64 // wall ns - loop ns
	until  int64 // loop ns: read the clock again then
	known  bool
}

func (d *wallClock) second(now int64) int64 {
	if !d.known || now >= d.until {
		wall := time.Now().UnixNano()
		d.offset, d.known = wall-now, true
		d.until = now + int64(time.Second) - wall%int64(time.Second)
	}
	return (now + d.offset) / int64(time.Second)
}

// local says that the client may see X-Weir-Reason: it is on this machine.
func (s *session) local() bool {
	a := s.conn.Peer().Addr()
	return a == netip.Addr{} || a.IsLoopback()
}
