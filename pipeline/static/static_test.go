package static_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
	"weir/pipeline/static"
)

const second = int64(time.Second)

// site is a directory and what serves it.
type site struct {
	t    *testing.T
	root string
	f    *static.Files
	now  int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, root: filepath.Join(dir, "public"), now: 1}
	s.write("index.html", "<h1>hi")
	s.write("a.txt", "0123456789")
	s.write("sub/index.html", "sub")
	s.write("sub/b c.css", "x{}")
	s.write("empty", "")
	s.write(".git/config", "secret")
	s.write(".env", "secret")
	s.write(".well-known/acme", "token")
	s.write("big.bin", strings.Repeat("0123456789abcdef", 8<<10)) // 128 KiB
	s.write("../outside.txt", "secret")
	s.link("../outside.txt", "escape.txt")
	s.link("..", "up")
	s.link("/etc", "etc")
	s.link("a.txt", "inside.txt")
	if err := syscall.Mkfifo(filepath.Join(s.root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := static.New(static.Options{Root: s.root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	s.f = f
	return s
}

func (s *site) write(name, body string) {
	s.t.Helper()
	name = filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) link(to, name string) {
	s.t.Helper()
	if err := os.Symlink(to, filepath.Join(s.root, name)); err != nil {
		s.t.Fatal(err)
	}
}

// do sends a request, "GET /a.txt" with field lines, and returns the finished exchange.
func (s *site) do(line string, fields ...string) *pipelinetest.Exchange {
	s.t.Helper()
	raw := line + " HTTP/1.1\r\nHost: a\r\n"
	for _, f := range fields {
		raw += f + "\r\n"
	}
	x := pipelinetest.New(s.t, raw+"\r\n")
	x.Now = s.now
	x.Run(s.f.Handle)
	x.Complete()
	return x
}

func (s *site) want(desc string, x *pipelinetest.Exchange, status int, body string) {
	s.t.Helper()
	if x.Status != status || string(x.Body) != body || !x.Ended {
		s.t.Errorf("%s: %d %.60q, ended %v; want %d %.60q", desc, x.Status, x.Body, x.Ended, status, body)
	}
}

func TestFiles(t *testing.T) {
	s := newSite(t)
	for _, tc := range []struct{ path, body, contentType string }{
		{"/", "<h1>hi", "text/html; charset=utf-8"},
		{"/a.txt?x=1", "0123456789", "text/plain; charset=utf-8"},
		{"/sub/", "sub", "text/html; charset=utf-8"},
		{"/sub/b%20c.css", "x{}", "text/css; charset=utf-8"},
		{"/sub/../a.txt", "0123456789", "text/plain; charset=utf-8"},
		{"/empty", "", "application/octet-stream"},
		{"/inside.txt", "0123456789", "text/plain; charset=utf-8"},
		{"/.well-known/acme", "token", "application/octet-stream"},
		{"/big.bin", strings.Repeat("0123456789abcdef", 8<<10), "application/octet-stream"},
	} {
		for _, pass := range []string{"miss", "hit"} {
			x := s.do("GET " + tc.path)
			s.want(pass+" "+tc.path, x, 200, tc.body)
			if got := x.Fields.Get("Content-Type"); got != tc.contentType || x.Length != int64(len(tc.body)) {
				t.Errorf("%s %s: type %q length %d", pass, tc.path, got, x.Length)
			}
			if !x.Fields.Has("ETag") || !x.Fields.Has("Last-Modified") ||
				x.Fields.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: validators or nosniff missing", pass, tc.path)
			}
			shared := strings.Contains(tc.path, "..") // with /a.txt above
			if (pass == "hit") == x.Held && !shared {
				t.Errorf("%s %s: held %v; want a hit on the loop, a miss off it", pass, tc.path, x.Held)
			}
			x = s.do("HEAD " + tc.path)
			if x.Status != 200 || x.Length != int64(len(tc.body)) || x.Sends+x.Files != 0 {
				t.Errorf("HEAD %s: %d, length %d, %d sends", tc.path, x.Status, x.Length, x.Sends)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{
		"/none", "/none/x", "/a.txt/", "/a.txt/x", "/.env", "/.git/config", "/.git/", "/sub/.x", "//a.txt",
		"/sub//b%20c.css", "/sub%2Findex.html", "/escape.txt", "/up/outside.txt", "/etc/passwd", "/fifo",
		"/%2e%2e%2foutside.txt", "/" + strings.Repeat("x", 300), "/" + strings.Repeat("x/", 2100),
	} {
		x := s.do("GET " + path)
		if x.Status != 404 || strings.Contains(string(x.Body), "secret") || !x.Ended {
			t.Errorf("GET %.40s = %d %q; want 404", path, x.Status, x.Body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "get"} {
		x := s.do(method + " /a.txt")
		if x.Status != 405 || x.Fields.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s = %d, Allow %q; want 405", method, x.Status, x.Fields.Get("Allow"))
		}
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(filepath.Join(s.root, "a.txt"), 0); err != nil {
			t.Fatal(err)
		}
		if x := s.do("GET /a.txt"); x.Status != 403 {
			t.Errorf("unreadable file = %d; want 403", x.Status)
		}
	}
}

func TestRedirect(t *testing.T) {
	s := newSite(t)
	x := s.do("GET /sub?q=1")
	if x.Status != 301 || x.Fields.Get("Location") != "/sub/?q=1" {
		t.Errorf("GET /sub = %d to %q; want 301 to /sub/?q=1", x.Status, x.Fields.Get("Location"))
	}
	h, err := pipeline.New().Map("/app x", func(b *pipeline.Builder) { b.Run(s.f.Handle) }).
		Run(pipeline.NotFoundHandler).Build()
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"/app%20x": "/app%20x/", "/app%20x/sub": "/app%20x/sub/",
	} {
		x := pipelinetest.Get(t, target, "")
		x.Run(h)
		if got := x.Fields.Get("Location"); x.Status != 301 || got != want {
			t.Errorf("GET %s = %d to %q; want 301 to %q", target, x.Status, got, want)
		}
	}
}

func TestConditions(t *testing.T) {
	s := newSite(t)
	first := s.do("GET /a.txt")
	etag, date := first.Fields.Get("ETag"), first.Fields.Get("Last-Modified")
	const old, future = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2100 23:59:59 GMT"
	for _, tc := range []struct {
		desc   string
		fields []string
		status int
	}{
		{"same tag", []string{"If-None-Match: " + etag}, 304},
		{"weak form of it", []string{"If-None-Match: W/" + etag}, 304},
		{"in a list", []string{`If-None-Match: "x", W/"y",` + etag}, 304},
		{"in a second line", []string{`If-None-Match: "x"`, "If-None-Match: " + etag}, 304},
		{"any", []string{"If-None-Match: *"}, 304},
		{"other tag", []string{`If-None-Match: "x"`}, 200},
		{"tag beats date", []string{`If-None-Match: "x"`, "If-Modified-Since: " + date}, 200},
		{"malformed tags", []string{"If-None-Match: " + etag[1:]}, 200},
		{"same date", []string{"If-Modified-Since: " + date}, 304},
		{"later date", []string{"If-Modified-Since: " + future}, 304},
		{"older date", []string{"If-Modified-Since: " + old}, 200},
		{"bad date", []string{"If-Modified-Since: yesterday"}, 200},
		{"match", []string{"If-Match: " + etag}, 200},
		{"match any", []string{"If-Match: *"}, 200},
		{"weak never matches", []string{"If-Match: W/" + etag}, 412},
		{"no match", []string{`If-Match: "x"`}, 412},
		{"unmodified", []string{"If-Unmodified-Since: " + date}, 200},
		{"modified", []string{"If-Unmodified-Since: " + old}, 412},
	} {
		x := s.do("GET /a.txt", tc.fields...)
		if x.Status != tc.status || x.Status == 304 && (len(x.Body) > 0 || x.Fields.Get("ETag") != etag) {
			t.Errorf("%s: %d %q; want %d", tc.desc, x.Status, x.Body, tc.status)
		}
	}
}

func TestRanges(t *testing.T) {
	s := newSite(t)
	first := s.do("GET /a.txt")
	etag, date := first.Fields.Get("ETag"), first.Fields.Get("Last-Modified")
	for _, tc := range []struct {
		rng, ifRange string
		status       int
		body, where  string
	}{
		{"bytes=0-3", "", 206, "0123", "bytes 0-3/10"},
		{"bytes=8-", "", 206, "89", "bytes 8-9/10"},
		{"bytes=-3", "", 206, "789", "bytes 7-9/10"},
		{"bytes=-30", "", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=5-99999999999999999999", "", 206, "56789", "bytes 5-9/10"},
		{"Bytes=9-9", "", 206, "9", "bytes 9-9/10"},
		{"bytes=10-", "", 416, "Range Not Satisfiable\n", "bytes */10"},
		{"bytes=-0", "", 416, "Range Not Satisfiable\n", "bytes */10"},
		{"bytes=3-2", "", 200, "0123456789", ""},
		{"bytes=a-b", "", 200, "0123456789", ""},
		{"bytes=--1", "", 200, "0123456789", ""},
		{"bytes=", "", 200, "0123456789", ""},
		{"items=0-1", "", 200, "0123456789", ""},
		{"bytes=0-1,3-4", "", 200, "0123456789", ""}, // several: the whole, as documented
		{"bytes=0-3", etag, 206, "0123", "bytes 0-3/10"},
		{"bytes=0-3", date, 206, "0123", "bytes 0-3/10"},
		{"bytes=0-3", "W/" + etag, 200, "0123456789", ""},
		{"bytes=0-3", `"x"`, 200, "0123456789", ""},
	} {
		fields := []string{"Range: " + tc.rng}
		if tc.ifRange != "" {
			fields = append(fields, "If-Range: "+tc.ifRange)
		}
		x := s.do("GET /a.txt", fields...)
		s.want(tc.rng+" "+tc.ifRange, x, tc.status, tc.body)
		if got := x.Fields.Get("Content-Range"); got != tc.where {
			t.Errorf("%s: Content-Range %q; want %q", tc.rng, got, tc.where)
		}
	}
	s.want("range of a large file", s.do("GET /big.bin", "Range: bytes=16-19"), 206, "0123")
	if x := s.do("HEAD /a.txt", "Range: bytes=0-3"); x.Status != 200 || x.Length != 10 {
		t.Errorf("HEAD with Range = %d length %d; want 200, 10", x.Status, x.Length)
	}
}

// TestChange changes files under the cache: nothing for a second, then the new state.
func TestChange(t *testing.T) {
	s := newSite(t)
	s.want("first", s.do("GET /a.txt"), 200, "0123456789")
	s.want("first", s.do("GET /sub/"), 200, "sub")
	s.write("new.txt", "changed")
	if err := os.Rename(filepath.Join(s.root, "new.txt"), filepath.Join(s.root, "a.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.root, "sub/index.html")); err != nil {
		t.Fatal(err)
	}
	s.now += second - 1
	s.want("within the second", s.do("GET /a.txt"), 200, "0123456789")
	s.now++
	x := s.do("GET /a.txt")
	s.want("after it", x, 200, "changed")
	if !x.Held {
		t.Error("the look at the file was on the loop")
	}
	if x := s.do("GET /sub/"); x.Status != 404 {
		t.Errorf("removed file = %d; want 404", x.Status)
	}
	x = s.do("GET /a.txt")
	s.want("cached again", x, 200, "changed")
	s.now += second
	s.want("unchanged", s.do("GET /a.txt"), 200, "changed")
	if x := s.do("GET /a.txt"); x.Held {
		t.Error("an unchanged file left the cache")
	}
}

// TestTruncated cuts a large file between look and send: the client must see a cut response.
func TestTruncated(t *testing.T) {
	s := newSite(t)
	if x := s.do("GET /big.bin"); x.Status != 200 {
		t.Fatalf("status %d", x.Status)
	}
	if err := os.Truncate(filepath.Join(s.root, "big.bin"), 70<<10); err != nil {
		t.Fatal(err)
	}
	x := s.do("GET /big.bin")
	if !x.Aborted || x.Length != 128<<10 {
		t.Errorf("aborted %v with %d of %d bytes; want a reset", x.Aborted, len(x.Body), x.Length)
	}
	s.now += second
	if x := s.do("GET /big.bin"); x.Length != 70<<10 || !x.Ended {
		t.Errorf("after a second: length %d, ended %v; want the new size", x.Length, x.Ended)
	}
}

// TestRootMoves deploys a release by moving a symlink.
func TestRootMoves(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "v"), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	current := filepath.Join(dir, "current")
	if err := os.Symlink("one", current); err != nil {
		t.Fatal(err)
	}
	f, err := static.New(static.Options{Root: current})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &site{t: t, f: f, now: 1}
	s.want("before", s.do("GET /v"), 200, "one")
	if err := os.Symlink("two", current+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(current+".new", current); err != nil {
		t.Fatal(err)
	}
	s.now += second
	s.want("after", s.do("GET /v"), 200, "two")
}

// TestBounded asks for more large files than may be open.
func TestBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 1200 files")
	}
	s := newSite(t)
	before := openFiles(t)
	big := filepath.Join(s.root, "big.bin")
	for i := range 1200 {
		name := "l" + strings.Repeat("x", i%200) + string(rune('a'+i/200))
		if err := os.Link(big, filepath.Join(s.root, name)); err != nil {
			t.Fatal(err)
		}
		if x := s.do("HEAD /" + name); x.Status != 200 {
			t.Fatalf("file %d = %d", i, x.Status)
		}
	}
	if got := openFiles(t) - before; got > 1024 {
		t.Errorf("%d files are open; want at most 1024", got)
	}
	if err := s.f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := openFiles(t) - before; got > 0 {
		t.Errorf("%d files stay open after Close", got)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(names)
}

// TestConcurrent has loops race for entries that change and get evicted; -race and the fake
// exchange see what goes wrong.
func TestConcurrent(t *testing.T) {
	s := newSite(t)
	var wg sync.WaitGroup
	for loop := range 4 {
		wg.Go(func() {
			mine := &site{t: t, root: s.root, f: s.f, now: 1}
			for i := range 100 {
				mine.now += second / 3
				for _, path := range []string{"/a.txt", "/big.bin", "/none"} {
					x := mine.do("GET " + path)
					if want := map[string]int{"/a.txt": 10, "/big.bin": 128 << 10}[path]; want > 0 &&
						(x.Status != 200 || len(x.Body) != want) {
						t.Errorf("loop %d, turn %d: %s = %d, %d bytes", loop, i, path, x.Status, len(x.Body))
					}
				}
				if loop == 0 {
					now := time.Now().Add(time.Duration(i) * time.Second)
					_ = os.Chtimes(filepath.Join(s.root, "big.bin"), now, now)
				}
			}
		})
	}
	wg.Wait()
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []static.Options{
		{}, {Root: dir + "/none"}, {Root: file}, {Root: dir, Index: "../x"}, {Root: dir, Index: "a//b"},
	} {
		if f, err := static.New(o); err == nil {
			t.Errorf("New(%+v) = nil error", o)
			_ = f.Close()
		}
	}
	s := newSite(t)
	f, err := static.New(static.Options{Root: s.root, Index: "a.txt"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := &site{t: t, f: f, now: 1}
	other.want("index", other.do("GET /"), 200, "0123456789")
}

func openHere(tb testing.TB) *static.Files {
	tb.Helper()
	f, err := static.New(static.Options{Root: "."})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// TestCheck: only regular files below the root are there, readable or not.
func TestCheck(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.php", "dir/b.php", ".hidden.php"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o200); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "x.php")
	if err := os.WriteFile(outside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"in.php": "dir/b.php", "out.php": outside, "up.php": "../x.php"} {
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := static.New(static.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for path, want := range map[string]bool{
		"/a.php": true, "/dir/b.php": true, "/in.php": true, "/dir": false, "/dir/": false, "/a.php/": false,
		"/out.php": false, "/up.php": false, "/.hidden.php": false, "/dir/../a.php": false, "//a.php": false, "": false,
		"/a.php/b.php": false, "/none.php": false, "/a.php\x00": false,
	} {
		if err := f.Check(path); (err == nil) != want {
			t.Errorf("Check(%q) = %v; want there %t", path, err, want)
		}
	}
}
