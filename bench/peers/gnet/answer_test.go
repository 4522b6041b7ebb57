package main

import (
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2"
)

func TestAnswer(t *testing.T) {
	const hello = "\r\nContent-Length: 13\r\n\r\nHello, World!"
	for _, tc := range []struct {
		request, status, end string
		action               gnet.Action
	}{
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", hello, gnet.None},
		{"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "Content-Length: 13\r\n\r\n", gnet.None},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 OK",
			"\r\nConnection: close\r\n\r\nHello, World!", gnet.Close},
		{"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", "Content-Length: 0\r\n\r\n", gnet.None},
		{"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed", "0\r\n\r\n", gnet.None},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", "413 Content Too Large",
			"Connection: close\r\n\r\n", gnet.Close},
	} {
		s := &server{date: []byte("Sun, 22 Nov 2026 21:03:47 GMT")}
		if n, err := s.request.Parse([]byte(tc.request), 0, nil); n != len(tc.request) || err != nil {
			t.Fatalf("Parse(%q) = %d, %v", tc.request, n, err)
		}
		action := s.answer()
		if got := string(s.out); action != tc.action || !strings.HasSuffix(got, tc.end) ||
			!strings.HasPrefix(got, "HTTP/1.1 "+tc.status+"\r\nServer: gnet\r\nDate: Sun, 22 ") {
			t.Errorf("answer to %q = %q, action %v; want %s … %q, action %v", tc.request, got, action,
				tc.status, tc.end, tc.action)
		}
	}
}
