package pipeline

import "weir/protocol/http1"

// StartTunnel makes the exchange a tunnel. Where the client offers protocols to switch to it answers
// 101, and protocol must be one of them ([http1.Request.Offers]). To CONNECT, whose protocol is "", it
// answers with the status that was set, if that is one of 200 to 299, else 200. Otherwise ErrProtocol,
// and nothing has happened. It runs the OnStarting callbacks; filters do not apply. On the loop only.
//
// From here on bytes go as they are. SendBody sends them; CloseWrite sends FIN; ReceiveBody delivers
// what the client sends, whatever was received before, and OnBodyEnd(nil) is its FIN. EndResponse
// closes the connection, which never returns to HTTP. When the front drains, the client of a WebSocket
// gets a Close frame (1001) between two frames, that of another protocol FIN, and what is sent
// afterwards is dropped.
//
// Any other 2xx to CONNECT, which a client would take for a tunnel, becomes 405.
//
// RFC 9110 sections 7.8, 9.3.6 and 15.2.2.
func (c *Context) StartTunnel(protocol string) error {
	c.mustOnLoop("StartTunnel")
	return c.startTunnel(protocol)
}

// mayTunnel says whether the request asks for a tunnel: by protocols that it offers, or as CONNECT.
func (c *Context) mayTunnel() bool { return c.connects() || c.r.Offers("") }

func (c *Context) connects() bool { return c.r.Verb == http1.VerbConnect }

// asTunnel says whether a response of this status is the begin of a tunnel.
func (c *Context) asTunnel(status int) bool {
	return status == 101 || c.connects() && status/100 == 2
}

func (c *Context) startTunnel(protocol string) error {
	switch {
	case c.phase >= phaseFailed:
		return c.endedErr()
	case c.phase != phaseOpen:
		return ErrStarted
	case c.connects() != (protocol == ""), protocol != "" && !c.r.Offers(protocol):
		return ErrProtocol
	}
	if err := c.setProtocol(protocol); err != nil {
		return err
	}
	c.out, c.written, c.length = c.out[:0], 0, LengthUnknown
	status := c.status
	switch {
	case protocol != "":
		status = 101
	case status/100 != 2:
		status = 200
	}
	c.status = status
	c.runStarting()
	if c.phase != phaseStarting {
		return c.endedErr() // a callback has given the exchange up
	}
	c.status = status // whatever a callback made of it
	clear(c.filters)
	c.filters = c.filters[:0]
	c.ending.Reset()
	if err := c.setProtocol(protocol); err != nil {
		return err
	}
	c.handHead(LengthTunnel)
	return nil
}

func (c *Context) setProtocol(protocol string) error {
	if protocol == "" {
		return c.fields.Del("Upgrade")
	}
	return c.fields.Set("Upgrade", protocol)
}

// refuseNoTunnel answers 405 in place of a response that only looks like the begin of a tunnel, and
// says whether it was one. The OnStarting callbacks have run.
func (c *Context) refuseNoTunnel() bool {
	if c.phase != phaseStarting || !c.connects() || c.status/100 != 2 {
		return false
	}
	RefuseConnect(c)
	return true
}

// Methods is the Allow field of answers that Weir makes itself.
const Methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"

// RefuseConnect answers CONNECT where nobody is to take it: Weir is no forward proxy.
func RefuseConnect(c *Context) {
	_ = c.SetHeader("Allow", Methods) // well-formed
	c.Fail(405, ReasonVerb)
}

// CloseWrite ends our half of a tunnel: the client gets FIN, and may go on sending. On the loop only.
func (c *Context) CloseWrite() {
	c.mustOnLoop("CloseWrite")
	if c.phase == phaseStarted {
		c.x.CloseWrite()
	}
}
