package cgi

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"weir/protocol/http1"
)

func TestHeadEnd(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "A: b": 0, "A: b\n": 0, "A: b\r\n": 0, "A: b\n\n": 6, "A: b\r\n\r\n": 8, "A: b\n\r\nbody": 7,
		"A: b\r\n\nx": 7, "\n": 1, "\r\nx": 2, "\r": 0, "A: b\r\n\r": 0, "A:\rb\r\r\n": 0, "A: b\nC: d\n\nE\n\n": 11,
	} {
		if got := HeadEnd([]byte(in), 0); got != want {
			t.Errorf("HeadEnd(%q) = %d; want %d", in, got, want)
		}
		for seen := range len(in) {
			if end := HeadEnd([]byte(in[:seen]), 0); end != 0 {
				continue
			}
			if got := HeadEnd([]byte(in), seen); got != want {
				t.Errorf("HeadEnd(%q, %d) = %d; want %d", in, seen, got, want)
			}
		}
	}
}

func TestAppendHead(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		err      error
	}{
		{"Content-Type: text/html\r\n\r\n", "HTTP/1.1 200 \r\nContent-Type: text/html\r\n\r\n", nil},
		{"Content-Type: text/html\n\n", "HTTP/1.1 200 \r\nContent-Type: text/html\r\n\r\n", nil},
		{"X: y\nStatus: 404 Not Found\r\n\n", "HTTP/1.1 404 \r\nX: y\r\n\r\n", nil},
		{"status:503\n\n", "HTTP/1.1 503 \r\n\r\n", nil},
		{"Location: /x\n\n", "HTTP/1.1 302 \r\nLocation: /x\r\n\r\n", nil},
		{"Location: /x\nStatus: 201 Created\n\n", "HTTP/1.1 201 \r\nLocation: /x\r\n\r\n", nil},
		{
			"A: b\nTransfer-Encoding: chunked\nConnection: close\nKeep-Alive: x\nUpgrade: y\nTrailer: z\n\n",
			"HTTP/1.1 200 \r\nA: b\r\n\r\n", nil,
		},
		{"\n", "", ErrEmpty},
		{"\r\n", "", ErrEmpty},
		{"HTTP/1.1 200 OK\r\n\r\n", "", ErrLine},
		{": x\n\n", "", ErrLine},
		{"Status: 200\nStatus: 404\n\n", "", ErrStatus},
		{"Status: 100 Continue\n\n", "", ErrStatus},
		{"Status: 2000\n\n", "", ErrStatus},
		{"Status: 20\n\n", "", ErrStatus},
		{"Status: abc\n\n", "", ErrStatus},
	} {
		got, err := AppendHead([]byte("before "), []byte(tt.in))
		if string(got) != "before "+tt.want || !errors.Is(err, tt.err) {
			t.Errorf("AppendHead(%q) = %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

// TestRefused: what AppendHead passes on and no response may hold, http1 refuses.
func TestRefused(t *testing.T) {
	for _, in := range []string{
		"A : b\n\n", "A: b\rC: d\n\n", "A: b\x00\n\n", " A: b\n\n", "A: b\n C: d\n\n",
		"Content-Length: 1\nContent-Length: 2\n\n", "Content-Length: -1\n\n", "A b: c\n\n",
	} {
		head, err := AppendHead(nil, []byte(in))
		if err == nil {
			_, err = new(http1.Response).Parse(head, 0, &http1.Limits{})
		}
		if err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestVariable(t *testing.T) {
	for in, want := range map[string]string{
		"Accept-Language": "HTTP_ACCEPT_LANGUAGE", "x-2": "HTTP_X_2", "Z": "HTTP_Z", "@": "", "[": "", "`": "", "{": "",
		"Proxy": "", "pROXY": "", "Proxy-Foo": "HTTP_PROXY_FOO", "X_Forwarded_For": "", "X.Forwarded.For": "",
		"": "", "a b": "", "é": "",
	} {
		got := ""
		if n := VariableSize(in); n > 0 {
			if got = string(AppendVariable(nil, in)); len(got) != n {
				t.Errorf("VariableSize(%q) = %d; it is %q", in, n, got)
			}
		}
		if got != want {
			t.Errorf("%q becomes %q; want %q", in, got, want)
		}
	}
}

// FuzzHead: however a head is split, its end is the same; what comes of it is one whole HTTP head or
// none, with no more fields than lines.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"Status: 200 OK\r\nA: b\r\n\r\nbody", "Location: /\n\n", "\n", "A: b\n\r\n", "A: b\r\rC: d\n\n",
		"Content-Length: 5\nTransfer-Encoding: chunked\n\nhello", "HTTP/1.1 200 OK\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end := HeadEnd(b, 0)
		if end > len(b) {
			t.Fatalf("HeadEnd = %d of %d", end, len(b))
		}
		for seen := range min(len(b), 64) {
			if HeadEnd(b[:seen], 0) == 0 && HeadEnd(b, seen) != end {
				t.Fatalf("HeadEnd(%q, %d) = %d; want %d", b, seen, HeadEnd(b, seen), end)
			}
		}
		head, err := AppendHead(nil, b[:end])
		if err != nil {
			if len(head) != 0 {
				t.Fatalf("%v, and %q", err, head)
			}
			return
		}
		var r http1.Response
		n, err := r.Parse(head, 0, &http1.Limits{HeadBytes: 1 << 20, Fields: 1000})
		if err != nil {
			return
		}
		if n != len(head) || r.Chunked || r.Status < 200 {
			t.Fatalf("%q: %d of %d, %+v", head, n, len(head), r)
		}
		if lines := bytes.Count(b[:end], []byte("\n")); r.NumFields() >= lines+1 {
			t.Fatalf("%d fields of %d lines", r.NumFields(), lines)
		}
		for i := range r.NumFields() {
			if strings.EqualFold(string(r.FieldName(i)), "status") {
				t.Fatalf("Status is a field: %q", head)
			}
		}
	})
}
