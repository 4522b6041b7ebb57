package server

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/handoff"
)

// Errors of HandOff.
var (
	// ErrNotYet: earlier answers wait for the client to take them.
	ErrNotYet error = notYet{}
	// ErrBegun: bytes of the request's body were used, or of an answer sent.
	ErrBegun = errors.New("server: hand-off: the exchange has begun")
)

// Delegate is the way to a pool for x, whose body nobody has asked for.
func (x *exchange) Delegate(pool string) (pipeline.Handler, error) {
	h := x.ls.opt.Pools[pool]
	switch {
	case h == nil:
		return nil, pipeline.ErrNoPool
	case x.sink != nil || x.bytesIn > 0 || x.bodyDone && x.req.HasBody():
		return nil, pipeline.ErrBodyBegun
	}
	x.delegated = true
	return h, nil
}

type notYet struct{}

func (notYet) Error() string { return "server: hand-off: answers are still queued" }

// Temporary tells pipeline/dispatch, which does not know this package, to try again.
func (notYet) Temporary() bool { return true }

// A message that is longer than a link's packet could not be sent: this is below 0 then.
const _ = uint(netpoll.PacketMax - handoff.MessageMax)

// HandOff gives x's connection to the process behind k, as connection id, and ends x here: it was
// answered by nobody yet. back takes the connection when it returns, or is told by a negative fd that it
// does not; on the same loop. After an error x is as it was, unless its connection broke, of which x is told as ever.
//
// It is called from outside any user code of x, which is held.
func (x *exchange) HandOff(k *netpoll.Link, id uint64) (back func(fd int, b []byte) error, err error) {
	s := x.s
	switch {
	case s == nil || s.state != stateOpen || x.buf == nil || x.headSent || x.ended || x.sink != nil ||
		x.bytesIn > 0 || x.depth > 0 || x.tr.Running():
		return nil, ErrBegun
	case s.conn.Pending():
		if s.conn.Flush(); s.conn.Pending() {
			return nil, ErrNotYet
		}
	}
	m := x.message(id)
	ls := x.ls
	if ls.packet, err = handoff.Append(ls.packet[:0], m); err != nil {
		return nil, err
	}
	a := &absence{ls: ls, ln: s.ln, peer: s.conn, trusted: s.trusted, socket: netpoll.SocketID(s.conn.FD())}
	a.capped = s.conn.Capped()
	a.hold(1) // the client is still one of ours
	if err := s.conn.Give(k, ls.packet); err != nil {
		a.hold(-1)
		if s.conn.Closed() {
			s.gone()
		}
		return nil, err
	}
	x.ended, x.reason = true, pipeline.HandedOff
	s.part(x)
	x.complete()
	x.release()
	return a.back, nil
}

// message is x's connection on its way out.
func (x *exchange) message(id uint64) *handoff.Message {
	s, ls := x.s, x.ls
	m := &ls.giving
	b := x.buf.Bytes()
	*m = handoff.Message{
		Kind: handoff.Connection, ID: id, Peer: s.conn.Peer(), Local: append(m.Local[:0], s.ln.address...),
		Prefix: append(m.Prefix[:0], x.tr.PathBase()...), Others: m.Others[:0],
		Bytes: b[len(b)-len(x.rest)-x.req.Size():],
		Limits: handoff.Limits{Line: s.ln.head.RequestLineBytes, Head: s.ln.head.HeadBytes,
			Fields: s.ln.head.Fields, Body: x.bodyMax},
		Clocks: clocksOf(&ls.opt),
	}
	if s.trusted {
		m.Flags |= handoff.FlagTrusted
	}
	if ls.draining || s.ln.removed {
		m.Flags |= handoff.FlagLast
	}
	if x.app == nil {
		return m
	}
	m.Limits.Line, m.Limits.Head = x.app.head.RequestLineBytes, x.app.head.HeadBytes
	m.Limits.Fields = x.app.head.Fields
	if x.app.keeps && !x.delegated {
		m.Flags |= handoff.FlagKeep
		m.Others = append(m.Others, x.app.others...)
	}
	return m
}

// scope finds out what a worker may answer that gets a connection: an app of the same sites has the
// same prefixes beside it.
func (t *table) scope() {
	all := []*apps{t.strong, t.bound, t.weak}
	for _, m := range []map[string]*apps{t.exact, t.label} {
		for _, a := range m {
			all = append(all, a)
		}
	}
	for _, a := range all {
		if a == nil {
			continue
		}
		for _, p := range a.byPrefix {
			p.others = a.others(p)
			p.keeps = p.keeps && len(p.others) <= handoff.OthersMax && len(p.prefix) <= handoff.PrefixMax
		}
	}
}

// others are the prefixes below p's own that belong to other apps, each ended by a NUL.
func (a *apps) others(p *app) (list []byte) {
	for prefix := range a.byPrefix {
		if rest, ok := strings.CutPrefix(prefix, p.prefix); ok && rest != "" && rest[0] == '/' {
			list = append(append(list, prefix...), 0)
		}
	}
	return list
}

// absence is a connection that another process has.
type absence struct {
	ls      *loopServer
	ln      *listener
	peer    *netpoll.Conn // closed; it still knows its peer
	socket  uint64
	trusted bool
	capped  bool
}

// errStranger: a worker gave back another socket than it was given.
var errStranger = errors.New("server: hand-off: not the socket that was given")

// hold counts the connection in Config.Conns while the other process has it, or counts it no more.
func (a *absence) hold(places int) {
	if conns := a.ls.loop.Config.Conns; a.capped && conns != nil {
		conns.Hold(places)
	}
}

// back takes the connection back, with bytes of the next request; fd is negative when it does not come.
// fd is still the caller's after an error, and the connection still away.
func (a *absence) back(fd int, b []byte) error {
	if fd < 0 {
		a.hold(-1)
		return nil
	}
	if netpoll.SocketID(fd) != a.socket {
		return errStranger
	}
	if err := unix.SetNonblock(fd, true); err != nil { // a worker's word is not enough
		return err
	}
	ls := a.ls
	s := &session{ls: ls, ln: a.ln, state: stateIdle, since: ls.loop.Now(), trusted: a.trusted}
	c, err := ls.loop.AdoptFrom(fd, a.peer.Peer(), a.capped, s)
	if err != nil {
		return err
	}
	s.conn = c
	a.hold(-1)
	ls.open++
	ls.row[CounterOpen]++
	s.arm()
	c.PushInput(b)
	return nil
}
