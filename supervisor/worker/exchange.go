package worker

import (
	"errors"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"weir/pipeline"
	"weir/protocol/http1"
)

// host runs one pipeline handler behind fasthttp.
type host struct {
	handler   pipeline.Handler
	local     string // address, as handlers see it
	exchanges sync.Pool
	tunnels   sync.WaitGroup
}

func newHost(h pipeline.Handler) *host {
	s := &host{handler: h, local: "unix:" + os.Getenv("WEIR_SOCKET")}
	s.exchanges.New = func() any { return &exchange{wake: make(chan struct{}, 1)} }
	return s
}

// exchange is the transport of one request. Its loop is the goroutine on which fasthttp serves the
// connection: first inside the handler, until the response is whole or has begun; then inside Read,
// by which fasthttp takes a body that is not whole yet. As the loop belongs to one exchange, it may
// wait: the connection's own backpressure is the exchange's.
type exchange struct {
	t    pipeline.Transport
	req  http1.Request
	raw  []byte // what req refers to
	ctx  *fasthttp.RequestCtx
	home *host

	began    time.Time
	status   int
	length   int64
	parts    []part // response body, not taken yet
	queued   int    // bytes in parts
	taken    int64  // bytes that fasthttp took as a stream
	bytesOut int64
	bytesIn  int64
	headSent bool
	stalled  bool // SendBody said that there is no room
	ended    bool // SendEnd, or nothing more can be sent
	cut      error
	body     *bodyReader
	tunnel   *hostTunnel // not nil once the response begins one

	mu    sync.Mutex
	posts []func(*pipeline.Context) // guarded by mu; bounded as netpoll's Loop.Post says
	wake  chan struct{}             // capacity 1
}

var _ pipeline.Exchange = (*exchange)(nil)

// errAborted ends a body that its handler gave up: fasthttp closes the connection.
var errAborted = errors.New("worker: response aborted")

// errHangup: the client of this worker, the front, closed the connection.
var errHangup = errors.New("worker: connection closed by the front")

// handle serves one request.
func (s *host) handle(ctx *fasthttp.RequestCtx) {
	x := s.exchanges.Get().(*exchange)
	x.ctx, x.home, x.began = ctx, s, time.Now()
	x.raw = appendHead(x.raw[:0], &ctx.Request.Header)
	n, err := x.req.Parse(x.raw, 0, &headLimits)
	if err == nil && n == 0 {
		err = http1.ErrHeadLength
	}
	if err != nil {
		ctx.Error(http.StatusText(http1.StatusOf(err)), http1.StatusOf(err))
		ctx.SetConnectionClose()
		return
	}
	if err := x.t.Begin(x, &x.req, originOf(&x.req, s.local), x.began.UnixNano()); err != nil {
		x.t.Fail(http1.StatusOf(err), pipeline.ReasonURL)
	} else {
		x.t.MovePathBase(prefixOf(&x.req, x.t.Path()))
		x.enter(func() { x.t.Serve(s.handler) })
	}
	for !x.ended && x.tunnel == nil && (!x.headSent || x.pending() || x.bodyless()) {
		x.turn()
	}
	x.respond()
}

// respond gives fasthttp the response: whole, or as a stream that x goes on making.
func (x *exchange) respond() {
	r := &x.ctx.Response
	switch {
	case x.tunnel != nil:
		x.hijack()
	case x.cut == errHangup:
		r.Reset()
		x.ctx.SetConnectionClose()
		_ = x.ctx.Conn().Close() // nobody is there
		x.finish()
	case x.ended && x.cut == nil && x.plain():
		if len(x.parts) > 0 {
			r.SetBody(x.parts[0].b)
		}
		if x.bodyless() && x.length >= 0 {
			r.SkipBody = true
			r.Header.SetContentLength(int(x.length))
		}
		x.finish()
	default:
		if x.body != nil && !x.body.ended.Load() {
			x.ctx.SetConnectionClose() // what is left of the request may not be read any more
		}
		r.ImmediateHeaderFlush = true // a stream of events begins before the first of them
		r.SetBodyStream(x, int(x.length))
	}
}

// bodyless reports a response whose body stays here.
func (x *exchange) bodyless() bool {
	return x.req.Verb == http1.VerbHead || x.status == http.StatusNoContent ||
		x.status == http.StatusNotModified
}

// plain reports a body that needs no stream.
func (x *exchange) plain() bool {
	return len(x.parts) == 0 || len(x.parts) == 1 && x.parts[0].f == nil
}

// turn runs what was posted; with nothing posted it waits, and looks after the client meanwhile.
func (x *exchange) turn() {
	x.mu.Lock()
	posts := x.posts
	x.posts = nil
	x.mu.Unlock()
	for _, f := range posts {
		if !x.ended {
			x.enter(func() { f(&x.t.Context) })
		}
	}
	if len(posts) > 0 || x.ended {
		return
	}
	timer := time.NewTimer(hangupCheckEvery)
	defer timer.Stop()
	select {
	case <-x.wake:
	case <-timer.C:
		if x.cut == nil && hungUp(x.ctx.Conn()) {
			x.cancel(errHangup)
		}
	}
}

func (x *exchange) pending() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.posts) > 0
}

// cancel tells the handler that its client is gone. A Blocking one still owns the Context: the loop
// goes on until it has noticed.
func (x *exchange) cancel(err error) {
	x.cut = err
	x.enter(func() {
		if x.t.Cancel(err) {
			x.ended = true
		}
	})
}

// enter runs user code. A panic answers 500, or cuts a response that has begun.
func (x *exchange) enter(f func()) {
	defer func() {
		if v := recover(); v != nil {
			x.Panicked(v, debug.Stack())
		}
	}()
	f()
}

// finish completes the exchange and gives x back.
func (x *exchange) finish() {
	x.body.stop()
	o := pipeline.Outcome{
		Status: x.status, BytesIn: x.bytesIn, BytesOut: x.bytesOut, Reason: x.t.Reason(), Err: x.cut,
		Duration: time.Since(x.began),
	}
	x.enter(func() { x.t.Complete(o) })
	for x.t.Completing() {
		x.enter(func() { x.t.Complete(o) })
	}
	x.dropParts()
	x.mu.Lock()
	x.posts = nil
	x.mu.Unlock()
	home := x.home
	x.req.Reset()
	x.ctx, x.home, x.body, x.cut, x.tunnel = nil, nil, nil, nil, nil
	x.status, x.length, x.taken, x.bytesIn, x.bytesOut = 0, 0, 0, 0, 0
	x.headSent, x.stalled, x.ended = false, false, false
	home.exchanges.Put(x)
}

// Generation implements pipeline.Exchange.
func (x *exchange) Generation() uint64 { return x.t.Generation() }

// SendInformational implements pipeline.Exchange: 103 goes out if it has Link fields, as fasthttp can
// send no other.
func (x *exchange) SendInformational(status int, fields *pipeline.Fields) {
	if status != http.StatusEarlyHints || fields == nil || x.headSent {
		return
	}
	h := &x.ctx.Response.Header
	for v := range fields.Values("Link") {
		h.Add("Link", v)
	}
	_ = x.ctx.EarlyHints() // a client that is gone is found out soon
	h.Del("Link")
}

// SendHead implements pipeline.Exchange.
func (x *exchange) SendHead(status int, fields *pipeline.Fields, length int64) {
	x.headSent, x.status, x.length = true, status, length
	if length == pipeline.LengthTunnel {
		x.startTunnel(status, fields)
		return
	}
	h := &x.ctx.Response.Header
	h.SetStatusCode(status)
	if fields != nil {
		for name, value := range fields.All() {
			h.Add(name, value)
		}
	}
	if x.t.CloseRequested() {
		h.SetConnectionClose()
	}
}

// SendEnd implements pipeline.Exchange.
func (x *exchange) SendEnd(trailers *pipeline.Fields) {
	x.ended = true
	if x.tunnel != nil || x.length >= 0 || trailers == nil || trailers.Len() == 0 {
		return
	}
	h := &x.ctx.Response.Header
	for name, value := range trailers.All() {
		if h.AddTrailer(name) == nil { // one that may not be a trailer is left out
			h.Add(name, value)
		}
	}
}

// Abort implements pipeline.Exchange. A response of which nothing has left yet becomes an error.
func (x *exchange) Abort(status int, reason pipeline.Reason) {
	x.ended = true
	if x.cut != nil {
		return // cancelled: nobody waits for an answer
	}
	if x.headSent {
		x.cut = errAborted
		return
	}
	x.headSent, x.status = true, status
	x.ctx.Response.Reset()
	x.ctx.SetStatusCode(status)
	x.ctx.SetContentType("text/plain; charset=utf-8")
	x.parts = append(x.parts[:0], part{b: []byte(strconv.Itoa(status) + " " +
		http.StatusText(status) + "\n")})
	_ = reason // told by Outcome
}

// Hold implements pipeline.Exchange: every exchange is held until it has ended.
func (x *exchange) Hold(pipeline.Source) {}

// Post implements pipeline.Exchange.
func (x *exchange) Post(generation uint64, f func(*pipeline.Context)) bool {
	x.mu.Lock()
	if generation != x.t.Generation() {
		x.mu.Unlock()
		return false
	}
	x.posts = append(x.posts, f)
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
	return true
}

// Blocking implements pipeline.Exchange. The number of connections bounds these goroutines.
func (x *exchange) Blocking(f func()) bool {
	go f()
	return true
}

// Panicked implements pipeline.Exchange. The worker's stderr is its log.
func (x *exchange) Panicked(v any, stack []byte) {
	_, _ = os.Stderr.WriteString("worker: panic in a handler: " + panicText(v) + "\n" + string(stack))
	if x.ended {
		return
	}
	x.t.Fail(http.StatusInternalServerError, pipeline.HandlerPanic)
	if !x.ended {
		x.Abort(http.StatusInternalServerError, pipeline.HandlerPanic)
	}
}
