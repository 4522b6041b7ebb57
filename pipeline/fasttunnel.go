package pipeline

import (
	"io"
	"net/http"

	"github.com/valyala/fasthttp"
)

// fastServer serves requests that may become tunnels: fasthttp keeps what a handler gives to Hijack to
// itself, so its own server has to run it, on the connection that handlers of net/http take, too.
//
// fastHead, or fastConnectHead, is all that the server reads of the request: the handler then gets the
// one that is here.
var fastServer = &fasthttp.Server{
	Handler: func(ctx *fasthttp.RequestCtx) { ctx.Conn().(*fastTunnel).serve(ctx) },
	// One request to a connection, which is not read on unless the handler hijacks it.
	DisableKeepalive:      true,
	NoDefaultServerHeader: true,
	NoDefaultDate:         true,
	Concurrency:           1 << 30, // bounded by who runs Blocking handlers
	Logger:                quiet{},
}

const (
	fastHead        = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	fastConnectHead = "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"
)

// fastTunnel is a hijacked connection on which fasthttp's server finds a request.
type fastTunnel struct {
	*hijacked
	c       *Context
	h       fasthttp.RequestHandler
	pending string // of the head, not read yet
	taken   bool   // the handler hijacks
}

// serveFastTunnel runs h for a request that may become a tunnel, as a Blocking handler.
func serveFastTunnel(c *Context, h fasthttp.RequestHandler) {
	t := &fastTunnel{hijacked: newHijacked(c), c: c, h: h, pending: fastHead}
	if c.connects() {
		t.pending = fastConnectHead
	}
	c.run.setHijacked(t.hijacked)
	_ = fastServer.ServeConn(t) // what a client that is gone does to it is not the handler's
}

// serve is the handler's turn.
func (t *fastTunnel) serve(ctx *fasthttp.RequestCtx) {
	ctx.Request.Reset()
	fastRequest(t.c, ctx, http.NoBody)
	t.h(ctx)
	t.taken = ctx.Hijacked()
	if status := ctx.Response.StatusCode(); !t.taken && t.c.asTunnel(status) {
		ctx.Response.Reset() // neither here nor in fasthttp's own server is it a tunnel then
		ctx.Response.SetStatusCode(http.StatusInternalServerError)
		if status != http.StatusSwitchingProtocols {
			ctx.Response.SetStatusCode(http.StatusMethodNotAllowed)
			ctx.Response.Header.Set("Allow", Methods)
		}
	}
}

// Read implements net.Conn: the head, then what the client sends.
func (t *fastTunnel) Read(p []byte) (int, error) {
	switch {
	case t.pending != "":
		n := copy(p, t.pending)
		t.pending = t.pending[n:]
		return n, nil
	case !t.taken:
		return 0, io.EOF
	}
	return t.hijacked.Read(p)
}

// quiet is a Logger for what is told elsewhere.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
