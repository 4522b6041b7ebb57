// Package pipelinetest has an Exchange for tests of handlers and middleware: it parses a request,
// records the response, and fails the test when the order of calls that pipeline.Exchange promises
// is broken. The test's goroutine is the loop.
package pipelinetest

import (
	"io"
	"net/netip"
	"os"
	"sync"
	"testing"

	"weir/pipeline"
	"weir/protocol/http1"
)

// Exchange records one exchange at a time. Its exported fields are for the test's goroutine.
type Exchange struct {
	T       pipeline.Transport
	Request http1.Request
	Origin  pipeline.Origin // given to Begin
	Now     int64           // given to Begin

	High     int  // bytes queued from which on SendBody says there is no room; 0: never
	PoolFull bool // Blocking refuses

	Informed []int // statuses of informational responses
	Heads    int   // SendHead calls
	Status   int
	Fields   pipeline.Fields
	Length   int64 // as given to SendHead
	Body     []byte
	Trailers pipeline.Fields
	Sends    int  // SendBody calls
	Files    int  // SendFile calls
	Half     bool // CloseWrite was called
	Ended    bool
	Aborted  bool
	AbortBy  pipeline.Reason
	Panic    any
	Held     bool
	Asked    bool // ReceiveBody was called
	Paused   bool
	Fed      []byte // request body that the sink has got

	tb     testing.TB
	raw    []byte
	queued int
	dead   bool // cancelled
	sink   pipeline.BodySink
	feed   []byte
	fed    bool
	ended  bool
	endErr error

	mu     sync.Mutex
	wake   sync.Cond
	posts  []func(*pipeline.Context)
	posted []func(*pipeline.Context) // being run
}

// New makes an exchange for a request head; what follows it is the body. It fails tb on a head that
// http1 refuses.
func New(tb testing.TB, raw string) *Exchange {
	tb.Helper()
	x := &Exchange{tb: tb, Now: 1}
	x.wake.L = &x.mu
	x.Origin = pipeline.Origin{
		Peer: netip.MustParseAddrPort("192.0.2.1:1234"), Local: "127.0.0.1:8080", Scheme: "http",
	}
	x.Load(raw)
	return x
}

// Get is New for a GET of target with these field lines, each ending in CRLF.
func Get(tb testing.TB, target, fields string) *Exchange {
	tb.Helper()
	return New(tb, "GET "+target+" HTTP/1.1\r\nHost: example.org\r\n"+fields+"\r\n")
}

// Load makes raw the next request.
func (x *Exchange) Load(raw string) {
	x.tb.Helper()
	x.raw = append(x.raw[:0], raw...)
	n, err := x.Request.Parse(x.raw, 0, nil)
	if err != nil || n == 0 {
		x.tb.Fatalf("pipelinetest: Parse(%q) = %d, %v", raw, n, err)
	}
	x.feed = append(x.feed[:0], x.raw[n:]...)
	x.fed = false
	x.ended = len(x.feed) > 0 || !x.Request.HasBody()
	x.endErr, x.sink = nil, nil
}

// Begin starts the exchange without serving it.
func (x *Exchange) Begin() *pipeline.Context {
	x.Informed, x.Body, x.Fed = x.Informed[:0], x.Body[:0], x.Fed[:0]
	x.Heads, x.Status, x.Length, x.Sends, x.Files, x.queued = 0, 0, 0, 0, 0, 0
	x.Fields.Reset()
	x.Trailers.Reset()
	x.Half = false
	x.Ended, x.Aborted, x.Held, x.Asked, x.Paused, x.dead = false, false, false, false, false, false
	x.AbortBy, x.Panic = pipeline.ReasonNone, nil
	if err := x.T.Begin(x, &x.Request, x.Origin, x.Now); err != nil {
		x.tb.Errorf("pipelinetest: Begin: %v", err)
	}
	return &x.T.Context
}

// Serve begins the exchange and runs h. Blocking handlers, streams and async answers may be left.
func (x *Exchange) Serve(h pipeline.Handler) {
	x.Begin()
	x.T.Serve(h)
	x.pass()
}

// Run is Serve until the response has ended: posted functions are run, waiting for them if need be,
// and the client has taken every byte.
func (x *Exchange) Run(h pipeline.Handler) {
	x.Serve(h)
	x.Finish()
}

// Finish goes on until the response has ended or was given up.
func (x *Exchange) Finish() {
	for !x.Ended && !x.Aborted {
		if x.queued > 0 {
			x.Drain()
			continue
		}
		x.Turn()
	}
}

// Drain lets the client take everything: the outbound queue is empty, and Writable is called if it
// was full.
func (x *Exchange) Drain() {
	full := x.High > 0 && x.queued >= x.High
	x.queued = 0
	if full && !x.Ended && !x.Aborted {
		x.T.Writable()
	}
}

// Queued is the number of bytes the client has not taken.
func (x *Exchange) Queued() int { return x.queued }

// Turn waits for posted functions and runs those there are.
func (x *Exchange) Turn() {
	x.mu.Lock()
	for len(x.posts) == 0 {
		x.wake.Wait()
	}
	x.posted, x.posts = x.posts, x.posted[:0]
	x.mu.Unlock()
	for i, f := range x.posted {
		x.posted[i] = nil
		if !x.Ended && !x.Aborted {
			f(&x.T.Context)
		}
	}
	x.pass()
}

// Cancel is the client gone. It reports what Transport.Cancel does: false while a Blocking handler
// owns the Context.
func (x *Exchange) Cancel(err error) (done bool) {
	if done = x.T.Cancel(err); done {
		x.Aborted = true
	}
	x.dead = true
	return done
}

// Complete ends the exchange with its recorded outcome.
func (x *Exchange) Complete() {
	x.T.Complete(pipeline.Outcome{
		Status: x.Status, BytesOut: int64(len(x.Body)), Reason: x.T.Reason(),
	})
}

// Feed brings request body bytes, as the client sends them.
func (x *Exchange) Feed(b string) {
	x.feed = append(x.feed, b...)
	x.pass()
}

// EndBody ends the request body; err says why it is cut.
func (x *Exchange) EndBody(err error) {
	x.ended, x.endErr = true, err
	x.pass()
}

// pass delivers what there is of the body to the sink.
func (x *Exchange) pass() {
	if x.sink == nil || x.Paused || x.fed {
		return
	}
	if b := x.feed; len(b) > 0 {
		x.feed = nil
		x.Fed = append(x.Fed, b...)
		x.sink.OnBody(&x.T.Context, b)
		if x.Paused {
			return
		}
	}
	if x.ended && !x.fed {
		x.fed = true
		x.sink.OnBodyEnd(&x.T.Context, x.endErr)
	}
}

// check fails the test when the response is over already.
func (x *Exchange) check(what string) bool {
	if x.Ended || x.Aborted {
		x.tb.Errorf("pipelinetest: %s after the end of the response", what)
	}
	return !x.dead
}

// Generation is that of the Transport.
func (x *Exchange) Generation() uint64 { return x.T.Generation() }

// SendInformational notes the status.
func (x *Exchange) SendInformational(status int, _ *pipeline.Fields) {
	if x.check("SendInformational") && x.Heads > 0 {
		x.tb.Error("pipelinetest: SendInformational after SendHead")
	}
	x.Informed = append(x.Informed, status)
}

// SendHead notes the head.
func (x *Exchange) SendHead(status int, fields *pipeline.Fields, length int64) {
	if x.check("SendHead"); x.Heads > 0 {
		x.tb.Error("pipelinetest: SendHead called twice")
	}
	x.Heads++
	x.Status, x.Length = status, length
	x.Fields.CopyFrom(fields)
}

// SendBody notes the bytes, unless the method is HEAD.
func (x *Exchange) SendBody(b []byte) (room bool) {
	if x.check("SendBody"); x.Heads == 0 {
		x.tb.Error("pipelinetest: SendBody before SendHead")
	}
	x.Sends++
	if x.Request.Verb != http1.VerbHead {
		x.Body = append(x.Body, b...)
		x.queued += len(b)
	}
	return x.High == 0 || x.queued < x.High
}

// SendFile reads the file and closes it.
func (x *Exchange) SendFile(f *os.File, off, n int64) {
	x.check("SendFile")
	x.Files++
	if x.Request.Verb != http1.VerbHead {
		b, err := io.ReadAll(io.NewSectionReader(f, off, n))
		if err != nil {
			x.tb.Errorf("pipelinetest: SendFile: %v", err)
		}
		x.Body = append(x.Body, b...)
	}
	if err := f.Close(); err != nil {
		x.tb.Errorf("pipelinetest: SendFile: %v", err)
	}
}

// CloseWrite notes the call.
func (x *Exchange) CloseWrite() {
	if x.check("CloseWrite"); x.Length != pipeline.LengthTunnel {
		x.tb.Error("pipelinetest: CloseWrite, and there is no tunnel")
	}
	x.Half = true
}

// SendEnd notes the trailers and holds the body to its announced length.
func (x *Exchange) SendEnd(trailers *pipeline.Fields) {
	if x.check("SendEnd"); x.Heads == 0 {
		x.tb.Error("pipelinetest: SendEnd before SendHead")
	}
	x.Ended = true
	x.Trailers.CopyFrom(trailers)
	bodiless := x.Request.Verb == http1.VerbHead || x.Status == 304
	if x.Length >= 0 && !bodiless && int64(len(x.Body)) != x.Length {
		x.Ended, x.Aborted = false, true // as the real one: the connection is reset
	}
}

// Abort notes the reason, and the status if no head was sent.
func (x *Exchange) Abort(status int, reason pipeline.Reason) {
	x.check("Abort")
	x.Aborted, x.AbortBy = true, reason
	if x.Heads == 0 {
		x.Status = status
	}
}

// ReceiveBody passes on what was fed so far.
func (x *Exchange) ReceiveBody(sink pipeline.BodySink) {
	x.check("ReceiveBody")
	x.sink, x.Asked = sink, true
	x.pass()
}

// PauseBody keeps what is fed from now on.
func (x *Exchange) PauseBody() { x.check("PauseBody"); x.Paused = true }

// ResumeBody passes on what was kept.
func (x *Exchange) ResumeBody() {
	x.check("ResumeBody")
	x.Paused = false
	x.pass()
}

// Hold notes the call.
func (x *Exchange) Hold(pipeline.Source) { x.check("Hold"); x.Held = true }

// Post queues f for Turn.
func (x *Exchange) Post(generation uint64, f func(*pipeline.Context)) bool {
	if generation != x.T.Generation() {
		return false
	}
	x.mu.Lock()
	x.posts = append(x.posts, f)
	x.wake.Signal()
	x.mu.Unlock()
	return true
}

// Blocking runs f on a goroutine of its own.
func (x *Exchange) Blocking(f func()) bool {
	if x.PoolFull {
		return false
	}
	go f()
	return true
}

// Panicked notes the panic and answers as pipeline/server does.
func (x *Exchange) Panicked(v any, _ []byte) {
	x.Panic = v
	x.T.Fail(500, pipeline.HandlerPanic)
}
