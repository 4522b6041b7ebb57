package pipeline

// This file is the way from Context to Exchange: head, filtered body, end. Its methods serve
// handlers that relay a response as it comes; others use Write, Text, Stream and SendFile.

// StartResponse runs the OnStarting callbacks and hands the head over. length is the body's exact
// length in bytes or LengthUnknown; filters make it unknown.
func (c *Context) StartResponse(length int64) error {
	switch {
	case c.phase >= phaseFailed:
		return c.endedErr()
	case c.phase != phaseOpen:
		return ErrStarted
	}
	c.runStarting()
	if c.refuseNoTunnel() {
		return c.endedErr()
	}
	if len(c.filters) > 0 || c.ending.Len() > 0 {
		length = LengthUnknown
	}
	c.handHead(length)
	return nil
}

// SendBody hands body bytes over, through the filters; b may be reused on return. room is false
// when the client's queue is above its high mark: stop until Source.OnWritable. Bytes are taken all
// the same; after the end they are dropped.
func (c *Context) SendBody(b []byte) (room bool) {
	if c.phase != phaseStarted || c.push(b, false) != nil {
		return false
	}
	c.written += int64(len(b))
	return c.run != nil || c.room
}

// EndResponse completes the response. trailers may be nil; they are added to c.Trailers.
func (c *Context) EndResponse(trailers *Fields) error {
	if c.phase != phaseStarted {
		if c.phase >= phaseFailed {
			return c.endedErr()
		}
		if err := c.startBuffered(); err != nil {
			return err
		}
	}
	for i := 0; trailers != nil && i < trailers.Len(); i++ {
		name, value := trailers.At(i)
		_ = c.ending.Add(name, value) // a full list loses trailers, which are optional by nature
	}
	return c.endBody()
}

// ReceiveBody starts delivery of the request body to sink. On the loop only.
func (c *Context) ReceiveBody(sink BodySink) { c.mustOnLoop("ReceiveBody"); c.x.ReceiveBody(sink) }

// PauseBody stops reading the client; ResumeBody goes on. On the loop only.
func (c *Context) PauseBody() { c.mustOnLoop("PauseBody"); c.x.PauseBody() }

// ResumeBody goes on reading the client after PauseBody.
func (c *Context) ResumeBody() { c.mustOnLoop("ResumeBody"); c.x.ResumeBody() }

// Hold keeps the exchange open after the handler returned, until EndResponse or Abort; src learns
// of room and of cancellation. On the loop only.
func (c *Context) Hold(src Source) {
	c.mustOnLoop("Hold")
	c.src = src
	c.held = true
	c.x.Hold(src)
}

// PassTo ends the part of the exchange's Source: h answers in its place, as any handler does. Fields
// that are set stay. On the loop only, within the exchange's own call, and before StartResponse.
func (c *Context) PassTo(h Handler) {
	c.mustOnLoop("PassTo")
	if c.phase != phaseOpen {
		return // given up meanwhile
	}
	c.src = nil
	c.enter(h)
}

func (c *Context) mustOnLoop(what string) {
	if c.run != nil {
		panic("pipeline: " + what + " in a Blocking handler")
	}
}

// finish completes a response of which nothing was handed over yet, or the rest of one.
//
// Hot path: once per exchange. No allocation: TestTextAllocs.
func (c *Context) finish() {
	if c.phase == phaseStarted {
		_ = c.endBody() // its error has already aborted the exchange
		return
	}
	c.runStarting()
	if c.refuseNoTunnel() {
		return
	}
	body := c.out
	if len(c.filters) > 0 {
		var err error
		if body, err = c.filter(body, true); err != nil {
			return
		}
	}
	length := int64(len(body))
	switch {
	case c.ending.Len() > 0:
		length = LengthUnknown
	case len(c.filters) > 0 && c.IsHead():
		length = LengthUnknown // nobody knows what the body would have become
	case len(c.filters) == 0 && c.length >= 0:
		length = c.length // HEAD and 304 tell it without a body; else a difference resets
	}
	c.handHead(length)
	if len(body) > 0 {
		c.handBody(body)
	}
	c.handEnd()
}

// runStarting runs the OnStarting callbacks. Each is taken off the list first, so that an answer to
// a panic in one of them goes on with the others.
func (c *Context) runStarting() {
	c.phase = phaseStarting
	for n := len(c.starting); n > 0; n = len(c.starting) {
		f := c.starting[n-1]
		c.starting[n-1] = nil
		c.starting = c.starting[:n-1]
		f(c)
	}
}

// startBuffered hands over the head and what Write has kept.
func (c *Context) startBuffered() error {
	if err := c.StartResponse(c.length); err != nil {
		return err
	}
	if len(c.out) == 0 {
		return nil
	}
	err := c.push(c.out, false)
	c.out = c.out[:0]
	return err
}

// push sends body bytes through the filters to the exchange or to the run.
func (c *Context) push(b []byte, last bool) error {
	if len(c.filters) > 0 {
		var err error
		if b, err = c.filter(b, last); err != nil {
			return err
		}
	}
	if len(b) == 0 {
		return nil
	}
	return c.handBody(b)
}

// filter returns b as the filters leave it. Their error aborts the exchange.
func (c *Context) filter(b []byte, last bool) ([]byte, error) {
	for i, f := range c.filters {
		dst, err := f.Append(c.scratch[i&1][:0], b, last)
		if err != nil {
			c.Abort(500, HandlerError)
			return nil, err
		}
		c.scratch[i&1] = dst
		b = dst
	}
	return b, nil
}

// flushFilter lets filter i go of its bytes and sends them through those behind it.
func (c *Context) flushFilter(i int, f FlushFilter) error {
	b, err := f.AppendFlush(c.scratch[i&1][:0])
	if err != nil {
		c.Abort(500, HandlerError)
		return err
	}
	c.scratch[i&1] = b
	for j := i + 1; j < len(c.filters); j++ {
		dst, err := c.filters[j].Append(c.scratch[j&1][:0], b, false)
		if err != nil {
			c.Abort(500, HandlerError)
			return err
		}
		c.scratch[j&1] = dst
		b = dst
	}
	if len(b) == 0 {
		return nil
	}
	return c.handBody(b)
}

func (c *Context) endBody() error {
	if len(c.filters) > 0 {
		if err := c.push(nil, true); err != nil {
			return err
		}
	}
	if c.phase == phaseStarted { // pushing may have found the client gone
		c.handEnd()
	}
	return nil
}

func (c *Context) handHead(length int64) {
	c.phase = phaseStarted
	c.fields.frozen = true
	if c.run != nil {
		c.run.head(length)
		return
	}
	c.x.SendHead(c.status, &c.fields, length)
}

func (c *Context) handBody(b []byte) error {
	if c.run != nil {
		return c.run.write(b)
	}
	c.room = c.x.SendBody(b)
	return nil
}

func (c *Context) handEnd() {
	c.phase = phaseEnded
	if c.run != nil {
		c.run.end()
		return
	}
	c.handLoopEnd()
}

// handLoopEnd ends the response in the exchange. On the loop.
func (c *Context) handLoopEnd() {
	if c.ending.Len() > 0 {
		c.x.SendEnd(&c.ending)
		return
	}
	c.x.SendEnd(nil)
}
