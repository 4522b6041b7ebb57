package pipeline

// StartTunnel answers 101 and makes the exchange a tunnel to protocol, which must be one that the
// client offers ([http1.Request.Offers]); else ErrProtocol, and nothing has happened. It runs the
// OnStarting callbacks; filters do not apply. On the loop only.
//
// From here on bytes go as they are. SendBody sends them; CloseWrite sends FIN; ReceiveBody delivers
// what the client sends, whatever was received before, and OnBodyEnd(nil) is its FIN. EndResponse
// closes the connection, which never returns to HTTP. When the front drains, the client of a WebSocket
// gets a Close frame (1001) between two frames, that of another protocol FIN, and what is sent
// afterwards is dropped.
//
// RFC 9110 sections 7.8 and 15.2.2.
func (c *Context) StartTunnel(protocol string) error {
	c.mustOnLoop("StartTunnel")
	return c.startTunnel(protocol)
}

func (c *Context) startTunnel(protocol string) error {
	switch {
	case c.phase >= phaseFailed:
		return c.endedErr()
	case c.phase != phaseOpen:
		return ErrStarted
	case protocol == "" || !c.r.Offers(protocol):
		return ErrProtocol
	}
	if err := c.fields.Set("Upgrade", protocol); err != nil {
		return err
	}
	c.out, c.written, c.length = c.out[:0], 0, LengthUnknown
	c.status = 101
	c.runStarting()
	if c.phase != phaseStarting {
		return c.endedErr() // a callback has given the exchange up
	}
	c.status = 101 // whatever a callback made of it
	clear(c.filters)
	c.filters = c.filters[:0]
	c.ending.Reset()
	if err := c.fields.Set("Upgrade", protocol); err != nil {
		return err
	}
	c.handHead(LengthTunnel)
	return nil
}

// CloseWrite ends our half of a tunnel: the client gets FIN, and may go on sending. On the loop only.
func (c *Context) CloseWrite() {
	c.mustOnLoop("CloseWrite")
	if c.phase == phaseStarted {
		c.x.CloseWrite()
	}
}
