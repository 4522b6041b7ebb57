package pipeline

import "io"

// bodyState is a request body being read by ReadBody.
type bodyState struct {
	then func(c *Context, body []byte, err error) // nil when nobody reads
	max  int64
	buf  []byte
}

// reset keeps a buffer of ordinary size.
func (s *bodyState) reset() {
	s.then, s.max = nil, 0
	if s.buf = s.buf[:0]; cap(s.buf) > runBodyHigh {
		s.buf = nil
	}
}

// ReadBody reads the whole request body and calls then with it, on the loop, perhaps before
// ReadBody returns. body is valid until the exchange completes. The response is complete when then
// returns, as if it were the handler.
//
// A body longer than max bytes gives ErrBodyTooLarge, with the status set to 413. Any other error
// says that the exchange is over: then may release what it holds, and cannot answer.
func (c *Context) ReadBody(max int64, then func(c *Context, body []byte, err error)) {
	if c.run != nil {
		c.readBlocking(max, then)
		return
	}
	if c.body.then != nil {
		panic("pipeline: ReadBody called twice")
	}
	c.body.then, c.body.max, c.body.buf = then, max, c.body.buf[:0]
	if n := c.r.ContentLength; n > max {
		_ = c.SetStatus(413) // if the response has started, it has another status
		c.bodyDone(nil, ErrBodyTooLarge)
		return
	} else if n > int64(cap(c.body.buf)) {
		c.body.buf = make([]byte, 0, min(n, bodyGuessMax))
	}
	c.hold()
	c.x.ReceiveBody(collector{})
}

// readBlocking is ReadBody on the goroutine of a Blocking handler.
func (c *Context) readBlocking(max int64, then func(c *Context, body []byte, err error)) {
	body, err := io.ReadAll(io.LimitReader(c.BodyReader(), max+1))
	if err == nil && int64(len(body)) > max {
		body, err = nil, ErrBodyTooLarge
		_ = c.SetStatus(413) // if the response has started, it has another status
	}
	then(c, body, err)
}

// collector is the BodySink of ReadBody; its state is in the Context.
type collector struct{}

func (collector) OnBody(c *Context, b []byte) {
	s := &c.body
	if s.then == nil {
		return // too large, or cancelled: the rest is not wanted
	}
	if int64(len(s.buf)+len(b)) > s.max {
		_ = c.SetStatus(413) // if the response has started, it has another status
		c.bodyDone(nil, ErrBodyTooLarge)
		return
	}
	s.buf = append(s.buf, b...)
}

func (collector) OnBodyEnd(c *Context, err error) {
	switch {
	case c.body.then == nil:
	case err != nil:
		c.phase = phaseEnded // the exchange answers or aborts by itself
		c.bodyDone(nil, err)
	default:
		c.bodyDone(c.body.buf, nil)
	}
}

func (c *Context) bodyDone(body []byte, err error) {
	then := c.body.then
	c.body.then = nil
	if c.entered { // within ReceiveBody: the handler's return settles
		then(c, body, err)
		return
	}
	c.entered = true
	then(c, body, err)
	c.entered = false
	c.settle()
}
