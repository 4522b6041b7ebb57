package pipeline

// Blocking makes h run on the bounded pool for blocking work, where it may wait for files,
// databases and the client. It starts when the chain around it has returned, so nothing else
// touches the Context meanwhile; a full pool answers 503 with reason BlockingFull.
//
// In h, Write waits for room instead of refusing, BodyReader works, and Abort, Fail, SendFile and
// the end of the response take effect when h returns. OnStarting callbacks and filters run on h's
// goroutine when h starts the response. When the client goes away, c.Context() is cancelled and
// reads and writes fail; h should return then, for its exchange is kept until it does.
//
// Within a Blocking handler, and within Inline, Blocking(h) is just h.
func Blocking(h Handler) Handler {
	if h == nil {
		panic("pipeline: Blocking(nil)")
	}
	return func(c *Context) {
		if c.run != nil || c.inline {
			h(c)
			return
		}
		if c.phase < phaseFailed {
			c.blocking = h
		}
	}
}
