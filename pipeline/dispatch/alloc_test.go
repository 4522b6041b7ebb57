//go:build !race

package dispatch

import "testing"

// TestProxyAllocs: a small request through client, front and worker and back allocates nothing, on
// a connection that is kept alive on both sides.
func TestProxyAllocs(t *testing.T) {
	for _, tc := range []struct{ desc, request string }{
		{"GET", "GET /hello?name=x HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n" +
			"User-Agent: test\r\nCookie: a=b\r\n\r\n"},
		{"POST", "POST /form HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello"},
		{"chunked POST", "POST /form HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"5\r\nhello\r\n0\r\n\r\n"},
	} {
		for _, answer := range []string{
			ok("Hello, World!"),
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		} {
			exchange := proxyOnce(t, tc.request, answer)
			for range 100 { // buffers, free lists and field lists grow once
				exchange()
			}
			if got := testing.AllocsPerRun(1000, exchange); got != 0 {
				t.Errorf("%s: allocations per request = %v; want 0", tc.desc, got)
			}
		}
	}
}

// TestMuxAllocs: the same over a mux connection.
func TestMuxAllocs(t *testing.T) {
	for _, request := range []string{
		"GET /hello?name=x HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nUser-Agent: test\r\nCookie: a=b\r\n\r\n",
		"POST /form HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello",
	} {
		exchange := muxOnce(t, request)
		for range 200 { // buffers, free lists and field lists grow once
			exchange()
		}
		if got := testing.AllocsPerRun(1000, exchange); got != 0 {
			t.Errorf("%.20q: allocations per request = %v; want 0", request, got)
		}
	}
}
