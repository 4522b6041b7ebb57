package dispatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"weir/pipeline"
)

// uwsgiRequest reads one request of the uwsgi protocol; nil when the connection has ended.
func (c *workerConn) uwsgiRequest() *asked {
	h := make([]byte, 4)
	if _, err := io.ReadFull(c.r, h); err != nil {
		return nil
	}
	b := make([]byte, binary.LittleEndian.Uint16(h[1:]))
	if _, err := io.ReadFull(c.r, b); err != nil {
		return nil
	}
	a := &asked{vars: map[string]string{}}
	text := func() string {
		n := binary.LittleEndian.Uint16(b)
		s := string(b[2 : 2+n])
		b = b[2+n:]
		return s
	}
	for len(b) > 0 {
		name := text()
		if _, twice := a.vars[name]; twice {
			panic("variable twice: " + name)
		}
		a.vars[name] = text()
	}
	var length int
	_, _ = fmt.Sscan(a.vars["CONTENT_LENGTH"], &length) // none is 0
	body := make([]byte, length)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return nil
	}
	a.body = string(body)
	return a
}

// gateways runs test for a worker of each protocol, which gives every request to seen.
func gateways(t *testing.T, o Options, test func(t *testing.T, f *front, seen <-chan *asked)) {
	for p, name := range map[Protocol]string{FastCGI: "fastcgi", UWSGI: "uwsgi"} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Protocol = p
			f := startFront(t, 1, o)
			seen := make(chan *asked, 16)
			f.addSpeaking(1, p, startWorker(t, func(c *workerConn) {
				if p == UWSGI {
					if a := c.uwsgiRequest(); a != nil {
						seen <- a
						c.write("HTTP/1.1 200 OK\r\n\r\n" + a.body)
					}
					return
				}
				serveAsked(func(a *asked) string {
					seen <- a
					return fcgiAnswer("A: b\n\n", a.body)
				})(c)
			}), 4)
			test(t, f, seen)
			f.audit()
		})
	}
}

// TestVariables: what a program is told of a request, and what it is not.
func TestVariables(t *testing.T) {
	gateways(t, Options{}, func(t *testing.T, f *front, seen <-chan *asked) {
		for _, tt := range []struct {
			desc, request string
			want          map[string]string // "-": it is not there
		}{
			{
				"a GET", "GET /a/./b%20c?x=1&y HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n",
				map[string]string{
					"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "GET",
					"REQUEST_URI": "/a/b%20c?x=1&y", "QUERY_STRING": "x=1&y", "SCRIPT_NAME": "", "PATH_INFO": "/a/b c",
					"SERVER_NAME": "shop.example", "REMOTE_ADDR": "127.0.0.1", "SERVER_ADDR": "127.0.0.1",
					"SERVER_PORT":    "8080",
					"REQUEST_SCHEME": "http", "HTTPS": "-", "CONTENT_LENGTH": "-", "CONTENT_TYPE": "-",
					"HTTP_HOST": "shop.example:8080", "SERVER_SOFTWARE": "Weir", "HTTP_X_FORWARDED_FOR": "127.0.0.1",
					"SCRIPT_FILENAME": "-", "DOCUMENT_ROOT": "-",
				},
			},
			{
				"a POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: text/x\r\n\r\nhello",
				map[string]string{
					"CONTENT_LENGTH": "5", "CONTENT_TYPE": "text/x", "HTTP_CONTENT_LENGTH": "-",
					"HTTP_CONTENT_TYPE": "-", "QUERY_STRING": "",
				},
			},
			{
				"an empty POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
				map[string]string{"CONTENT_LENGTH": "0"},
			},
			{
				"no proxy", "GET / HTTP/1.1\r\nHost: x\r\nProxy: http://evil\r\nProxy-Foo: a\r\n\r\n",
				map[string]string{"HTTP_PROXY": "-", "HTTP_PROXY_FOO": "a"},
			},
			{
				"no other spelling", "GET / HTTP/1.1\r\nHost: x\r\nX-User: good\r\nX_User: evil\r\nX.User: evil\r\n" +
					"X_Only: evil\r\nContent_Length: 9\r\nX-Forwarded_For: 1.1.1.1\r\n\r\n",
				map[string]string{
					"HTTP_X_USER": "good", "HTTP_X_ONLY": "-", "CONTENT_LENGTH": "-", "HTTP_CONTENT_LENGTH": "-",
					"HTTP_X_FORWARDED_FOR": "127.0.0.1",
				},
			},
			{
				"fields of one name", "GET / HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nAccept: x\r\ncookie: c=d\r\n" +
					"ACCEPT: y\r\nAccept: z\r\nAccept-X: w\r\n\r\n",
				map[string]string{"HTTP_COOKIE": "a=b; c=d", "HTTP_ACCEPT": "x, y, z", "HTTP_ACCEPT_X": "w"},
			},
			{
				"of the connection", "GET / HTTP/1.1\r\nHost: x\r\nConnection: x-hop, close\r\nX-Hop: 1\r\n" +
					"TE: trailers\r\nUpgrade: h2c\r\nKeep-Alive: 5\r\n\r\n",
				map[string]string{
					"HTTP_X_HOP": "-", "HTTP_CONNECTION": "-", "HTTP_TE": "-", "HTTP_UPGRADE": "-", "HTTP_KEEP_ALIVE": "-",
				},
			},
			{
				"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n",
				map[string]string{"SERVER_PROTOCOL": "HTTP/1.0", "SERVER_NAME": "127.0.0.1", "HTTP_HOST": "localhost"},
			},
			{
				"IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", map[string]string{"SERVER_NAME": "[::1]"},
			},
			{
				"a long value", "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + longText[:9000] + "\r\n\r\n",
				map[string]string{"HTTP_X_LONG": longText[:9000]},
			},
		} {
			f.dial().write(tt.request).want(tt.desc, 200, "")
			a := <-seen
			for name, want := range tt.want {
				got, there := a.vars[name]
				if !there {
					got = "-"
				}
				if got != want {
					t.Errorf("%s: %s = %.80q; want %.80q", tt.desc, name, got, want)
				}
			}
		}
	})
}

// TestVariablesTrusted: what a trusted proxy says is what a program sees.
func TestVariablesTrusted(t *testing.T) {
	o := Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	gateways(t, o, func(t *testing.T, f *front, seen <-chan *asked) {
		f.dial().write("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n").
			want("https", 200, "")
		a := <-seen
		if a.vars["HTTPS"] != "on" || a.vars["REQUEST_SCHEME"] != "https" ||
			a.vars["HTTP_X_FORWARDED_FOR"] != "192.0.2.1, 127.0.0.1" {
			t.Errorf("%v", a.vars)
		}
	})
}

// TestGatewayRefuses: what cannot be said over these protocols has its own answer.
func TestGatewayRefuses(t *testing.T) {
	gateways(t, Options{}, func(t *testing.T, f *front, _ <-chan *asked) {
		f.dial().write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").
			wantReason("WebSocket", 501, pipeline.ReasonVerb)
		f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").
			wantReason("a body of unknown length", 411, pipeline.TransferEncoding)
	})
}

// TestUWSGI: bodies both ways; the end of the connection ends an answer and no connection is kept; a
// packet that is too large is refused.
func TestUWSGI(t *testing.T) {
	sp := spoolOf(t, 1000, 8<<20)
	f := startWith(t, 1, Options{Protocol: UWSGI, Spool: sp}, func(p *Pool) pipeline.Handler { return p.Handler() })
	w := startWorker(t, func(c *workerConn) {
		a := c.uwsgiRequest()
		if a == nil {
			return
		}
		switch a.vars["PATH_INFO"] {
		case "/length":
			c.respond(a.body)
			c.waitClosed()
		case "/short":
			c.write("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + longText[:60000])
		case "/switch":
			c.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
		default:
			c.write("HTTP/1.1 200 OK\r\n\r\n" + a.body)
		}
	})
	f.addSpeaking(1, UWSGI, w, 4)
	for i, body := range []string{"", "hello", longText} {
		for _, path := range []string{"/", "/length"} {
			c := f.dial()
			go fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
			if _, got := c.response("POST"); got != body {
				t.Errorf("POST %s: %d bytes; want %d", path, len(got), len(body))
			}
			go fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", path,
				chunked(body))
			if _, got := c.response("POST"); got != body {
				t.Errorf("POST %s in chunks: %d bytes; want %d", path, len(got), len(body))
			}
		}
		if n := int(w.total.Load()); n != 4*(i+1) {
			t.Errorf("%d connections; want one for each of %d requests", n, 4*(i+1))
		}
	}
	c := f.dial()
	resp, err := http.ReadResponse(c.get("/short").r, nil)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("a cut answer was whole")
	}
	f.dial().write("GET /switch HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").
		wantReason("a protocol nobody offered it", 502, pipeline.WorkerProtocol)
	f.wantEmpty(sp)
}

// scriptsOf are the scripts that files names; "!path" may not be looked at.
func scriptsOf(files string, looks *atomic.Int32) *Scripts {
	known := map[string]error{}
	for f := range strings.FieldsSeq(files) {
		if name, denied := strings.CutPrefix(f, "!"); denied {
			known[name] = fs.ErrPermission
		} else {
			known[f] = nil
		}
	}
	return &Scripts{Root: "/srv", Index: "index.php", Extensions: []string{".php", ".phtml"}, Check: func(path string) error {
		looks.Add(1)
		if err, there := known[path]; there {
			return err
		}
		if path == "/busy.php" {
			return syscall.EMFILE
		}
		return errors.Join(fs.ErrNotExist)
	}}
}

// TestScripts: which file runs, if any.
func TestScripts(t *testing.T) {
	const files = "/index.php /a.php /dir/index.php /dir/b.phtml /evil.jpg !/secret.php /x.php/y.php /.php"
	for _, tt := range []struct{ path, fallback, want string }{
		{"/a.php", "", "/srv/a.php /a.php "},
		{"/a.php?x=/b.php", "", "/srv/a.php /a.php "},
		{"/a.php/more/b.php", "", "/srv/a.php /a.php /more/b.php"},
		{"/a.php/", "", "/srv/a.php /a.php /"},
		{"/%61.php", "", "/srv/a.php /a.php "},
		{"/", "", "/srv/index.php /index.php "},
		{"/dir/", "", "/srv/dir/index.php /dir/index.php "},
		{"/dir/b.phtml", "", "/srv/dir/b.phtml /dir/b.phtml "},
		{"/x.php/y.php", "", "/srv/x.php/y.php /x.php/y.php "},
		{"/evil.jpg/x.php", "", "404 NotFound"},
		{"/evil.jpg", "", "404 NotFound"},
		{"/evil.jpg%00.php", "", "400 URL"},
		{"/a.php%2Fx", "", "404 NotFound"},
		{"/a.php.bak", "", "404 NotFound"},
		{"/a.PHP", "", "404 NotFound"},
		{"/.php", "", "404 NotFound"},
		{"/none.php", "", "404 NotFound"},
		{"/dir", "", "404 NotFound"},
		{"/../a.php", "", "400 URL"},
		{"/secret.php", "", "403 -"},
		{"/busy.php", "", "503 FdLimit"},
		{"/1.php/2.php/3.php/4.php/5.php", "", "404 NotFound"},
		{"/pretty/url", "/index.php", "/srv/index.php /index.php "},
		{"/none.php", "/index.php", "/srv/index.php /index.php "},
		{"/secret.php", "/index.php", "403 -"},
		{"/none", "/none.php", "404 NotFound"},
	} {
		t.Run(strings.Trim(tt.path+" "+tt.fallback, "/ "), func(t *testing.T) {
			var looks atomic.Int32
			s := scriptsOf(files, &looks)
			s.Fallback = tt.fallback
			f := startFront(t, 1, Options{Protocol: FastCGI, Scripts: s})
			f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(a *asked) string {
				if a.vars["DOCUMENT_ROOT"] != "/srv" || a.vars["REDIRECT_STATUS"] != "200" {
					t.Errorf("variables: %v", a.vars)
				}
				return fcgiAnswer("A: b\n\n", a.vars["SCRIPT_FILENAME"]+" "+a.vars["SCRIPT_NAME"]+" "+a.vars["PATH_INFO"])
			})), 1)
			for try := range 2 { // once more from what the loop knows
				c := f.dial().get(tt.path)
				resp, got := c.response("GET")
				if resp.StatusCode != 200 {
					got = fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Weir-Reason"))
					if resp.Header.Get("X-Weir-Reason") == "" {
						got += "-"
					}
				}
				if got != tt.want {
					t.Errorf("try %d: %q; want %q", try, got, tt.want)
				}
				n := looks.Swap(0)
				if n > scriptTriesMax && tt.fallback == "" {
					t.Errorf("%d looks for one path", n)
				}
				if try > 0 && n > 0 && !strings.Contains("/secret.php /busy.php", tt.path) {
					t.Errorf("%d looks; want none so soon", n)
				}
			}
			f.audit()
		})
	}
}

// TestScriptGone: a client that leaves, and a loop that ends, while a script is looked for.
func TestScriptGone(t *testing.T) {
	looking, goOn := make(chan bool, 4), make(chan bool)
	s := &Scripts{Root: "/srv", Extensions: []string{".php"}, Check: func(string) error {
		looking <- true
		<-goOn
		return nil
	}}
	f := startFront(t, 1, Options{Protocol: FastCGI, Scripts: s})
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(*asked) string { return fcgiAnswer("A: b\n\n", "ok") })), 1)
	gone := f.dial().get("/a.php")
	<-looking
	stays := f.dial().get("/a.php")
	<-looking
	gone.Close()
	close(goOn)
	stays.want("the other one", 200, "ok")
	f.audit()
}

// TestScriptRemoved: what a loop knows of a script is looked at again, whether it was there or not.
func TestScriptRemoved(t *testing.T) {
	var there atomic.Bool
	there.Store(true)
	s := &Scripts{Root: "/srv", Extensions: []string{".php"}, Check: func(string) error {
		if there.Load() {
			return nil
		}
		return fs.ErrNotExist
	}}
	f := startFront(t, 1, Options{Protocol: FastCGI, Scripts: s})
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(*asked) string { return fcgiAnswer("A: b\n\n", "ok") })), 1)
	c := f.dial()
	for _, status := range []int{200, 404} {
		there.Store(status == 200)
		f.eventually(fmt.Sprint(status), func() bool {
			resp, _ := c.get("/a.php").response("GET")
			return resp.StatusCode == status
		})
	}
	f.audit()
}

// TestProtocolChange: requests wait for the workers that they are prepared for.
func TestProtocolChange(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(*asked) string { return fcgiAnswer("A: b\n\n", "old") })), 1)
	f.dial().get("/").want("before", 200, "old")
	f.Update(Options{})
	c := f.dial().get("/")
	f.eventually("it waits", func() bool { return f.Snapshot().Waiting == 1 })
	f.add(2, startWorker(t, serveHello), 1)
	c.want("behind the change", 200, "GET / ")
	f.audit()
}

// TestStaleWaiter: one that waits for workers that no longer come is told so, and holds nobody up.
func TestStaleWaiter(t *testing.T) {
	f := startFront(t, 1, Options{})
	stale := f.dial().get("/")
	f.eventually("it waits", func() bool { return f.Snapshot().Waiting == 1 })
	f.Update(Options{Protocol: FastCGI})
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(*asked) string { return fcgiAnswer("A: b\n\n", "new") })), 1)
	stale.wantReason("prepared for HTTP", 503, pipeline.AppShutdown)
	f.dial().get("/").want("the next", 200, "new")
	f.audit()
}
