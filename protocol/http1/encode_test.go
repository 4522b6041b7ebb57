package http1

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAppendField(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		want        error
	}{
		{"A", "b", nil}, {"A", "", nil}, {"A", "b\tc \xff", nil}, {"X-1_~", strings.Repeat("x", 100), nil},
		{"", "b", ErrEncodeName}, {"A B", "b", ErrEncodeName}, {"A:", "b", ErrEncodeName},
		{"A\r\nB", "b", ErrEncodeName}, {"\xc3\x84", "b", ErrEncodeName},
		{"A", "b\r\nSet-Cookie: x", ErrEncodeValue}, {"A", "b\n", ErrEncodeValue},
		{"A", "b\rc", ErrEncodeValue}, {"A", "b\x00", ErrEncodeValue}, {"A", "\x7f", ErrEncodeValue},
		{"A", strings.Repeat("x", 21) + "\n", ErrEncodeValue},
	} {
		got, err := AppendField([]byte("old\r\n"), tc.name, []byte(tc.value))
		want := "old\r\n"
		if tc.want == nil {
			want += tc.name + ": " + tc.value + "\r\n"
		}
		if string(got) != want || !errors.Is(err, tc.want) {
			t.Errorf("AppendField(%q, %q) = %q, %v; want %q, %v", tc.name, tc.value, got, err, want, tc.want)
		}
		if ValidField(tc.name, tc.value) != (tc.want == nil) {
			t.Errorf("ValidField(%q, %q) disagrees with AppendField", tc.name, tc.value)
		}
	}
	if got, err := AppendKnown(nil, ETag, `"x"`); string(got) != "ETag: \"x\"\r\n" || err != nil {
		t.Errorf("AppendKnown = %q, %v", got, err)
	}
	if got, err := AppendKnown([]byte("a"), ETag, "\n"); string(got) != "a" || err != ErrEncodeValue {
		t.Errorf("AppendKnown = %q, %v", got, err)
	}
	if got, err := AppendKnown([]byte("a"), Unknown, "x"); string(got) != "a" || err != ErrEncodeName {
		t.Errorf("AppendKnown = %q, %v", got, err)
	}
}

func TestAppendLines(t *testing.T) {
	for _, tc := range []struct {
		status int
		want   string
	}{
		{200, "HTTP/1.1 200 OK\r\n"}, {413, "HTTP/1.1 413 Content Too Large\r\n"},
		{299, "HTTP/1.1 299 \r\n"}, {103, "HTTP/1.1 103 Early Hints\r\n"}, {999, "HTTP/1.1 999 \r\n"},
	} {
		got := AppendStatusLine(nil, tc.status)
		if string(got) != tc.want {
			t.Errorf("AppendStatusLine(%d) = %q; want %q", tc.status, got, tc.want)
		}
		var r Response
		if _, err := r.Parse(append(got, CRLF...), 0, nil); err != nil || r.Status != tc.status {
			t.Errorf("Parse(%q) = %v", got, err)
		}
	}
	for _, tc := range []struct {
		method, target string
		want           error
	}{
		{"GET", "/a?b", nil}, {"OPTIONS", "*", nil}, {"", "/", ErrMethod}, {"G T", "/", ErrMethod},
		{"GET", "", ErrTarget}, {"GET", "/ HTTP/1.1\r\nX:", ErrTarget}, {"GET", "/\n", ErrTarget},
		{"GET", "/a b", ErrTarget}, {"GET", "/a?b#c", ErrTarget},
	} {
		got, err := AppendRequestLine([]byte("x"), tc.method, tc.target)
		want := "x"
		if tc.want == nil {
			want += tc.method + " " + tc.target + " HTTP/1.1\r\n"
		}
		if string(got) != want || !errors.Is(err, tc.want) {
			t.Errorf("AppendRequestLine(%q, %q) = %q, %v; want %q, %v", tc.method, tc.target, got, err,
				want, tc.want)
		}
	}
}

func TestAppendPanics(t *testing.T) {
	for desc, f := range map[string]func(){
		"status 99":   func() { AppendStatusLine(nil, 99) },
		"status 1000": func() { AppendStatusLine(nil, 1000) },
		"length -1":   func() { AppendContentLength(nil, -1) },
		"chunk of 0":  func() { AppendChunkHeader(nil, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", desc)
				}
			}()
			f()
		}()
	}
}

// TestChunkRoundTrip decodes what the encoder wrote.
func TestChunkRoundTrip(t *testing.T) {
	b := AppendChunk(nil, []byte("hello "))
	b = AppendChunk(b, nil)
	b = AppendChunk(b, []byte(strings.Repeat("x", 300)))
	b = AppendTrailerStart(b)
	b, _ = AppendField(b, "X-Sum", "1")
	b = append(b, CRLF...)
	log := runAll(t, false, nil, chunk+string(b)+chunk+string(AppendLastChunk(nil)))
	if !strings.Contains(log, `"hello `+strings.Repeat("x", 300)+"\"\n  trailer X-Sum \"1\"") ||
		!strings.Contains(log, `) ""`) || strings.Contains(log, "error") {
		t.Errorf("log:\n%s", log)
	}
}

func TestDateCache(t *testing.T) {
	var d DateCache
	for _, now := range []int64{0, 784111777, 784111777, 784111778, 1 << 35} {
		date := time.Unix(now, 0).UTC().Format(http.TimeFormat)
		if got := string(d.Append([]byte("x"), now)); got != "xDate: "+date+"\r\n" {
			t.Errorf("Append(%d) = %q; want %q", now, got, date)
		}
		if got := string(d.Value(now)); got != date {
			t.Errorf("Value(%d) = %q; want %q", now, got, date)
		}
	}
	// Within a second nothing is formatted: a changed cache shows through.
	d.line[0] = '!'
	if got := d.Append(nil, 1<<35); got[0] != '!' {
		t.Error("the date was formatted again within its second")
	}
}

func TestStatusText(t *testing.T) {
	renamed := map[int]bool{413: true, 414: true, 416: true, 422: true}
	for status := 100; status < 600; status++ {
		if got, want := StatusText(status), http.StatusText(status); got != want && !renamed[status] {
			t.Errorf("StatusText(%d) = %q; want %q", status, got, want)
		}
	}
}

// TestPathPlain asks one Request again and again: the answer stays with its head and goes with it.
func TestPathPlain(t *testing.T) {
	var r Request
	for _, tc := range []struct {
		target string
		want   bool
	}{
		{"/", true}, {"/%41", false}, {"/a/b", true}, {"/a/./b", false}, {"/a?%41", true},
		{"http://h", true}, {"/.well-known", false}, {"http://h/a", true}, {"/a%2Fb?c", false},
	} {
		head := []byte("GET " + tc.target + " HTTP/1.1\r\nHost: h\r\n\r\n")
		if n, err := r.Parse(head, 0, nil); n != len(head) || err != nil {
			t.Fatalf("Parse(%q) = %d, %v", head, n, err)
		}
		for _, when := range []string{"first", "again", "rebased"} {
			if got := r.PathPlain(); got != tc.want {
				t.Errorf("PathPlain() of %q, %s = %v; want %v", tc.target, when, got, tc.want)
			}
			r.Rebase(append([]byte(nil), head...))
		}
	}
}

func TestDecodePath(t *testing.T) {
	for _, tc := range []struct {
		raw, want string
		err       error
	}{
		{"/", "/", nil}, {"/a/b", "/a/b", nil}, {"//a//", "//a//", nil}, {"/a%20b", "/a b", nil},
		{"/%41%6a", "/Aj", nil}, {"/%c3%a4", "/\u00e4", nil}, {"/%e2%82%ac", "/\u20ac", nil},
		{"/a%2fb", "/a%2Fb", nil}, {"/a%252fb", "/a%2fb", nil}, {"/%25", "/%", nil}, {"/a+b", "/a+b", nil},
		{"/a%5cb", `/a\b`, nil}, {"/a%3fb", "/a?b", nil}, {"/a%3Bb", "/a;b", nil},
		{"/.", "/", nil}, {"/./", "/", nil}, {"/a/.", "/a/", nil}, {"/a/./b", "/a/b", nil},
		{"/a/..", "/", nil}, {"/a/../", "/", nil}, {"/a/../b", "/b", nil}, {"/a/b/../../c", "/c", nil},
		{"/a//../b", "/a/b", nil}, {"/%2e", "/", nil}, {"/a/%2E%2e/b", "/b", nil}, {"/a/.%2e", "/", nil},
		{"/...", "/...", nil}, {"/.a", "/.a", nil}, {"/a..", "/a..", nil}, {"/..a", "/..a", nil},
		{"/..%2f", "/..%2F", nil}, {"/a/..%2f..%2fb", "/a/..%2F..%2Fb", nil}, {"/a/..;/b", "/a/..;/b", nil},
		{"/..", "", ErrPathRoot}, {"/../a", "", ErrPathRoot}, {"/a/../..", "", ErrPathRoot},
		{"/%2e%2e/a", "", ErrPathRoot}, {"/./../a", "", ErrPathRoot},
		{"/%", "", ErrPathEscape}, {"/%4", "", ErrPathEscape}, {"/%4/1", "", ErrPathEscape},
		{"/%zz", "", ErrPathEscape}, {"/%u0041", "", ErrPathEscape}, {"/%%", "", ErrPathEscape},
		{"/% 41", "", ErrPathEscape}, {"/%+1", "", ErrPathEscape},
		{"/%00", "", ErrPathControl}, {"/a%0ab", "", ErrPathControl}, {"/%1f", "", ErrPathControl},
		{"/%7f", "", ErrPathControl}, {"/%c2%80", "", ErrPathControl}, {"/%c2%9f", "", ErrPathControl},
		{"/%c2%a0", "/\u00a0", nil},
		{"/%ff", "", ErrPathUTF8}, {"/%c0%af", "", ErrPathUTF8}, {"/%c0%ae%c0%ae/", "", ErrPathUTF8},
		{"/%ed%a0%80", "", ErrPathUTF8}, {"/%f4%90%80%80", "", ErrPathUTF8}, {"/%c3/%a4", "", ErrPathUTF8},
		{"/%e2%82", "", ErrPathUTF8}, {"", "", ErrTarget}, {"a", "", ErrTarget}, {"*", "", ErrTarget},
	} {
		got, err := DecodePath([]byte("x"), []byte(tc.raw))
		if string(got) != "x"+tc.want || !errors.Is(err, tc.err) {
			t.Errorf("DecodePath(%q) = %q, %v; want %q, %v", tc.raw, got[1:], err, tc.want, tc.err)
		}
		if err != nil {
			continue
		}
		path := AppendPath([]byte("x"), []byte(tc.raw))[1:] // the same place, without dots on the way
		if got, err := DecodePath(nil, path); string(got) != tc.want || err != nil {
			t.Errorf("AppendPath(%q) = %q, which decodes to %q, %v; want %q", tc.raw, path, got, err, tc.want)
		}
	}
}

func TestAppendPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/": "/", "/a%2fb/%41": "/a%2fb/%41", "//a//": "//a//", "/.a/..b/...": "/.a/..b/...",
		"/a/./b/.": "/a/b/", "/a//../b": "/a/b", "/a/b/%2E.": "/a/", "/%2e/%2E%2f": "/%2E%2f",
		"/%61/../%62": "/%62", "/a/../b/..": "/", "/a/..%2f..": "/a/..%2f..",
	} {
		if got := string(AppendPath(nil, []byte(raw))); got != want {
			t.Errorf("AppendPath(%q) = %q; want %q", raw, got, want)
		}
	}
}
