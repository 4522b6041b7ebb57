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

// TestGatewayAllocs: nor does one to a program that speaks FastCGI, whose script is known.
func TestGatewayAllocs(t *testing.T) {
	for _, tt := range []struct{ request, end, answer string }{
		{"GET /a.php/info?name=x HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nUser-Agent: test\r\n" +
			"Cookie: a=b\r\nCookie: c=d\r\n\r\n", stdinEnd, fcgiAnswer("Content-Type: text/html\n\n", "Hello, World!")},
		{"POST /a.php HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello", stdinEnd,
			stdout("Content-Length: 13\r\n\r\nHello") + stdout(", World!") + endRequest(0, 0)},
	} {
		s := &Scripts{Root: "/srv", Extensions: []string{".php"}, Check: func(string) error { return nil }}
		exchange := gatewayOnce(t, Options{Protocol: FastCGI, Scripts: s}, tt.request, tt.end, tt.answer)
		for range 100 {
			exchange()
		}
		// A look at the script is due once a second, and allocates; the mean forgives one.
		if got := testing.AllocsPerRun(1000, exchange); got != 0 {
			t.Errorf("%.20q: allocations per request = %v; want 0", tt.request, got)
		}
	}
}

// TestBalanceAllocs: nor does a rule that looks at the request.
func TestBalanceAllocs(t *testing.T) {
	secret := []byte("secret")
	cookie := (&Pool{name: "shop", secret: secret}).cookie(1)
	for _, b := range []Balance{
		{Rule: RoundRobin}, {Rule: Random2}, {Rule: HashClient}, {Rule: HashHeader, Name: "X-Key"},
		{Rule: HashCookie, Name: "session"}, {Rule: Sticky},
	} {
		request := "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Key: k\r\n" +
			"X-Forwarded-For: 192.0.2.1\r\nCookie: a=b; session=x; weir-shop=" + cookie + "\r\n\r\n"
		o := Options{Balance: b, Secret: secret, Limit: Limit{Adaptive: AdaptiveOn}}
		exchange := proxyWith(t, o, request, ok("Hello, World!"))
		for range 100 {
			exchange()
		}
		if got := testing.AllocsPerRun(1000, exchange); got != 0 {
			t.Errorf("%+v: allocations per request = %v; want 0", b, got)
		}
	}
}
