package server

import "weir/protocol/handoff"

// opt are the options that s is served by: a guest has the clocks of the front that it came from.
func (s *session) opt() *Options {
	if g := s.ln.guest; g != nil {
		return g.opt
	}
	return &s.ls.opt
}

// clocksOf are the clocks of o as they are told to another process.
func clocksOf(o *Options) handoff.Clocks {
	c := handoff.Clocks{
		Header: o.Timeouts.Header, Keepalive: o.Timeouts.KeepAlive, HalfClose: o.Timeouts.HalfClose,
		Grace: o.RateGrace, Rate: o.MinRate,
	}
	switch o.Timeouts.HalfClose {
	case HalfCloseCancel:
		c.HalfClose = 0
	case HalfCloseOff:
		c.HalfClose = handoff.None
	}
	return c
}

// guestOptions are the server's own with the clocks c. Most guests have the same as the one before.
func (ls *loopServer) guestOptions(c *handoff.Clocks) *Options {
	if ls.guestOpt != nil && ls.guestClocks == *c {
		return ls.guestOpt
	}
	o := ls.opt
	o.Timeouts = Timeouts{Header: c.Header, KeepAlive: c.Keepalive, HalfClose: c.HalfClose}
	o.MinRate, o.RateGrace = c.Rate, c.Grace
	if c.Header == handoff.None {
		o.Timeouts.Header = Never
	}
	if c.Keepalive == handoff.None {
		o.Timeouts.KeepAlive = Never
	}
	switch c.HalfClose {
	case 0:
		o.Timeouts.HalfClose = HalfCloseCancel
	case handoff.None:
		o.Timeouts.HalfClose = HalfCloseOff
	}
	if c.Grace == handoff.None {
		o.MinRate = Off
	}
	ls.guestOpt, ls.guestClocks = &o, *c
	return ls.guestOpt
}
