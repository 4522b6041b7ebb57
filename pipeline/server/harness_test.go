package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
)

// testServer is a running server with one site on one loopback listener.
type testServer struct {
	*Server
	t     testing.TB
	addr  string
	loops []*netpoll.Loop
}

const testAddress = "test"

func startServer(t testing.TB, loops int, o Options, h pipeline.Handler) *testServer {
	t.Helper()
	return startSites(t, loops, o, []Site{{
		Name: "default", Bindings: []Binding{{Address: testAddress, Host: "*"}},
		Apps: []App{{Prefix: "/", Handler: h}},
	}})
}

func startSites(t testing.TB, loops int, o Options, sites []Site) *testServer {
	t.Helper()
	ts := &testServer{t: t}
	ts.makeLoops(loops)
	ts.Server = New(ts.loops, o)
	ts.run()
	fd, addr := listenFD(t)
	ts.addr = addr
	if err := ts.Apply(o, []Listener{{Address: testAddress, FDs: []int{fd}}}, sites); err != nil {
		t.Fatal(err)
	}
	return ts
}

func (ts *testServer) makeLoops(n int) {
	ts.t.Helper()
	for i := range n {
		l, err := netpoll.New(netpoll.Config{Index: i})
		if err != nil {
			ts.t.Fatal(err)
		}
		ts.loops = append(ts.loops, l)
	}
}

// run runs the loops until the test ends.
func (ts *testServer) run() {
	for _, l := range ts.loops {
		done := make(chan struct{})
		go func() { l.Run(); close(done) }()
		ts.t.Cleanup(func() { l.Stop(); <-done })
	}
}

func listenFD(t testing.TB) (fd int, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return fd, ln.Addr().String()
}

// client is one connection that speaks raw HTTP.
type client struct {
	t testing.TB
	*net.TCPConn
	r *bufio.Reader
}

func (ts *testServer) dial() *client {
	ts.t.Helper()
	c, err := net.Dial("tcp", ts.addr)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		ts.t.Fatal(err)
	}
	return &client{t: ts.t, TCPConn: c.(*net.TCPConn), r: bufio.NewReader(c)}
}

func (c *client) write(s string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("write %.40q: %v", s, err)
	}
	return c
}

func (c *client) get(path string) *client {
	c.t.Helper()
	return c.write("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
}

// response reads one response to a request of the given method.
func (c *client) response(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	return resp, string(body)
}

func (c *client) want(desc string, status int, body string) *http.Response {
	c.t.Helper()
	resp, got := c.response("GET")
	if resp.StatusCode != status || body != "" && got != body {
		c.t.Fatalf("%s: got %d %.80q; want %d %.80q", desc, resp.StatusCode, got, status, body)
	}
	return resp
}

// wantEnd reads what is left: nothing, then EOF.
func (c *client) wantEnd(desc string) {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil || len(rest) > 0 {
		c.t.Fatalf("%s: got %.80q, %v; want EOF", desc, rest, err)
	}
}

func hello(c *pipeline.Context) { c.Text(200, "Hello, World!") }

// echoBody answers with the request's body.
func echoBody(c *pipeline.Context) {
	c.ReadBody(1<<20, func(c *pipeline.Context, body []byte, err error) {
		if err != nil {
			c.Fail(400, pipeline.BadRequest)
			return
		}
		c.Text(200, string(body))
	})
}

func TestPlaintext(t *testing.T) {
	c := startServer(t, 1, Options{}, hello).dial()
	for range 3 {
		resp := c.get("/").want("keep-alive", 200, "Hello, World!")
		if got := resp.Header.Get("Server"); got != "Weir" {
			t.Fatalf("Server = %q", got)
		}
		if resp.Header.Get("Date") == "" || resp.ContentLength != 13 {
			t.Fatalf("head %v", resp.Header)
		}
	}
}

func TestSplitEverywhere(t *testing.T) {
	ts := startServer(t, 1, Options{}, echoBody)
	req := "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" +
		"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz"
	for i := 1; i < len(req); i++ {
		c := ts.dial()
		if err := c.SetNoDelay(true); err != nil {
			t.Fatal(err)
		}
		c.write(req[:i])
		c.write(req[i:])
		c.want(fmt.Sprintf("split at %d, first", i), 200, "abcde")
		c.want(fmt.Sprintf("split at %d, second", i), 200, "xyz")
		c.Close()
	}
}

func TestPipelineOfThousand(t *testing.T) {
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		switch c.Method() {
		case "POST":
			echoBody(c)
		case "GET":
			a := c.Async()
			if strings.HasSuffix(c.Path(), "7") {
				go a.Finish(func(c *pipeline.Context) { c.Text(200, c.Path()) })
				return
			}
			a.Finish(func(c *pipeline.Context) { c.Text(200, c.Path()) })
		default:
			c.Text(200, c.Path())
		}
	})
	c := ts.dial()
	var b bytes.Buffer
	for i := range 1000 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		case 1:
			fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n/%d", len(fmt.Sprint(i))+1, i)
		case 2:
			fmt.Fprintf(&b, "PUT /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		case 3:
			s := fmt.Sprintf("/%d", i)
			fmt.Fprintf(&b, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(s), s)
		}
	}
	go c.Write(b.Bytes())
	for i := range 1000 {
		c.want("in order", 200, fmt.Sprintf("/%d", i))
	}
}

func TestRefusals(t *testing.T) {
	ts := startServer(t, 1, Options{}, echoBody)
	long := strings.Repeat("a", 9000)
	for _, tc := range []struct {
		desc, req string
		status    int
		reason    string
	}{
		{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", 400, "BadRequest"},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400, "Hostname"},
		{"long target", "GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", 414, "URL_Length"},
		{"large head", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: "+long[:1000]+"\r\n", 40), 431, ""},
		{"many fields", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n", 431, ""},
		{"CL and TE", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, ""},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "N/I"},
		{"unknown expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417, "Expectation"},
		{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "Version_N/S"},
		{"h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "NotHTTP"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "NotHTTP"},
		{"large body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000001\r\n\r\n", 413, "EntityTooLarge"},
		{"bad path", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "URL"},
		{"CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 405, "Verb"},
		{"chunk size with space", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", 400, ""},
	} {
		c := ts.dial()
		c.write("GET /before HTTP/1.1\r\nHost: x\r\n\r\n" + tc.req)
		c.want(tc.desc+": before", 200, "")
		t.Log(tc.desc)
		resp, body := c.response("GET")
		if resp.StatusCode != tc.status {
			t.Errorf("%s: got %d %q; want %d", tc.desc, resp.StatusCode, body, tc.status)
		}
		if tc.reason != "" && resp.Header.Get("X-Weir-Reason") != tc.reason {
			t.Errorf("%s: reason %q; want %q", tc.desc, resp.Header.Get("X-Weir-Reason"), tc.reason)
		}
		if resp.StatusCode != 405 && tc.desc != "bad path" {
			c.wantEnd(tc.desc)
		}
		c.Close()
	}
}

func TestBodilessAndOldVersions(t *testing.T) {
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		switch c.Path() {
		case "/204":
			c.SetStatus(204)
		case "/304":
			c.SetStatus(304)
		case "/stream":
			c.Write([]byte("part"))
			c.Flush()
			c.Write([]byte(" two"))
		default:
			hello(c)
		}
	})
	c := ts.dial()
	c.write("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, body := c.response("HEAD"); resp.ContentLength != 13 || body != "" {
		t.Fatalf("HEAD: length %d, body %q", resp.ContentLength, body)
	}
	c.get("/204").want("204", 204, "")
	c.get("/304").want("304", 304, "")
	c.get("/stream").want("chunked", 200, "part two")
	c.write("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").want("OPTIONS *", 204, "")
	c.write("GET http://x/abs HTTP/1.1\r\nHost: x\r\n\r\n").want("absolute-form", 200, "Hello, World!")
	c.write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if resp := c.want("1.0 keep-alive", 200, "Hello, World!"); resp.Header.Get("Connection") != "keep-alive" {
		t.Fatalf("1.0 keep-alive: %v", resp.Header)
	}
	c.write("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").want("1.0 stream", 200, "part two")
	c.wantEnd("1.0 stream closes")
	c = ts.dial()
	c.write("GET / HTTP/1.0\r\n\r\n").want("1.0", 200, "Hello, World!")
	c.wantEnd("1.0 closes")
}

func TestExpectContinue(t *testing.T) {
	c := startServer(t, 1, Options{}, echoBody).dial()
	c.write("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	line, err := c.r.ReadString('\n')
	if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v; want 100", line, err)
	}
	c.r.ReadString('\n')
	c.write("body").want("after 100", 200, "body")
	c.get("/").want("connection goes on", 200, "")
}

func TestUnreadBodyIsDiscarded(t *testing.T) {
	c := startServer(t, 1, Options{}, hello).dial()
	c.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	c.want("answer before the body", 200, "Hello, World!")
	c.write(strings.Repeat("x", 100000)).get("/").want("next", 200, "Hello, World!")
}

func TestHandlerPanic(t *testing.T) {
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		if c.Path() == "/late" {
			c.Write([]byte("x"))
			c.Flush()
		}
		panic("boom")
	})
	c := ts.dial()
	resp := c.get("/").want("panic", 500, "")
	if resp.Header.Get("X-Weir-Reason") != "HandlerPanic" {
		t.Fatalf("reason %q", resp.Header.Get("X-Weir-Reason"))
	}
	c.get("/late")
	if _, err := io.ReadAll(c.r); err == nil {
		t.Fatal("panic after the head: want a reset")
	}
}

func TestBlockingAndLargeBodies(t *testing.T) {
	ts := startServer(t, 2, Options{}, pipeline.Blocking(func(c *pipeline.Context) {
		b, err := io.ReadAll(c.BodyReader())
		if err != nil {
			c.Fail(400, pipeline.BadRequest)
			return
		}
		c.Write(b)
	}))
	body := strings.Repeat("0123456789", 300_000)
	c := ts.dial()
	go c.write(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	c.want("3 MB echoed", 200, body)
}

func TestAbsentClientCancels(t *testing.T) {
	cancelled := make(chan error, 2)
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) { cancelled <- o.Err })
		c.Async()
	})
	c := ts.dial().get("/")
	c.CloseWrite()
	if err := <-cancelled; err == nil {
		t.Fatal("half-closed and waiting: completed without error")
	}
	c = ts.dial().get("/")
	c.SetLinger(0)
	c.Close()
	if err := <-cancelled; err == nil {
		t.Fatal("reset: completed without error")
	}
}
