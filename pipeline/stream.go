package pipeline

import (
	"io"
	"os"
)

// Stream answers with what next gives. next fills dst and returns the number of bytes, like
// io.Reader: io.EOF ends the response, perhaps with the last bytes; ErrAgain says that there is
// nothing now, and next is called again after the next Async.Post; any other error cuts the
// response. Bytes announced by Content-Length must all come.
//
// On a loop next is called below the low mark of the client's queue, and must not block. In a
// Blocking handler it is called once that has returned, on its goroutine, and may block; ErrAgain
// makes no sense there and cuts the response.
func (c *Context) Stream(status int, next func(dst []byte) (n int, err error)) {
	if c.SetStatus(status) == nil {
		c.stream = next
	}
}

// pump pulls the stream while the client has room. On the loop, which has other clients: what one that
// keeps up with us gets at a time is bounded.
func (c *Context) pump() {
	c.hold()
	if c.phase == phaseOpen && c.startBuffered() != nil {
		return
	}
	chunk := c.chunk()
	left := pumpMax
	for idle := 0; c.room && c.stream != nil && c.phase == phaseStarted; {
		if left <= 0 {
			c.pumpLater()
			return
		}
		n, err := c.stream(chunk)
		left -= n
		idle++
		if n > 0 {
			idle = 0
			if c.push(chunk[:n], false) != nil {
				return
			}
		}
		if err == nil && idle == streamIdleMax {
			err = io.ErrNoProgress
		}
		switch err {
		case nil:
		case ErrAgain:
			return
		case io.EOF:
			c.stream = nil
			_ = c.endBody() // its error has already aborted the exchange
		default:
			c.Abort(500, HandlerError)
		}
	}
}

// pumpLater goes on with the stream when others have had their turn.
func (c *Context) pumpLater() {
	if !c.later {
		c.later = true
		c.x.Post(c.gen.Load(), pumpNow) // false: the loop ends, and the exchange with it
	}
}

func pumpNow(c *Context) {
	c.later = false
	c.deliver(func(*Context) {}, postedMax)
}

// chunk is a buffer for Stream's next: that of the buffered body, which is not used after the
// start.
func (c *Context) chunk() []byte {
	if cap(c.out) < streamChunk {
		c.out = make([]byte, 0, streamChunk)
	}
	return c.out[:streamChunk]
}

// pumpBlocking pulls the stream to its end on the goroutine of a Blocking handler.
func (c *Context) pumpBlocking() {
	if c.phase == phaseOpen && c.startBuffered() != nil {
		return
	}
	chunk := c.chunk()
	for idle := 0; c.phase == phaseStarted; {
		n, err := c.stream(chunk)
		idle++
		if n > 0 {
			idle = 0
			if c.push(chunk[:n], false) != nil {
				return
			}
		}
		switch {
		case err == io.EOF:
			c.stream = nil
			_ = c.endBody() // its error has already aborted the exchange
		case err != nil || idle == streamIdleMax:
			c.Abort(500, HandlerError)
		}
	}
}

// sendFile hands the file over. On the loop; the handler has returned.
func (c *Context) sendFile() {
	if len(c.filters) == 0 && len(c.starting) > 0 {
		c.runStarting() // callbacks may add filters
	}
	if len(c.filters) > 0 && !c.IsHead() {
		c.phase = phaseOpen
		c.blocking = copyFile
		c.startRun()
		return
	}
	c.phase = phaseOpen
	file := c.file
	c.file.f = nil
	if c.StartResponse(file.n) != nil {
		_ = file.f.Close() // only read from: nothing can be lost
		return
	}
	c.x.SendFile(file.f, file.off, file.n)
	c.handEnd()
}

// copyFile is the Handler that reads a file for the filters.
func copyFile(c *Context) {
	file := c.file
	c.file.f = nil
	defer closeQuietly(file.f)
	c.pumpFrom(io.NewSectionReader(file.f, file.off, file.n), file.n)
}

// pumpFrom makes exactly n bytes of r the body, on the goroutine of a Blocking handler.
func (c *Context) pumpFrom(r io.Reader, n int64) {
	c.stream = func(dst []byte) (int, error) {
		got, err := r.Read(dst)
		if n -= int64(got); err == io.EOF && n > 0 {
			err = io.ErrUnexpectedEOF
		}
		return got, err
	}
	c.pumpBlocking()
	c.stream = nil
}

func closeQuietly(f *os.File) { _ = f.Close() } // only read from: nothing can be lost
