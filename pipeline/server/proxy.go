package server

import (
	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/proxyproto"
)

// readProxy takes a PROXY header off the start of a trusted connection.
//
// systems.md row K24; the header has its own clock (proxyHeaderTimeout) and size bound.
func (s *session) readProxy(b []byte) int {
	h, n, err := proxyproto.Parse(b)
	if err == proxyproto.ErrNone && s.ln.proxy == ProxyOptional {
		return s.proxied(b, 0)
	}
	if err != nil {
		s.ls.opt.Logger.Warn("PROXY header refused", "listener", s.ln.address,
			"peer", s.conn.Peer().String(), "error", err)
		s.cut(pipeline.ProxyProtocol)
		return len(b)
	}
	if n == 0 {
		s.conn.Grow()
		return 0
	}
	if !h.Local && h.Source.IsValid() {
		s.conn.SetPeer(h.Source)
	}
	return s.proxied(b, n)
}

// refuseStranger closes a connection whose peer may send no PROXY header to a listener that requires
// one: past the proxy nobody gets in. It is counted, and said at debug level only, because any
// stranger could fill the log.
func (l *listener) refuseStranger(c *netpoll.Conn) {
	ls := l.ls
	ls.row[CounterConnections]++
	ls.countReason(pipeline.ProxyProtocol)
	ls.opt.Logger.Debug("connection past the proxy refused", "listener", l.address,
		"peer", c.Peer().String())
	c.Close()
}

// proxied goes on to HTTP; n bytes of b were the header.
func (s *session) proxied(b []byte, n int) int {
	s.setState(stateIdle)
	s.since = s.ls.loop.Now()
	s.trusted = s.ls.opt.trusts(s.conn.Peer().Addr())
	s.arm()
	if n == len(b) {
		return n
	}
	used := s.readHeads(b[n:])
	if s.state == stateOpen && s.x != nil && s.x.pinned {
		return 0 // the buffer was taken
	}
	return n + used
}
