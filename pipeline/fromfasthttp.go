package pipeline

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"
)

// FromFastHTTP makes a Handler of a fasthttp handler, to run as Blocking. The request body is a
// stream (RequestBodyStream; PostBody reads it whole), and so is a response made by SetBodyStream
// or SetBodyStreamWriter, each flush of which reaches the client. ctx.Path is the path without
// PathBase. Hijack is for CONNECT and for requests that offer protocols to switch to: a handler that
// hijacks others, or within Inline, gets 500, as the connection is the exchange's. The function given to
// it runs on a goroutine of fasthttp's, so a panic there ends the process.
func FromFastHTTP(h fasthttp.RequestHandler) Handler {
	if h == nil {
		panic("pipeline: FromFastHTTP(nil)")
	}
	return adapt(func(c *Context, body io.Reader) {
		if c.run != nil && c.mayTunnel() {
			serveFastTunnel(c, h)
			return
		}
		// Not pooled: after TimeoutError goroutines of the handler may go on with it.
		ctx := new(fasthttp.RequestCtx)
		local, peer := c.addrs()
		ctx.Init2(fastConn{local, peer}, nil, false)
		fastRequest(c, ctx, body)
		h(ctx)
		resp := ctx.LastTimeoutErrorResponse()
		if resp == nil {
			resp = &ctx.Response
		}
		if ctx.Hijacked() {
			c.Fail(http.StatusInternalServerError, HandlerError)
			return
		}
		fastResponse(c, resp)
	})
}

// fastRequest fills in the request of ctx. fasthttp copies what it is given.
func fastRequest(c *Context, ctx *fasthttp.RequestCtx, body io.Reader) {
	req := &ctx.Request
	h := &req.Header
	h.SetMethodBytes(c.r.Method())
	h.SetRequestURIBytes(c.r.Target())
	if c.r.Minor == 0 {
		h.SetProtocol("HTTP/1.0")
	}
	for i, n := 0, c.r.NumFields(); i < n; i++ {
		if name := c.r.FieldName(i); !isFraming(view(name)) {
			h.AddBytesKV(name, c.r.FieldValue(i))
		}
	}
	if c.r.Upgrade { // libraries look for it
		h.Set("Connection", "Upgrade")
	}
	h.SetHostBytes(c.r.Host())
	if !c.r.KeepAlive {
		h.SetConnectionClose()
	}
	if c.r.HasBody() {
		size := -1
		if !c.r.Chunked {
			size = int(c.r.ContentLength)
		}
		req.SetBodyStream(body, size)
	}
	if c.base > 0 {
		path := c.Path()
		if path == "" {
			path = "/"
		}
		req.URI().SetPath(path)
	}
}

// fastResponse sends what the handler made.
func fastResponse(c *Context, resp *fasthttp.Response) {
	if c.SetStatus(resp.StatusCode()) != nil {
		c.Fail(http.StatusInternalServerError, HandlerError)
		return
	}
	told := resp.Header.PeekTrailerKeys()
	for name, value := range resp.Header.All() {
		if !isTold(told, name) && !equalFold(view(name), "Content-Length") {
			_ = c.AddHeader(view(name), view(value)) // one that cannot be sent is left out
		}
	}
	switch {
	case resp.SkipBody || c.IsHead():
		if n := resp.Header.ContentLength(); n >= 0 && !resp.IsBodyStream() {
			_ = c.SetLength(int64(max(n, len(resp.Body())))) // not started yet
		}
	case resp.IsBodyStream():
		fastStream(c, resp)
	default:
		_, _ = c.Write(resp.Body()) // fails only when nobody is left to read it
	}
	_ = resp.CloseBodyStream() // its error belongs to the handler's stream, which has ended
	for _, k := range told {
		_ = c.Trailers().AddBytes(k, resp.Header.PeekBytes(k)) // a bad one is left out
	}
}

// fastStream copies a response stream; what one Read gives goes out at once, for it ends where the
// handler flushed.
func fastStream(c *Context, resp *fasthttp.Response) {
	left := int64(resp.Header.ContentLength())
	if left >= 0 {
		_ = c.SetLength(left) // not started yet
	}
	from := resp.BodyStream()
	if left >= 0 {
		from = io.LimitReader(from, left)
	}
	chunk := make([]byte, streamChunk)
	for {
		n, err := from.Read(chunk)
		if n > 0 {
			if _, werr := c.Write(chunk[:n]); werr != nil || c.Flush() != nil {
				return
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return
		default:
			c.Abort(http.StatusInternalServerError, HandlerError)
			return
		}
	}
}

func isTold(told [][]byte, name []byte) bool {
	for _, t := range told {
		if equalFold(view(t), view(name)) {
			return true
		}
	}
	return false
}

// fastConn tells a RequestCtx its addresses; it carries no bytes.
type fastConn struct{ local, peer net.Addr }

var errNoConn = errors.New("pipeline: the connection belongs to the exchange")

func (fastConn) Read([]byte) (int, error)         { return 0, errNoConn }
func (fastConn) Write([]byte) (int, error)        { return 0, errNoConn }
func (fastConn) Close() error                     { return errNoConn }
func (f fastConn) LocalAddr() net.Addr            { return f.local }
func (f fastConn) RemoteAddr() net.Addr           { return f.peer }
func (fastConn) SetDeadline(time.Time) error      { return errNoConn }
func (fastConn) SetReadDeadline(time.Time) error  { return errNoConn }
func (fastConn) SetWriteDeadline(time.Time) error { return errNoConn }

// addrs are the exchange's addresses as net.Addr.
func (c *Context) addrs() (local, peer net.Addr) {
	local = addr(c.origin.Local)
	if p := c.origin.Peer; p.IsValid() {
		return local, net.TCPAddrFromAddrPort(p)
	}
	return local, &net.UnixAddr{Net: "unix"}
}

// addr is a listener's address by name.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }
