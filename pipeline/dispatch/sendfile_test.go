package dispatch

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/pipeline/static"
)

// filesOf is a directory with files and what leads out of it.
func filesOf(t *testing.T) *Files {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "files")
	for name, body := range map[string]string{
		"files/a b.txt": "0123456789", "files/sub/big": longText, "outside.txt": "secret",
		"files/.env": "secret", "filesystem/x": "secret",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../outside.txt", filepath.Join(root, "escape")); err != nil {
		t.Fatal(err)
	}
	f, err := static.New(static.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &Files{Root: root, Prefix: "/protected/", Send: f.Send}
}

// script is what a worker answers: fields and body, by the request's path.
type script func(path string) (fields []string, body string)

// scripted adds a worker of each mode in turn.
func scripted(t *testing.T, o Options, answer script, test func(t *testing.T, f *front, w *testWorker)) {
	t.Run("http", func(t *testing.T) {
		f := startFront(t, 1, o)
		w := startWorker(t, func(c *workerConn) {
			for {
				r, _, ok := c.drainRequest()
				if !ok {
					return
				}
				fields, body := answer(r.URL.Path)
				c.write("HTTP/1.1 200 OK\r\n")
				for i := 0; i < len(fields); i += 2 {
					c.write(fields[i] + ": " + fields[i+1] + "\r\n")
				}
				c.write(fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)))
				if r.Method != "HEAD" {
					c.write(body)
				}
			}
		})
		f.add(1, w, 1)
		test(t, f, w)
		f.audit()
	})
	t.Run("fastcgi", func(t *testing.T) {
		o := o
		o.Protocol = FastCGI
		f := startFront(t, 1, o)
		w := startWorker(t, serveAsked(func(a *asked) string {
			fields, body := answer(a.vars["PATH_INFO"])
			head := ""
			for i := 0; i < len(fields); i += 2 {
				head += fields[i] + ": " + fields[i+1] + "\n"
			}
			return fcgiAnswer(head+"\n", body)
		}))
		f.addSpeaking(1, FastCGI, w, 1)
		test(t, f, w)
		f.audit()
	})
	t.Run("mux", func(t *testing.T) {
		f := startFront(t, 1, o)
		w := startMuxWorker(t, func(p *muxPeer) {
			for r := p.request(); r != nil; r = p.request() {
				fields, body := answer(r.http.URL.Path)
				head := r.http.Method == "HEAD"
				end := head || body == ""
				p.write(string(responseFrame(r.id, 200, int64(len(body)), end, fields...)))
				if !end {
					p.write(string(dataFrame(r.id, body, true)))
				}
			}
		})
		f.addMux(1, w, 1)
		test(t, f, w)
		f.audit()
	})
}

// leaks says whether a response tells the client of the field or of what it named.
func leaks(r *http.Response, files *Files) string {
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-accel") || strings.HasPrefix(lower, "x-sendfile") ||
			files != nil && strings.Contains(strings.Join(values, " "), files.Root) {
			return name + ": " + strings.Join(values, ", ")
		}
	}
	return ""
}

func TestSendfile(t *testing.T) {
	files := filesOf(t)
	named := map[string][]string{
		"/accel":   {"X-Accel-Redirect", "/protected/a%20b.txt?x=y"},
		"/file":    {"X-Sendfile", files.Root + "/a b.txt"},
		"/name":    {"X-SendFile", "a b.txt"},
		"/both":    {"X-Sendfile", "/etc/passwd", "x-accel-redirect", "/protected/sub/../a%20b.txt"},
		"/big":     {"X-Accel-Redirect", "/protected/sub/big"},
		"/twice":   {"X-Accel-Redirect", "/protected/a%20b.txt", "X-Accel-Redirect", "/protected/sub/big"},
		"/typed":   {"X-Accel-Redirect", "/protected/a%20b.txt", "Content-Type", "application/x-own"},
		"/whole":   {"X-Accel-Redirect", "/protected/a%20b.txt", "Accept-Ranges", "none"},
		"/up":      {"X-Accel-Redirect", "/protected/../outside.txt"},
		"/up2":     {"X-Accel-Redirect", "/protected/..%2foutside.txt"},
		"/up3":     {"X-Sendfile", "../outside.txt"},
		"/up4":     {"X-Sendfile", files.Root + "/../outside.txt"},
		"/beside":  {"X-Sendfile", files.Root + "ystem/x"},
		"/link":    {"X-Accel-Redirect", "/protected/escape"},
		"/dot":     {"X-Accel-Redirect", "/protected/.env"},
		"/dir":     {"X-Accel-Redirect", "/protected/sub"},
		"/dir2":    {"X-Accel-Redirect", "/protected/sub/"},
		"/none":    {"X-Accel-Redirect", "/protected/none"},
		"/prefix":  {"X-Accel-Redirect", "/a%20b.txt"},
		"/prefix2": {"X-Accel-Redirect", "/protecteda%20b.txt"},
		"/bad":     {"X-Accel-Redirect", "/protected/%zz"},
		"/empty":   {"X-Accel-Redirect", ""},
		"/passwd":  {"X-Sendfile", "/etc/passwd"},
	}
	const text = "0123456789"
	answer := func(path string) ([]string, string) {
		return append([]string{
			"Set-Cookie", "a=b", "Cache-Control", "private", "Expires", "0", "Content-Disposition",
			"attachment", "Content-Encoding", "gzip", "ETag", `"worker"`, "X-Accel-Buffering", "no",
			"Content-Security-Policy", "sandbox", "Server", "app",
		}, named[path]...), "never sent"
	}
	scripted(t, Options{Files: files}, answer, func(t *testing.T, f *front, w *testWorker) {
		c := f.dial()
		get := func(path string, fields ...string) (*http.Response, string) {
			t.Helper()
			c.write("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(fields, "") + "\r\n")
			r, body := c.response("GET")
			if l := leaks(r, files); l != "" {
				t.Errorf("%s: the client got %q", path, l)
			}
			return r, body
		}
		for _, path := range []string{"/accel", "/file", "/name", "/both", "/twice", "/typed", "/whole"} {
			r, body := get(path)
			h := r.Header
			if r.StatusCode != 200 || body != text || h.Get("Content-Encoding") != "" ||
				h.Get("Set-Cookie") != "a=b" || h.Get("Cache-Control") != "private" ||
				h.Get("Expires") != "0" || h.Get("Content-Disposition") != "attachment" ||
				h.Get("Content-Security-Policy") != "sandbox" || h.Get("Server") == "app" ||
				h.Get("Etag") == `"worker"` || r.ContentLength != 10 {
				t.Errorf("%s: got %d %q %v; want the file and the fields about it", path, r.StatusCode, body, h)
			}
			want := "text/plain; charset=utf-8"
			if path == "/typed" {
				want = "application/x-own"
			}
			if got := h.Get("Content-Type"); got != want {
				t.Errorf("%s: Content-Type %q; want %q", path, got, want)
			}
		}
		for _, path := range []string{
			"/up", "/up2", "/up3", "/up4", "/beside", "/link", "/dot", "/dir", "/dir2", "/none", "/prefix",
			"/prefix2", "/bad", "/empty", "/passwd",
		} {
			r, body := get(path)
			if r.StatusCode != 404 || strings.Contains(body, "secret") ||
				r.Header.Get("Content-Disposition") != "" {
				t.Errorf("%s: got %d %q %v; want 404", path, r.StatusCode, body, r.Header)
			}
		}
		if _, body := get("/big"); body != longText {
			t.Errorf("a large file: %d bytes; want %d", len(body), len(longText))
		}
		r, _ := get("/accel")
		tag := r.Header.Get("Etag")
		if r, body := get("/accel", "If-None-Match: "+tag+"\r\n"); r.StatusCode != 304 || body != "" {
			t.Errorf("with its tag: %d %q; want 304", r.StatusCode, body)
		}
		if r, body := get("/accel", "Range: bytes=2-4\r\n"); r.StatusCode != 206 || body != "234" {
			t.Errorf("a range: %d %q; want 206", r.StatusCode, body)
		}
		if r, body := get("/typed", "Range: bytes=99-\r\n"); r.StatusCode != 416 ||
			r.Header.Get("Content-Type") == "application/x-own" || r.Header.Get("Content-Disposition") != "" {
			t.Errorf("no such range: %d %q %v; want 416 as text", r.StatusCode, body, r.Header)
		}
		if r, body := get("/whole", "Range: bytes=2-4\r\n"); r.StatusCode != 200 || body != text ||
			r.Header.Get("Accept-Ranges") != "none" {
			t.Errorf("a range that the worker rules out: %d %q; want the whole", r.StatusCode, body)
		}
		c.write("HEAD /accel HTTP/1.1\r\nHost: x\r\n\r\n")
		if r, _ := c.response("HEAD"); r.StatusCode != 200 || r.ContentLength != 10 {
			t.Errorf("HEAD: %d, length %d; want 200, 10", r.StatusCode, r.ContentLength)
		}
		c.write("POST /accel HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 2\r\n\r\nhi").
			want("POST", 200, text)
		if n := w.total.Load(); n > 2 { // HEAD to which a length was announced costs its connection
			t.Errorf("the worker saw %d connections; want them kept", n)
		}
	})
}

// A body that comes later, or is long, costs the worker its connection and the client nothing.
func TestSendfileDropsTheBody(t *testing.T) {
	f := startFront(t, 1, Options{Files: filesOf(t)})
	closed := make(chan bool, 4)
	f.add(1, startWorker(t, func(c *workerConn) {
		r, _, ok := c.drainRequest()
		if !ok {
			return
		}
		const named = "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /protected/a%20b.txt\r\n"
		switch r.URL.Path {
		case "/long":
			c.write(named + "Content-Length: 1048576\r\n\r\npart")
		case "/chunks":
			c.write(named + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
		case "/close":
			c.write(named + "\r\nbody")
		case "/whole":
			c.write(named + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
			if r, _, ok := c.drainRequest(); ok && r.URL.Path == "/next" {
				c.respond("same connection")
			}
			return
		}
		c.waitClosed()
		closed <- true
	}), 1)
	c := f.dial()
	for _, path := range []string{"/long", "/chunks", "/close"} {
		c.get(path).want(path, 200, "0123456789")
		<-closed
	}
	c.get("/whole").want("chunks that are here", 200, "0123456789")
	c.get("/next").want("after them", 200, "same connection")
	f.audit()
}

// Without files the fields are for nobody; the answer is the worker's.
func TestSendfileOff(t *testing.T) {
	answer := func(string) ([]string, string) {
		return []string{"X-Accel-Redirect", "/protected/a", "X-Sendfile", "/etc/passwd", "X-Accel-Buffering", "no"}, "body"
	}
	scripted(t, Options{}, answer, func(t *testing.T, f *front, _ *testWorker) {
		r := f.dial().get("/").want("no files", 200, "body")
		if r.Header.Get("X-Accel-Redirect")+r.Header.Get("X-Sendfile") != "" ||
			r.Header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("got %v; want no path, and what concerns a proxy before us", r.Header)
		}
	})
}
