package pipeline

import (
	"context"
	"iter"
	"net/netip"
	"os"
	"sync/atomic"

	"weir/protocol/http1"
)

// Origin says where an exchange came from; it is the same for all exchanges of a connection unless
// a trusted proxy says otherwise.
type Origin struct {
	Peer    netip.AddrPort // the client; not valid for a Unix socket
	Local   string         // address of the listener: "127.0.0.1:8080" or "unix:/run/x.sock"
	Scheme  string         // "http" or "https", as the client sees it
	Trusted bool           // the connection's peer is one of trusted_proxies
}

// phase is how far the response has come.
type phase uint8

const (
	phaseOpen     phase = iota // nothing handed over: status and fields may change
	phaseStarting              // OnStarting runs: status and fields may change, no body yet
	phaseStarted               // head handed over
	phaseFailed                // Fail in a Blocking handler: its page goes out when that returns
	phaseEnded                 // ended, aborted or cancelled: everything is refused
)

// Context is one exchange: a request and its response.
//
// It is reused for the next exchange, so a handler must not keep it. Strings and byte slices that
// its methods return are views: valid until the exchange completes, after the last OnCompleted
// callback.
//
// At any time one goroutine owns a Context: the loop, or the goroutine of a [Blocking] handler
// while that runs. No other may call its methods; [Context.Async] makes a value that may go
// anywhere.
type Context struct {
	x      Exchange
	r      *http1.Request
	origin Origin
	now    int64
	gen    atomic.Uint64
	open   openPosts

	target   string // decoded path; PathBase is target[:base], Path is target[base:]
	base     int
	pathBuf  []byte // decoded form of a target that had something to decode
	id       string
	idBusy   atomic.Bool // lockID
	ids      idSource
	trailers Fields // of the request
	body     bodyState

	phase    phase
	close    bool // the handler asked for Connection: close
	room     bool // the outbound queue is below its high mark
	held     bool // Exchange.Hold was called
	async    bool // Async was called: the response ends by Finish
	status   int
	reason   Reason
	length   int64 // announced by the handler, or LengthUnknown
	written  int64 // body bytes taken from the handler
	fields   Fields
	ending   Fields // trailers of the response
	out      []byte // body bytes before the head is handed over
	scratch  [2][]byte
	page     ErrorPage
	src      Source
	stream   func(dst []byte) (int, error)
	later    bool // pumpNow is posted
	file     fileBody
	blocking Handler          // to be run by the pool once the chain has returned
	run      *run             // not nil while a Blocking handler owns the Context
	posted   []func(*Context) // by Async while a run owns the Context
	inline   bool             // Inline is around the handler
	entered  bool             // user code runs on the loop and settle will follow

	starting  []func(*Context)
	completed []func(*Context, Outcome)
	filters   []Filter
	slots     []any

	std    atomic.Pointer[stdContext]
	cancel atomic.Pointer[cause]
}

// fileBody is a file to be sent as the whole body; f is nil when there is none.
type fileBody struct {
	f      *os.File
	off, n int64
}

// Request is the parsed head, for who forwards it. It must not be changed.
func (c *Context) Request() *http1.Request { return c.r }

// Method is the request method, as sent.
func (c *Context) Method() string { return view(c.r.Method()) }

// IsHead says whether the method is HEAD.
func (c *Context) IsHead() bool { return c.r.Verb == http1.VerbHead }

// Path is the decoded path without what Map and the app's prefix matched; it is empty when they
// matched all of it. Dot segments are resolved; "%2F" stays, so that a slash always separates
// segments ([http1.DecodePath]). "*" and the empty path of CONNECT stay, too.
func (c *Context) Path() string { return c.target[c.base:] }

// PathBase is what Map and the app's prefix matched of the decoded path: "" or "/shop".
func (c *Context) PathBase() string { return c.target[:c.base] }

// RawTarget is the request target as sent.
func (c *Context) RawTarget() string { return view(c.r.Target()) }

// Query is the raw query without "?".
func (c *Context) Query() string { return view(c.r.Query()) }

// Host is the request's authority: host, or host:port.
func (c *Context) Host() string { return view(c.r.Host()) }

// Scheme is "http" or "https".
func (c *Context) Scheme() string { return c.origin.Scheme }

// Peer is the client's address; it is not valid for a client on a Unix socket.
func (c *Context) Peer() netip.AddrPort { return c.origin.Peer }

// Local is the address of the listener that the request came in by.
func (c *Context) Local() string { return c.origin.Local }

// PeerTrusted says whether the connection comes from a trusted proxy.
func (c *Context) PeerTrusted() bool { return c.origin.Trusted }

// Now is the loop's monotonic time in nanoseconds when the request head was complete.
func (c *Context) Now() int64 { return c.now }

// Header returns the first value of a request field, "" when there is none.
func (c *Context) Header(name string) string { return view(c.r.Lookup(name)) }

// Values iterates over the values of a request field, in order.
func (c *Context) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, n := 0, c.r.NumFields(); i < n; i++ {
			if equalFold(view(c.r.FieldName(i)), name) && !yield(view(c.r.FieldValue(i))) {
				return
			}
		}
	}
}

// RequestFields iterates over all request fields, in order.
func (c *Context) RequestFields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i, n := 0, c.r.NumFields(); i < n; i++ {
			if !yield(view(c.r.FieldName(i)), view(c.r.FieldValue(i))) {
				return
			}
		}
	}
}

// RequestTrailers are the trailer fields of the request: empty until its body has ended. A handler
// must not change them.
func (c *Context) RequestTrailers() *Fields { return &c.trailers }

// RequestID identifies the exchange in logs, error pages and towards workers: the one set by
// SetRequestID, else 32 hexadecimal digits made on the first call. Unlike other methods it may also be
// called by a goroutine that does not own the Context, as long as the exchange cannot complete.
func (c *Context) RequestID() string {
	c.lockID()
	if c.id == "" {
		c.id = c.ids.next()
	}
	id := c.id
	c.unlockID()
	return id
}

// SetRequestID makes id the request id if it is fit for one: 1 to 128 bytes of visible ASCII. id
// must stay valid until the exchange completes, as views of the request do.
func (c *Context) SetRequestID(id string) bool {
	if id == "" || len(id) > requestIDMax {
		return false
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return false
		}
	}
	c.lockID()
	c.id = id
	c.unlockID()
	return true
}

// OnStarting calls f before the response head is handed over; f may still change status and fields
// and add filters. Callbacks run in reverse order of registration, each once. State belongs under a
// [Key], not into a closure.
func (c *Context) OnStarting(f func(c *Context)) error {
	if c.phase >= phaseStarted {
		return ErrStarted
	}
	mustFit("OnStarting", len(c.starting))
	c.starting = append(c.starting, f)
	return nil
}

// AddFilter sends the response body through f. The first one added sees the handler's bytes.
func (c *Context) AddFilter(f Filter) error {
	if c.phase >= phaseStarted {
		return ErrStarted
	}
	mustFit("AddFilter", len(c.filters))
	c.filters = append(c.filters, f)
	return nil
}

// OnCompleted calls f after the last byte of the response was handed to the socket, or the exchange
// was aborted or cancelled. Callbacks run on the loop, in reverse order of registration.
func (c *Context) OnCompleted(f func(c *Context, o Outcome)) {
	mustFit("OnCompleted", len(c.completed))
	c.completed = append(c.completed, f)
}

// SetErrorPage makes p shape the answers that Weir makes itself in this exchange; nil restores the
// short text. It returns the one set before.
func (c *Context) SetErrorPage(p ErrorPage) (old ErrorPage) {
	old, c.page = c.page, p
	return old
}

// Context returns a context.Context that is cancelled when the client is gone, the exchange is
// given up or it completes; [context.Cause] says which. It is made on the first call, and may be
// kept.
func (c *Context) Context() context.Context {
	if s := c.std.Load(); s != nil {
		return s.ctx
	}
	return c.makeStd()
}

func mustFit(what string, n int) {
	if n >= callbacksMax {
		panic("pipeline: more than 64 calls of " + what + " in one exchange")
	}
}
