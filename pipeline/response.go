package pipeline

import (
	"os"
	"strconv"

	"weir/protocol/http1"
)

// Status is the response status: 200 until SetStatus.
func (c *Context) Status() int { return c.status }

// SetStatus sets the response status: a final one, 200 to 999. 101 is that of StartTunnel.
func (c *Context) SetStatus(code int) error {
	if c.phase >= phaseStarted {
		return ErrStarted
	}
	if code < 200 || code > 999 {
		return ErrStatus
	}
	c.status = code
	return nil
}

// Fields are the response's fields. They are frozen once the head is handed over.
func (c *Context) Fields() *Fields { return &c.fields }

// Trailers are the response's trailers, sent behind a chunked body. Adding one before the head is
// handed over makes the body chunked where the client can take that.
func (c *Context) Trailers() *Fields { return &c.ending }

// SetHeader replaces all response fields of that name by one. The strings are copied.
//
// Content-Length announces the body's length; the exchange writes it. "Connection: close" closes
// the connection behind the response, "keep-alive" does nothing. Other fields that frame the
// message or belong to the connection are ErrFraming. Date and Server set here replace the
// exchange's own.
func (c *Context) SetHeader(name, value string) error {
	if isFraming(name) {
		return c.setFraming(name, value)
	}
	return c.fields.Set(name, value)
}

// AddHeader adds a response field; what SetHeader says of Content-Length and Connection holds here.
func (c *Context) AddHeader(name, value string) error {
	if isFraming(name) {
		return c.setFraming(name, value)
	}
	return c.fields.Add(name, value)
}

// DelHeader removes all response fields of that name; for Content-Length, the announced length.
func (c *Context) DelHeader(name string) error {
	if c.phase < phaseStarted && equalFold(name, "Content-Length") {
		c.length = LengthUnknown
	}
	return c.fields.Del(name)
}

func (c *Context) setFraming(name, value string) error {
	switch {
	case c.phase >= phaseStarted:
		return ErrStarted
	case equalFold(name, "Content-Length"):
		n, err := strconv.ParseUint(trimSpace(value), 10, 63)
		if err != nil {
			return ErrField
		}
		c.length = int64(n)
	case equalFold(name, "Connection") && hasToken(value, "close"):
		c.close = true
	case equalFold(name, "Connection") && equalFold(trimSpace(value), "keep-alive"):
	default:
		return ErrFraming
	}
	return nil
}

// SetLength announces the body's length in bytes, or LengthUnknown.
func (c *Context) SetLength(n int64) error {
	if c.phase >= phaseStarted {
		return ErrStarted
	}
	c.length = max(n, LengthUnknown)
	return nil
}

// Started says whether the response head was handed over.
func (c *Context) Started() bool { return c.phase >= phaseStarted }

// Ended says whether the response is complete, aborted or cancelled.
func (c *Context) Ended() bool { return c.phase == phaseEnded }

// Write adds b to the body; b is copied. Up to 16 KiB are kept until the handler returns, so that a
// small response has a Content-Length; more starts the response.
//
// On a loop, Write takes nothing and returns ErrBackpressure while the client's queue is above its
// high mark. In a Blocking handler it waits for room instead.
func (c *Context) Write(b []byte) (int, error) {
	switch {
	case c.phase == phaseStarting:
		return 0, ErrStarted // OnStarting changes the head, not the body
	case c.phase >= phaseFailed:
		return 0, c.endedErr()
	case c.length >= 0 && c.written+int64(len(b)) > c.length:
		return 0, ErrLength
	case c.phase == phaseOpen && len(c.out)+len(b) <= bufferedBodyMax:
		c.out = append(c.out, b...)
		c.written += int64(len(b))
		return len(b), nil
	case c.run == nil && !c.room:
		return 0, ErrBackpressure
	}
	if c.phase == phaseOpen {
		if err := c.startBuffered(); err != nil {
			return 0, err
		}
	}
	if err := c.push(b, false); err != nil {
		return 0, err
	}
	c.written += int64(len(b))
	return len(b), nil
}

// WriteString is Write for a string.
func (c *Context) WriteString(s string) (int, error) { return c.Write(bytesOf(s)) }

// Flush hands what was written so far over, the head included. On a loop it never waits.
func (c *Context) Flush() error {
	switch c.phase {
	case phaseStarting:
		return ErrStarted
	case phaseFailed, phaseEnded:
		return c.endedErr()
	case phaseOpen:
		if err := c.startBuffered(); err != nil {
			return err
		}
	}
	for i, f := range c.filters {
		if ff, ok := f.(FlushFilter); ok {
			if err := c.flushFilter(i, ff); err != nil {
				return err
			}
		}
	}
	if c.run != nil {
		return c.run.flush()
	}
	return nil
}

// plainText is the Content-Type of Text.
var plainText, _ = NewLine("Content-Type", "text/plain; charset=utf-8") // well-formed

// Text answers with a short text. Content-Type is text/plain in UTF-8 unless one is set.
//
// Hot path: once per plaintext exchange. No allocation: TestTextAllocs.
func (c *Context) Text(status int, body string) {
	if c.SetStatus(status) != nil {
		return // the response has started: its status cannot change any more
	}
	if !c.fields.Has("Content-Type") {
		_ = c.fields.AddLine(plainText) // a response that has started takes nothing any more
	}
	if c.written == 0 && c.length < 0 && c.ending.Len() == 0 {
		c.length = int64(len(body))
	}
	_, _ = c.WriteString(body) // a fresh response on a loop has room; a cancelled one has no reader
}

// SendFile answers with n bytes of f from off and takes f: it is closed in every case. It returns
// at once; the response ends when the file is sent. Behind a filter the file is read by the pool
// for blocking work, else the kernel sends it.
func (c *Context) SendFile(status int, f *os.File, off, n int64) {
	if c.file.f != nil || c.SetStatus(status) != nil {
		_ = f.Close() // only read from: nothing can be lost
		return
	}
	c.out, c.written = c.out[:0], 0
	c.length = n
	c.file = fileBody{f, off, n}
}

// Inform sends an informational response, 102 to 199, at once; 103 Early Hints for example. fields
// may be nil. HTTP/1.0 clients get nothing.
func (c *Context) Inform(status int, fields *Fields) error {
	switch {
	case c.phase >= phaseStarted:
		return ErrStarted
	case status < 102 || status > 199:
		return ErrStatus
	case c.run == nil:
		c.x.SendInformational(status, fields)
		return nil
	}
	own := new(Fields) // the caller's may change before the loop comes to it
	own.CopyFrom(fields)
	return c.run.post(func(c *Context) { c.x.SendInformational(status, own) })
}

// Fail gives the answer that Weir makes itself: a short text with the reason's request id, or what
// SetErrorPage says. What the handler wrote, its description of the body and its filters are
// dropped; other fields (Retry-After, Allow, Set-Cookie) stay, and OnStarting runs. After the head
// was handed over the connection is reset instead. The reason goes to log, metric and [Outcome].
func (c *Context) Fail(status int, reason Reason) {
	if c.phase >= phaseFailed {
		return
	}
	c.reason = reason
	if c.phase == phaseStarted {
		c.Abort(status, reason)
		return
	}
	c.dropAnswer()
	c.status = status
	if status < 200 || status > 999 {
		c.status = 500
	}
	page := c.page
	if page == nil {
		page = PlainPage
	}
	body, contentType := page(c, c.out, c.status, reason)
	c.out = body
	_ = c.fields.Set("Content-Type", contentType) // a bad one only loses its field
	_ = c.fields.Set("Cache-Control", "no-store") // well-formed
	if c.run != nil {
		c.phase = phaseFailed
		return
	}
	c.finish()
}

// dropAnswer forgets what the handler has made of its answer so far, other than general fields.
func (c *Context) dropAnswer() {
	c.out, c.written, c.length = c.out[:0], 0, LengthUnknown
	c.closeFile()
	c.stream, c.blocking, c.src, c.async = nil, nil, nil, false
	c.body.then = nil
	c.entered = false
	clear(c.filters)
	c.filters = c.filters[:0]
	c.ending.Reset()
	for _, name := range describing {
		_ = c.fields.Del(name) // the head is not handed over: Fail has checked
	}
}

// describing are the fields that tell of a body, and so go with it.
var describing = [...]string{
	"Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Content-Range",
	"Content-Disposition", "Accept-Ranges", "ETag", "Last-Modified", "Expires", "Cache-Control",
	"Trailer",
}

// Abort gives the exchange up: before the head was handed over the exchange answers with status,
// after it the connection is reset. In a Blocking handler it takes effect when that returns.
func (c *Context) Abort(status int, reason Reason) {
	if c.phase == phaseEnded {
		return
	}
	c.reason = reason
	c.phase = phaseEnded
	c.out = c.out[:0]
	c.closeFile()
	c.stream, c.blocking = nil, nil
	if c.run != nil {
		c.run.abort(status, reason)
		return
	}
	c.x.Abort(status, reason)
}

func (c *Context) endedErr() error {
	if err := c.Err(); err != nil {
		return err
	}
	return ErrEnded
}

func (c *Context) closeFile() {
	if c.file.f != nil {
		_ = c.file.f.Close() // only read from: nothing can be lost
		c.file = fileBody{}
	}
}

// PlainPage is the default ErrorPage: status, its text, and the request id.
func PlainPage(c *Context, dst []byte, status int, _ Reason) ([]byte, string) {
	dst = strconv.AppendInt(dst, int64(status), 10)
	if text := http1.StatusText(status); text != "" {
		dst = append(append(dst, ' '), text...)
	}
	dst = append(dst, "\nrequest id: "...)
	dst = append(append(dst, c.RequestID()...), '\n')
	return dst, "text/plain; charset=utf-8"
}
