package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/pipeline/middleware"
)

const pythonApp = `
import os, socketserver
from http.server import BaseHTTPRequestHandler

class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"hello from %d\n" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return "-"
    def log_message(self, *args):
        pass

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass

Server(os.environ["WEIR_SOCKET"], App).serve_forever()
`

const nodeApp = `
const http = require('http');
http.createServer((req, res) => res.end('hello from ' + process.pid + '\n'))
  .listen(process.env.PORT, () => console.log('node listens'));
`

// program finds an interpreter; without it the test is skipped, where CI promises it, it fails.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil && exec.Command(path, "--version").Run() != nil {
		err = exec.Command(path, "-V").Run() // else a shim for nothing
	}
	if err == nil {
		return path
	}
	if os.Getenv("WEIR_CI") != "" {
		t.Fatalf("%s: %v; WEIR_CI promises it", name, err)
	}
	t.Skipf("%s is not installed: %v", name, err)
	return ""
}

// Programs as a newcomer has them, in the words of the README.
func TestForeignPrograms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		program, file, text string
		workers             int
		args                []string
	}{
		{"python3", "app.py", pythonApp, 2, []string{"--workers", "2", "--", "python3", "app.py"}},
		{"node", "server.js", nodeApp, 1, []string{"--", "node", "server.js"}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			program(t, tt.program)
			dir := shortDir(t)
			if err := os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			in := startIn(t, dir, append([]string{"--listen", "127.0.0.1:0"}, tt.args...)...)
			if n := len(in.settled("default", tt.workers)); n != tt.workers {
				t.Errorf("%d workers; want %d", n, tt.workers)
			}
			l := startLoad(in.url + "/")
			l.passes(in, 20)
			if code, _, stderr := in.weir("recycle", "default"); code != 0 {
				t.Errorf("weir recycle default: %d, %s", code, stderr)
			}
			l.passes(in, 20)
			l.finish(t)
			if got := in.get("/"); !strings.HasPrefix(got.body, "hello from ") {
				t.Errorf("GET / = %d %q; want hello", got.status, got.body)
			}
		})
	}
}

// weir --respond answers everything with the text.
func TestRespond(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0", "--respond", "Hello, World!")
	for _, path := range []string{"/", "/any/path?x=1"} {
		got := in.get(path)
		if got.status != 200 || got.body != "Hello, World!" || got.header.Get("Server") != "Weir" ||
			got.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("GET %s = %d %v %q; want 200 Hello, World! as text", path, got.status, got.header,
				got.body)
		}
	}
	if got := in.do("HEAD", in.url+"/", ""); got.status != 200 || got.body != "" ||
		got.header.Get("Content-Length") != "13" {
		t.Errorf("HEAD / = %d %v %q; want 200, a length, no body", got.status, got.header, got.body)
	}
	if n := len(in.status().Pools); n != 0 {
		t.Errorf("%d pools; want none", n)
	}
}

// weir --root serves the files below a directory, and nothing beside it.
func TestRoot(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	public := filepath.Join(dir, "public")
	if err := os.Mkdir(public, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"public/index.html": "<p>hi", "public/a.txt": "0123456789", "secret": "no",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := startIn(t, dir, "--listen", "127.0.0.1:0", "--root", "./public")
	for _, tt := range []struct {
		path, field string
		status      int
		body, kind  string
	}{
		{"/", "", 200, "<p>hi", "text/html; charset=utf-8"},
		{"/a.txt", "", 200, "0123456789", "text/plain; charset=utf-8"},
		{"/a.txt", "Range: bytes=2-4", 206, "234", "text/plain; charset=utf-8"},
		{"/none", "", 404, "404 Not Found", "text/plain; charset=utf-8"},
	} {
		var fields []string
		if tt.field != "" {
			fields = []string{tt.field}
		}
		got := in.get(tt.path, fields...)
		if got.status != tt.status || !strings.HasPrefix(got.body, tt.body) ||
			got.header.Get("Content-Type") != tt.kind {
			t.Errorf("GET %s %s = %d %q %q; want %d %q %q", tt.path, tt.field, got.status,
				got.header.Get("Content-Type"), got.body, tt.status, tt.kind, tt.body)
		}
	}
	for _, path := range []string{"/../secret", "/%2e%2e/secret", "/..%2fsecret"} {
		got := in.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if strings.Contains(got, "\r\n\r\nno") || strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("GET %s = %q; want it refused", path, got)
		}
	}
}

// weir --access-log - writes to stdout, in either form.
func TestAccessLogForms(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"text": `"GET /x?y HTTP/1.1" 200 2 `, "json": `"status":200`,
	} {
		in := start(t, "--listen", "127.0.0.1:0", "--respond", "ok", "--access-log", "-",
			"--log-format", format)
		in.get("/x?y")
		in.signal(15)
		if code := in.wait(); code != 0 {
			t.Errorf("%s: exit code %d; want 0", format, code)
		}
		in.stdout.end(t)
		if got := in.stdout.String(); !strings.Contains(got, want) {
			t.Errorf("%s: stdout %q; want %s", format, got, want)
		}
	}
}

// end waits for the end of the lines.
func (l *lines) end(t *testing.T) {
	t.Helper()
	for {
		_, more := l.from(0)
		if more == nil {
			return
		}
		<-more
	}
}

// Every middleware that the binary has can be named in a file.
func TestMiddlewareByName(t *testing.T) {
	t.Parallel()
	for _, s := range middleware.Specs() {
		file := fileOf(t, t.TempDir(), "sites: {a: {bindings: [\":1\"], middleware: ["+s.Name+
			"], apps: {/: {respond: {body: x}}}}}\n")
		cmd := exec.Command(filepath.Join(bin, "weir"), "check", file)
		out, err := cmd.CombinedOutput()
		t.Run(s.Name, func(t *testing.T) {
			if err != nil {
				t.Errorf("weir check: %v: %.200s", err, out)
			}
		})
	}
}

// A Unix socket is an address like another.
func TestRespondOverUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "w.sock")
	in := start(t, "--listen", "unix:"+path, "--respond", "over unix")
	if in.url != "unix:"+path {
		t.Errorf("ready line says %q; want unix:%s", in.url, path)
	}
	c := in.dial()
	defer c.Close() //nolint:errcheck // read to its end
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); !strings.HasSuffix(string(b), "over unix") {
		t.Errorf("answer %q, %v; want over unix", b, err)
	}
}
