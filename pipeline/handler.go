package pipeline

import "time"

// Handler answers one exchange. It runs on the loop that owns the connection unless it was wrapped
// by [Blocking], so it must not block, and it must not keep c: [Context.Async] returns what may be
// kept.
//
// The response is complete when the handler returns, except after Async, Stream, SendFile, ReadBody
// or Hold, and behind Blocking.
type Handler func(c *Context)

// Middleware wraps next. It is called once, when the chain is composed; the Handler it returns runs
// per exchange.
//
// A Handler behind next may leave its answer to a worker, to a stream or to a blocking handler, and
// such an answer does not exist yet when next returns: work on the response belongs into
// [Context.OnStarting], a [Filter] or [Context.OnCompleted].
type Middleware func(next Handler) Handler

// Predicate chooses a branch of the chain.
type Predicate func(c *Context) bool

// Filter rewrites a response body, for example to compress it. One Filter serves one exchange.
type Filter interface {
	// Append appends the filtered form of src to dst. last is set once, with the final bytes
	// (perhaps none). src must not be written or kept.
	Append(dst, src []byte, last bool) ([]byte, error)
}

// FlushFilter is a Filter that holds bytes back and can be told to let them go.
type FlushFilter interface {
	Filter
	// AppendFlush appends what the filter holds back; [Context.Flush] calls it.
	AppendFlush(dst []byte) ([]byte, error)
}

// Outcome says how an exchange ended.
type Outcome struct {
	Status   int           // as sent; 0 when no head was sent
	BytesIn  int64         // request body bytes received
	BytesOut int64         // response bytes handed to the socket, head included
	Reason   Reason        // why Weir answered or cut it itself; ReasonNone for a handler's answer
	Err      error         // nil when the whole response was sent
	Duration time.Duration // from the first byte of the head to the last of the response
}

// ErrorPage appends the body of an answer that Weir makes itself to dst and returns it with its
// content type. It must not write to c.
type ErrorPage func(
	c *Context, dst []byte, status int, reason Reason,
) (body []byte, contentType string)
