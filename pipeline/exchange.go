package pipeline

import "os"

// Framing lengths for [Exchange.SendHead] that are no byte count.
const (
	LengthUnknown = -1 // chunked on HTTP/1.1, delimited by close on HTTP/1.0
	LengthTunnel  = -2 // of a 101, or of a 2xx to CONNECT: bytes as they are, both ways; see Context.StartTunnel
)

// Exchange is the transport's half of a [Context]: one request and its response on one client
// connection. pipeline/server implements it; code on the request path calls it through Context
// only.
//
// Every method runs on the loop that owns the connection. The order is fixed:
// SendInformational*, SendHead, (SendBody | SendFile)*, SendEnd; Abort ends it at any point.
// After SendEnd or Abort no method but Generation may be called.
//
// The exchange frames (Content-Length or chunks), leaves out the body of HEAD, 204 and 304, adds
// Date, Server and Connection, and refuses field bytes that could split a response.
type Exchange interface {
	// Generation is unique per exchange of one Context; Async values carry it. It is that of the
	// exchange's Transport.
	Generation() uint64

	// SendInformational queues a 1xx head (103 for example; 101 is a head, not informational).
	// HTTP/1.0 clients get nothing. fields may be nil.
	SendInformational(status int, fields *Fields)

	// SendHead queues the response head. length is the exact body length in bytes, or
	// LengthUnknown.
	SendHead(status int, fields *Fields, length int64)

	// SendBody queues body bytes; b may be reused on return. room is false when the outbound queue
	// is at or above the high watermark: stop until Source.OnWritable.
	SendBody(b []byte) (room bool)

	// SendFile queues n bytes of f from off and takes f: the exchange closes it. Pages that are not
	// in memory are read by the blocking pool, never by the loop.
	SendFile(f *os.File, off, n int64)

	// CloseWrite ends this side's half of a tunnel: the client gets FIN behind what is queued, and may
	// go on sending until SendEnd. What SendBody brings afterwards is dropped.
	CloseWrite()

	// SendEnd completes the response. trailers may be nil; they go out only where chunked framing
	// is used. Fewer body bytes than promised resets the connection.
	SendEnd(trailers *Fields)

	// Abort gives the exchange up: before the head it answers status with reason; after it the
	// connection is reset, so that no client takes a cut response for a whole one.
	Abort(status int, reason Reason)

	// ReceiveBody starts delivery of the request body to sink; the first call sends 100 Continue
	// when the client waits for it. A request without body gets OnBodyEnd(nil) before ReceiveBody
	// returns. In a tunnel the body is what the client sends until its FIN, and ReceiveBody may be
	// called anew for it.
	ReceiveBody(sink BodySink)
	// PauseBody and ResumeBody stop and go on reading the client; bytes already read may still come
	// from inside ResumeBody. The body's minimum rate is not enforced while paused.
	PauseBody()
	ResumeBody()

	// Hold keeps the exchange open after the handler returned, until SendEnd or Abort; src learns
	// of room and of cancellation. Views of the request stay valid.
	Hold(src Source)

	// Post runs f on the loop if generation still is this exchange's; false: it is over, f is
	// dropped. The only method that any goroutine may call.
	Post(generation uint64, f func(*Context)) bool

	// Blocking runs f on the bounded pool for blocking work; false: the pool is full.
	Blocking(f func()) bool

	// Panicked reports a panic of a Blocking handler, on the loop: the exchange logs and counts it
	// as one on the loop and ends the exchange by Transport.Fail. The goroutine has returned.
	Panicked(v any, stack []byte)
}

// BodySink takes a request body as it arrives, on the loop.
type BodySink interface {
	// OnBody gets decoded body bytes, valid during the call only.
	OnBody(c *Context, b []byte)
	// OnBodyEnd is the last call. err is nil for a whole body (trailers, if any, are in
	// c.RequestTrailers), else why it is cut: the exchange answers or aborts by itself then.
	OnBodyEnd(c *Context, err error)
}

// Source makes a response after its handler returned: dispatch to a worker, a stream, an async
// handler.
type Source interface {
	// OnWritable says that the outbound queue fell below the low watermark.
	OnWritable(c *Context)
	// OnCancel says that the exchange is over early: client gone, time-out, drain deadline. It is
	// the last call; the Context must not be used after it returns.
	OnCancel(c *Context, err error)
}
