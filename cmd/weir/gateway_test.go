//go:build linux

package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"weir/supervisor/admin"
)

// gatewayLife is what a pool does for workers of any protocol: none of a load's requests fails while they
// are recycled, one that is killed is replaced.
func (in *instance) gatewayLife(t *testing.T, path string) {
	t.Helper()
	l := startLoad(in.url + path)
	l.passes(in, 10)
	if code, _, stderr := in.weir("recycle", "p"); code != 0 {
		t.Errorf("weir recycle: %d, %s", code, stderr)
	}
	l.passes(in, 10)
	l.finish(t)
	old := any1(in.settled("p", 1))
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	in.until("another worker", func(s *admin.Status) bool {
		now := pids(s, "p")
		return len(now) == 1 && !now[old]
	})
	if got := in.get(path); got.status != 200 {
		t.Errorf("GET %s behind a kill = %d %q; want 200", path, got.status, got.body)
	}
}

// echoes posts bodies, whose length is known or not, and wants them back.
func (in *instance) echoes(t *testing.T, url string) {
	t.Helper()
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for _, body := range []string{"hello", big} {
		for _, chunked := range []bool{false, true} {
			var r io.Reader = strings.NewReader(body)
			if chunked {
				r = io.MultiReader(r) // hides the length
			}
			resp, err := http.Post(url, "text/plain", r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close() // read to its end
			if err != nil || sha256.Sum256(got) != sha256.Sum256([]byte(body)) {
				t.Errorf("POST of %d bytes, chunked %t: %d %s, %d bytes %.60q, %v", len(body), chunked, resp.StatusCode,
					resp.Header.Get("X-Weir-Reason"), len(got), got, err)
			}
		}
	}
}

// TestFastCGILife: workers that are programs of the standard library's FastCGI.
func TestFastCGILife(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	in := start(t, "--config", fileOf(t, dir, `
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {pool: p}}}}
pools: {p: {command: [testworker, -kind, fastcgi], protocol: fastcgi}}
`))
	in.gatewayLife(t, "/")
	if got := in.get("/body?x=1"); got.body != "0 <nil>\n" {
		t.Errorf("GET /body = %d %q", got.status, got.body)
	}
	if got := in.get("/fields", "X-One: 1", "X_Two: 2", "Proxy: http://evil"); !strings.Contains(got.body, `"X-One":["1"]`) ||
		strings.Contains(got.body, "Two") || strings.Contains(got.body, "evil") {
		t.Errorf("GET /fields = %s", got.body)
	}
	if got := in.get("/ws", "Connection: Upgrade", "Upgrade: websocket"); got.status != 501 {
		t.Errorf("a WebSocket handshake = %d; want 501", got.status)
	}
}

// phpFPM is the path of php-fpm, which distributions call by its version.
func phpFPM(t *testing.T) string {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH") + ":/usr/sbin:/usr/local/sbin") {
		found, _ := filepath.Glob(filepath.Join(dir, "php-fpm*")) // the pattern is well formed
		for _, path := range found {
			if exec.Command(path, "-v").Run() == nil {
				return path
			}
		}
	}
	return program(t, "php-fpm")
}

// phpConfig is php-fpm.conf of the README.
const phpConfig = `[global]
daemonize = no
error_log = /dev/stderr
[www]
listen = ${WEIR_SOCKET}
pm = static
pm.max_children = 4
php_admin_flag[display_errors] = off
php_admin_flag[log_errors] = on
`

var phpScripts = map[string]string{
	"public/index.php": `<?php echo "index ", $_SERVER["REQUEST_URI"], " ", $_SERVER["PATH_INFO"] ?? "";`,
	"public/pid.php":   `<?php echo getmypid();`,
	"public/echo.php":  `<?php readfile("php://input");`,
	"public/env.php": `<?php header("X-Script: " . $_SERVER["SCRIPT_NAME"]); setcookie("a", "b");
foreach (["QUERY_STRING", "PATH_INFO", "HTTP_X_ONE", "HTTP_X_TWO", "HTTP_PROXY", "HTTP_COOKIE", "CONTENT_TYPE"] as $k)
  echo $k, "=", $_SERVER[$k] ?? "-", "\n";`,
	"public/stream.php": `<?php ob_end_flush(); echo "first\n"; flush(); file_get_contents(__DIR__ . "/../gate"); echo "second\n";`,
	"public/fatal.php":  `<?php none_of_that();`,
	"public/gone.php":   `<?php http_response_code(410); echo "gone";`,
	"public/move.php":   `<?php header("Location: /index.php");`,
	"public/evil.jpg":   `<?php echo "evil";`,
	"secret.php":        `<?php echo "secret";`,
}

// TestPHP: php-fpm itself.
func TestPHP(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts php-fpm many times")
	}
	fpm, dir := phpFPM(t), shortDir(t)
	conf, flags := phpConfig, ""
	if os.Geteuid() == 0 { // it wants to be asked
		conf, flags = conf+"user = root\ngroup = root\n", "-R, "
	}
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("fpm.conf", conf)
	for name, text := range phpScripts {
		write(name, text)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "gate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../secret.php", filepath.Join(dir, "public/link.php")); err != nil {
		t.Fatal(err)
	}
	in := start(t, "--config", fileOf(t, dir, fmt.Sprintf(`
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {pool: p}, /pretty: {pool: q}}}}
pools:
  p: {command: [%q, %s-n, -y, fpm.conf], protocol: fastcgi, concurrency: 4, fastcgi: {root: public}, timeouts: {first_byte: 5s, idle: 5s}}
  q: {command: [%q, %s-n, -y, fpm.conf], protocol: fastcgi, concurrency: 4, start: on-demand,
    fastcgi: {root: public, fallback: /index.php}}
`, fpm, flags, fpm, flags)))
	in.gatewayLife(t, "/pid.php")
	in.echoes(t, in.url+"/echo.php")
	in.phpAnswers(t)
	in.phpStreams(t, filepath.Join(dir, "gate"))
}

// phpAnswers asks for one thing after the other.
func (in *instance) phpAnswers(t *testing.T) {
	for _, tt := range []struct {
		path   string
		status int
		body   string
	}{
		{"/", 200, "index / "},
		{"/index.php/more?x=1", 200, "index /index.php/more?x=1 /more"},
		{"/gone.php", 410, "gone"},
		{"/evil.jpg/x.php", 404, ""},
		{"/evil.jpg", 404, ""},
		{"/link.php", 404, ""},
		{"/../secret.php", 400, ""},
		{"/none.php", 404, ""},
		{"/pretty/url?x=1", 200, "index /pretty/url?x=1 "},
	} {
		got := in.get(tt.path)
		if got.status != tt.status || tt.status < 400 && got.body != tt.body {
			t.Errorf("GET %s = %d %q; want %d %q", tt.path, got.status, got.body, tt.status, tt.body)
		}
	}
	got := in.do("POST", in.url+"/env.php/a%20b?x=1&y", "body", "X-One: 1", "X_Two: 2", "Proxy: http://evil",
		"Cookie: c=d", "Content-Type: text/x")
	if want := "QUERY_STRING=x=1&y\nPATH_INFO=/a b\nHTTP_X_ONE=1\nHTTP_X_TWO=-\nHTTP_PROXY=-\nHTTP_COOKIE=c=d\n" +
		"CONTENT_TYPE=text/x\n"; got.body != want {
		t.Errorf("POST /env.php = %d %q; want %q", got.status, got.body, want)
	}
	if got.header.Get("X-Script") != "/env.php" || got.header.Get("Set-Cookie") != "a=b" {
		t.Errorf("fields of /env.php: %v", got.header)
	}
	if got := in.raw("GET /move.php HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 302 ") {
		t.Errorf("GET /move.php = %q", got)
	}
	if got := in.get("/fatal.php"); got.status != 500 {
		t.Errorf("GET /fatal.php = %d %q; want 500", got.status, got.body)
	}
	fatal := regexp.MustCompile(`^p/\d+ \| PHP message: PHP Fatal error:  Uncaught Error: Call to undefined function none_of_that`)
	if _, ok := in.stderr.await(0, fatal); !ok {
		t.Error("the log does not say what was fatal")
	}
}

// phpStreams: what is flushed comes before the script ends.
func (in *instance) phpStreams(t *testing.T, gate string) {
	resp, err := http.Get(in.url + "/stream.php")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	first := make([]byte, len("first\n"))
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first\n" {
		t.Errorf("the first part: %q, %v", first, err)
	}
	if err := os.WriteFile(gate, []byte("go on"), 0); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second\n" {
		t.Errorf("the second part: %q, %v", rest, err)
	}
}

const uwsgiApp = `
import os, sys
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/missing":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"missing"]
    if path == "/fail":
        raise ValueError("none of that")
    if path == "/short":
        start_response("200 OK", [("Content-Length", "100")])
        return [b"too little"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Query", environ["QUERY_STRING"])])
    if path == "/echo":
        return [environ["wsgi.input"].read()]
    if path == "/env":
        names = ["SCRIPT_NAME", "PATH_INFO", "HTTP_X_ONE", "HTTP_X_TWO", "HTTP_PROXY", "HTTP_COOKIE", "wsgi.url_scheme"]
        return ["".join(n + "=" + environ.get(n, "-") + "\n" for n in names).encode()]
    return [str(os.getpid()).encode()]
`

// TestUWSGI: uWSGI itself.
func TestUWSGI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts uWSGI many times")
	}
	uwsgi, dir := program(t, "uwsgi_python3"), shortDir(t)
	if err := os.WriteFile(filepath.Join(dir, "app.py"), []byte(uwsgiApp), 0o600); err != nil {
		t.Fatal(err)
	}
	in := start(t, "--config", fileOf(t, dir, fmt.Sprintf(`
limits: {head: 128KiB}
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {pool: p}, /mount: {pool: p}}}}
pools:
  p:
    command: [%q, --socket, "{socket}", --wsgi-file, app.py, --master, --processes, "4", --die-on-term,
      --disable-logging]
    protocol: uwsgi
    concurrency: 4
`, uwsgi)))
	in.gatewayLife(t, "/pid")
	in.echoes(t, in.url+"/echo")
	if got := in.get("/pid?x=1&y"); got.header.Get("X-Query") != "x=1&y" {
		t.Errorf("fields of /pid: %v", got.header)
	}
	if got := in.get("/missing"); got.status != 404 || got.body != "missing" {
		t.Errorf("GET /missing = %d %q", got.status, got.body)
	}
	if got := in.get("/mount/env", "X-One: 1", "X_Two: 2", "Proxy: http://evil", "Cookie: c=d"); got.body !=
		"SCRIPT_NAME=/mount\nPATH_INFO=/env\nHTTP_X_ONE=1\nHTTP_X_TWO=-\nHTTP_PROXY=-\nHTTP_COOKIE=c=d\nwsgi.url_scheme=http\n" {
		t.Errorf("GET /mount/env = %d %q", got.status, got.body)
	}
	if got := in.get("/fail"); got.status < 500 {
		t.Errorf("GET /fail = %d %q; want a failure", got.status, got.body)
	}
	if _, ok := in.stderr.await(0, regexp.MustCompile(`^p/\d+ \| ValueError: none of that`)); !ok {
		t.Error("the log does not say what failed")
	}
	if got := in.get("/pid", "X-Large: "+strings.Repeat("x", 70_000)); got.status != 431 {
		t.Errorf("a field of 70 kB = %d; a packet has no room for it: want 431", got.status)
	}
}
