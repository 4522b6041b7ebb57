package pipeline

import (
	"bytes"
	"io"
	"net/http"
)

// Inline makes Blocking handlers within h, those of the adapters included, run on the loop. It is
// for handlers known to return at once: while one runs, no other connection of its loop is served.
//
// An adapted handler then gets its request body whole, up to 1 MiB (else 413), and its writes fail
// with ErrBackpressure when the client does not keep up.
func Inline(h Handler) Handler {
	if h == nil {
		panic("pipeline: Inline(nil)")
	}
	return func(c *Context) {
		outer := c.inline
		c.inline = true
		h(c)
		c.inline = outer
	}
}

// adapt makes a Handler of serve, which reads its body as a stream: Blocking, or inline with the
// body read beforehand.
func adapt(serve func(c *Context, body io.Reader)) Handler {
	onGoroutine := Blocking(func(c *Context) { serve(c, c.BodyReader()) })
	withBody := func(c *Context, body []byte, err error) {
		switch err {
		case nil:
			serve(c, bytes.NewReader(body))
		case ErrBodyTooLarge:
			c.Fail(http.StatusRequestEntityTooLarge, EntityTooLarge)
		}
	}
	return func(c *Context) {
		switch {
		case !c.inline || c.run != nil:
			onGoroutine(c)
		case !c.r.HasBody():
			serve(c, http.NoBody)
		default:
			c.ReadBody(inlineBodyMax, withBody)
		}
	}
}
