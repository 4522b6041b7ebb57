package http1

import (
	"strings"
	"testing"
)

// TestProtocols: which offers to switch protocols are worth passing on.
func TestProtocols(t *testing.T) {
	const up = "Connection: Upgrade\r\n"
	for _, tc := range []struct{ desc, line, fields, want string }{
		{"WebSocket", "GET / HTTP/1.1", up + "Upgrade: websocket\r\n", "websocket"},
		{"case stays", "GET / HTTP/1.1", up + "Upgrade: WebSocket\r\n", "WebSocket"},
		{"several", "GET / HTTP/1.1", up + "Upgrade: a/1.0 , b\r\nUpgrade: c\r\n", "a/1.0, b, c"},
		{"any method", "POST / HTTP/1.1", up + "Upgrade: tcp\r\nContent-Length: 0\r\n", "tcp"},
		{"no Connection", "GET / HTTP/1.1", "Upgrade: websocket\r\n", ""},
		{"no Upgrade", "GET / HTTP/1.1", up, ""},
		{"HTTP/1.0", "GET / HTTP/1.0", up + "Upgrade: websocket\r\n", ""},
		{"h2c", "GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\nUpgrade: h2c\r\n", ""},
		{"h2c in other letters", "GET / HTTP/1.1", up + "Upgrade: H2C\r\n", ""},
		{"h2c with a version", "GET / HTTP/1.1", up + "Upgrade: h2c/1\r\n", ""},
		{"h2c beside another", "GET / HTTP/1.1", up + "Upgrade: h2c, websocket\r\n", "websocket"},
		{"HTTP again", "GET / HTTP/1.1", up + "Upgrade: HTTP/2.0, TLS/1.0, IRC/6.9\r\n", "IRC/6.9"},
		{"body", "POST / HTTP/1.1", up + "Upgrade: tcp\r\nContent-Length: 3\r\n", ""},
		{"chunked body", "POST / HTTP/1.1", up + "Upgrade: tcp\r\nTransfer-Encoding: chunked\r\n", ""},
		{"HEAD", "HEAD / HTTP/1.1", up + "Upgrade: websocket\r\n", ""},
		{"malformed", "GET / HTTP/1.1", up + "Upgrade: web socket, a/, /b, (c), , d\r\n", "d"},
		{"nothing but commas", "GET / HTTP/1.1", up + "Upgrade: , ,,\r\n", ""},
	} {
		var r Request
		b := tc.line + "\r\nHost: x\r\n" + tc.fields + "\r\n"
		if n, err := r.Parse([]byte(b), 0, nil); n != len(b) || err != nil {
			t.Fatalf("%s: Parse(%q) = %d, %v", tc.desc, b, n, err)
		}
		if got := string(r.AppendOffer(nil)); got != tc.want {
			t.Errorf("%s: offers %q; want %q", tc.desc, got, tc.want)
		}
		if r.Offers("") != (tc.want != "") {
			t.Errorf("%s: Offers(\"\") = %v", tc.desc, r.Offers(""))
		}
		for p := range strings.SplitSeq(tc.want, ", ") {
			if p != "" && !r.Offers(strings.ToUpper(p)) {
				t.Errorf("%s: does not offer %q", tc.desc, p)
			}
		}
		if r.Offers("h2c") || r.Offers("none") {
			t.Errorf("%s: offers what it must not", tc.desc)
		}
	}
}

// TestProtocolOf: what a 101 says.
func TestProtocolOf(t *testing.T) {
	for _, tc := range []struct{ fields, want string }{
		{"HTTP/1.0 Connection: upgrade\r\nUpgrade: websocket\r\n", ""},
		{"Connection: upgrade\r\nUpgrade: websocket\r\n", "websocket"},
		{"Connection: upgrade\r\nUpgrade: a/1\r\n", "a/1"},
		{"Connection: upgrade\r\nUpgrade: a, b\r\n", ""},
		{"Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", ""},
		{"Connection: upgrade\r\nUpgrade: a/\r\n", ""},
		{"Upgrade: websocket\r\n", ""},
		{"Connection: upgrade\r\n", ""},
	} {
		var r Response
		version := "HTTP/1.1"
		if fields, old := strings.CutPrefix(tc.fields, "HTTP/1.0 "); old {
			version, tc.fields = "HTTP/1.0", fields
		}
		b := version + " 101 Switching Protocols\r\n" + tc.fields + "\r\n"
		if n, err := r.Parse([]byte(b), 0, nil); n != len(b) || err != nil {
			t.Fatalf("Parse(%q) = %d, %v", b, n, err)
		}
		if got := string(r.Protocol()); got != tc.want {
			t.Errorf("%q switches to %q; want %q", tc.fields, got, tc.want)
		}
	}
}
