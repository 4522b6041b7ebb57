//go:build linux

package main

import (
	"io"
	"strings"
	"testing"
)

// TestChunkSyntax: every rule of the chunked coding, on a socket: who breaks one is answered 400, and
// nothing behind it is taken for a request.
//
// RFC 9112 section 7.1: chunk = chunk-size [chunk-ext] CRLF chunk-data CRLF, chunk-ext = *( BWS ";" BWS
// chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ). White space there is allowed by the grammar and
// refused by us: hops disagree on it.
func TestChunkSyntax(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0")
	const next = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for _, tc := range []struct {
		desc, body string
		want       string // body of the echo; "" for 400
	}{
		{"plain", "3\r\nabc\r\n0\r\n\r\n", "abc"},
		{"upper and lower case, leading zeros", "0a\r\n0123456789\r\n00A\r\n0123456789\r\n000\r\n\r\n",
			"01234567890123456789"},
		{"extension", "3;a\r\nabc\r\n0\r\n\r\n", "abc"},
		{"extension with a value", "3;a=b;c=\"d;\\\"e\"\r\nabc\r\n0;z\r\n\r\n", "abc"},
		{"trailer", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", "abc"},
		{"no size", "\r\nabc\r\n0\r\n\r\n", ""},
		{"not hexadecimal", "g\r\nabc\r\n0\r\n\r\n", ""},
		{"0x", "0x3\r\nabc\r\n0\r\n\r\n", ""},
		{"sign", "+3\r\nabc\r\n0\r\n\r\n", ""},
		{"negative", "-3\r\nabc\r\n0\r\n\r\n", ""},
		{"underscore", "0_3\r\nabc\r\n0\r\n\r\n", ""},
		{"size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n", ""},
		{"space before the size", " 3\r\nabc\r\n0\r\n\r\n", ""},
		{"space after the size", "3 \r\nabc\r\n0\r\n\r\n", ""},
		{"tab after the size", "3\t\r\nabc\r\n0\r\n\r\n", ""},
		{"space before a semicolon", "3 ;a\r\nabc\r\n0\r\n\r\n", ""},
		{"space after a semicolon", "3; a\r\nabc\r\n0\r\n\r\n", ""},
		{"empty extension name", "3;\r\nabc\r\n0\r\n\r\n", ""},
		{"empty name with a value", "3;=b\r\nabc\r\n0\r\n\r\n", ""},
		{"two semicolons", "3;;a\r\nabc\r\n0\r\n\r\n", ""},
		{"extension name is no token", "3;a@b\r\nabc\r\n0\r\n\r\n", ""},
		{"empty extension value", "3;a=\r\nabc\r\n0\r\n\r\n", ""},
		{"extension value is no token", "3;a=b@c\r\nabc\r\n0\r\n\r\n", ""},
		{"open quotes", "3;a=\"b\r\nabc\r\n0\r\n\r\n", ""},
		{"behind the quotes", "3;a=\"b\"c\r\nabc\r\n0\r\n\r\n", ""},
		{"NUL in quotes", "3;a=\"\x00\"\r\nabc\r\n0\r\n\r\n", ""},
		{"bare LF behind the size", "3\nabc\r\n0\r\n\r\n", ""},
		{"bare CR behind the size", "3\rabc\r\n0\r\n\r\n", ""},
		{"bare LF in an extension", "3;a\nabc\r\n0\r\n\r\n", ""},
		{"data too long", "3\r\nabcd\r\n0\r\n\r\n", ""},
		{"data ends by LF", "3\r\nabc\n0\r\n\r\n", ""},
		{"data ends by nothing", "3\r\nabc0\r\n\r\n", ""},
		{"extension of the last chunk", "3\r\nabc\r\n0;\r\n\r\n", ""},
		{"space before a trailer's colon", "3\r\nabc\r\n0\r\nX-Sum : 1\r\n\r\n", ""},
		{"trailer without a colon", "3\r\nabc\r\n0\r\nX-Sum\r\n\r\n", ""},
		{"trailer without a name", "3\r\nabc\r\n0\r\n: 1\r\n\r\n", ""},
		{"trailer folded", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n", ""},
		{"trailer ends by LF", "3\r\nabc\r\n0\r\nX-Sum: 1\n\r\n", ""},
		{"trailer with NUL", "3\r\nabc\r\n0\r\nX-Sum: \x00\r\n\r\n", ""},
		{"trailers end by LF", "3\r\nabc\r\n0\r\n\n", ""},
	} {
		for _, path := range []string{"/echo", "/worker/echo"} {
			c := in.dial()
			_, err := io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: x\r\n"+
				"Transfer-Encoding: chunked\r\n\r\n"+tc.body+next)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(c)
			_ = c.Close() // read to its end
			if err != nil {
				t.Errorf("%s at %s: %v after %.60q", tc.desc, path, err, b)
				continue
			}
			got, hello := string(b), strings.Count(string(b), "Hello, World!")
			switch {
			case tc.want == "":
				if !strings.HasPrefix(got, "HTTP/1.1 400 ") || hello != 0 ||
					strings.Count(got, "HTTP/1.1 ") != 1 {
					t.Errorf("%s at %s: %.200q; want 400 and no more", tc.desc, path, got)
				}
			case !strings.HasPrefix(got, "HTTP/1.1 200 ") || hello != 1 ||
				!strings.Contains(got, "\r\n\r\n"+tc.want+"HTTP/1.1 200 "):
				t.Errorf("%s at %s: %.300q; want %q and the next answer", tc.desc, path, got, tc.want)
			}
		}
	}
}
