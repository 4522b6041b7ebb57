package worker

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"weir/pipeline"
)

// takers are handlers that take the connection of their client, as libraries do, and say "hi"; what
// comes then is sent back. Other paths, and hosts, are answered 200 or, those of "no", 403.
var takers = map[string]struct {
	handler pipeline.Handler
	serve   func(context.Context) error // by a server of its own, over HTTP
}{
	"net/http":         {pipeline.FromHTTP(http.HandlerFunc(take)), servesHTTP(take)},
	"net/http, header": {pipeline.FromHTTP(http.HandlerFunc(takeLate)), servesHTTP(takeLate)},
	"fasthttp":         {pipeline.FromFastHTTP(takeFast), servesFast(takeFast)},
	"fasthttp, raw":    {pipeline.FromFastHTTP(takeRaw), nil},
	"pipeline":         {takeTunnel, nil},
}

func servesHTTP(h http.HandlerFunc) func(context.Context) error {
	return func(ctx context.Context) error { return ServeHTTP(ctx, h) }
}

func servesFast(h fasthttp.RequestHandler) func(context.Context) error {
	return func(ctx context.Context) error { return ServeFastHTTP(ctx, h) }
}

const switchingHead = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-A: b\r\n\r\n"

func opening(method string) string {
	if method == http.MethodConnect {
		return "HTTP/1.1 200 Connection established\r\nX-A: b\r\n\r\n"
	}
	return switchingHead
}

// plainly is whether the request is one without a tunnel, and its status.
func plainly(target string) int {
	switch {
	case strings.Contains(target, "no"):
		return 403
	case strings.Contains(target, "ok"):
		return 200
	}
	return 0
}

func echo(c net.Conn, r io.Reader) {
	_, _ = io.WriteString(c, "hi")
	_, _ = io.Copy(c, r)
	_ = c.Close()
}

func take(w http.ResponseWriter, r *http.Request) {
	if s := plainly(r.RequestURI); s != 0 {
		w.WriteHeader(s)
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	_, _ = io.WriteString(c, opening(r.Method))
	echo(c, rw)
}

// takeLate sends the head by WriteHeader first.
func takeLate(w http.ResponseWriter, r *http.Request) {
	if s := plainly(r.RequestURI); s != 0 {
		w.WriteHeader(s)
		return
	}
	w.Header().Set("X-A", "b")
	if r.Method != http.MethodConnect {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "x")
		w.WriteHeader(101)
	} else {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err == nil {
		echo(c, rw)
	}
}

func takeFast(ctx *fasthttp.RequestCtx) {
	if s := plainly(string(ctx.RequestURI())); s != 0 {
		ctx.SetStatusCode(s)
		return
	}
	ctx.Response.Header.Set("X-A", "b")
	if !ctx.IsConnect() {
		if !ctx.Request.Header.ConnectionUpgrade() {
			ctx.SetStatusCode(500)
			return
		}
		ctx.SetStatusCode(101)
		ctx.Response.Header.Set("Connection", "Upgrade")
		ctx.Response.Header.Set("Upgrade", string(ctx.Request.Header.Peek("Upgrade")))
	}
	ctx.Hijack(func(c net.Conn) { echo(c, c) })
}

// takeRaw writes the head itself.
func takeRaw(ctx *fasthttp.RequestCtx) {
	if s := plainly(string(ctx.RequestURI())); s != 0 {
		ctx.SetStatusCode(s)
		return
	}
	head := opening(string(ctx.Method()))
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) {
		_, _ = io.WriteString(c, head)
		echo(c, c)
	})
}

func takeTunnel(c *pipeline.Context) {
	if s := plainly(c.RawTarget()); s != 0 {
		c.Text(s, "")
		return
	}
	_ = c.SetHeader("X-A", "b")
	protocol := "x"
	if c.Method() == http.MethodConnect {
		protocol = ""
	}
	if err := c.StartTunnel(protocol); err != nil {
		c.Text(400, err.Error())
		return
	}
	c.Hold(echoer{})
	c.ReceiveBody(echoer{})
	c.SendBody([]byte("hi"))
}

type echoer struct{}

func (echoer) OnWritable(c *pipeline.Context)    { c.ResumeBody() }
func (echoer) OnCancel(*pipeline.Context, error) {}
func (echoer) OnBody(c *pipeline.Context, b []byte) {
	if !c.SendBody(b) {
		c.PauseBody()
	}
}
func (echoer) OnBodyEnd(c *pipeline.Context, err error) {
	if err == nil {
		_ = c.EndResponse(nil)
	}
}

// tunnelHeads are requests for a tunnel of takers.
var tunnelHeads = map[string]string{
	http.MethodConnect: "CONNECT TARGET:443 HTTP/1.1\r\nHost: TARGET:443\r\n\r\n",
	http.MethodGet:     "GET /TARGET HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
}

// TestTakers: handlers that take the connection of an Upgrade or a CONNECT, in every hosting; early
// bytes are the tunnel's, and no answer but a tunnel looks like one.
func TestTakers(t *testing.T) {
	for name, taker := range takers {
		for _, mode := range tunnelModes {
			if mode == "native" && taker.serve == nil {
				continue
			}
			t.Run(name+"/"+mode, func(t *testing.T) {
				addr, _ := hosted(t, mode, taker.handler, taker.serve)
				for method, head := range tunnelHeads {
					testTaker(t, addr, mode, method, head)
				}
			})
		}
	}
}

func testTaker(t *testing.T, addr, mode, method, head string) {
	t.Helper()
	ask := func(target string) (net.Conn, *http.Response, *bufio.Reader) {
		c, r := raw(t, addr, strings.ReplaceAll(head, "TARGET", target)+"early ")
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%s %s: %v", method, target, err)
		}
		return c, resp, r
	}
	const n = 300 << 10
	c, resp, r := ask("go")
	if resp.StatusCode/100 > 2 || resp.Header.Get("X-A") != "b" || resp.Header.Get("Content-Length") != "" ||
		resp.TransferEncoding != nil {
		t.Fatalf("%s: %d %v %v", method, resp.StatusCode, resp.Header, resp.TransferEncoding)
	}
	go func() {
		_, _ = io.WriteString(c, strings.Repeat("x", n))
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	if b, err := io.ReadAll(r); string(b) != "hiearly "+strings.Repeat("x", n) || err != nil {
		t.Errorf("%s: got %d bytes, %.20q, %v; want %d", method, len(b), b, err, n+8)
	}
	for target, want := range map[string]int{"no": 403, "ok": 200} {
		_, resp, r := ask(target)
		if want == 200 && method == http.MethodConnect && !(mode == "native" && resp.StatusCode == 200) {
			want = 405 // net/http's own server makes it a tunnel that ends at once
		}
		if resp.StatusCode != want || !resp.Close {
			t.Errorf("%s %s: %d, close %v; want %d", method, target, resp.StatusCode, resp.Close, want)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if b, err := io.ReadAll(r); len(b) > 0 || err != nil {
			t.Errorf("%s %s: %q, %v behind the answer", method, target, b, err)
		}
	}
}
