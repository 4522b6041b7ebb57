package dispatch

import (
	"net/netip"
	"strings"
	"testing"
)

// TestHead: the head as the worker gets it, byte by byte. %ID% stands for an id that we made.
func TestHead(t *testing.T) {
	const from = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x.org\r\n" +
		"Forwarded: for=127.0.0.1;host=x.org;proto=http\r\nX-Request-Id: %ID%\r\n"
	trace := "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
	for _, tc := range []struct {
		desc, in, out     string
		trusted, distrust bool
	}{
		{desc: "plain", in: "GET /a//b/../c%2f?x=%zz&y HTTP/1.1\r\nAccept:*/*\r\nhost:  x.org \r\n\r\n",
			out: "GET /a//c%2f?x=%zz&y HTTP/1.1\r\nHost: x.org\r\nAccept: */*\r\n" + from},
		{desc: "absolute-form, empty query", in: "GET http://x.org? HTTP/1.1\r\nHost: x.org\r\n\r\n",
			out: "GET /? HTTP/1.1\r\nHost: x.org\r\n" + from},
		{desc: "hop-by-hop", in: "GET / HTTP/1.1\r\nHost: x.org\r\nConnection: keep-alive, X-Mine, upgrade\r\n" +
			"X-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nProxy-Connection: close\r\nTE: gzip\r\n" +
			"Upgrade: h2c\r\nCookie: a\r\nCookie: b\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org\r\nCookie: a\r\nCookie: b\r\n" + from},
		{desc: "upgrade", in: "GET / HTTP/1.1\r\nHost: x.org\r\nConnection: upgrade, X-Mine, TE\r\nX-Mine: 1\r\n" +
			"TE: trailers\r\nUpgrade: h2c, websocket\r\nUpgrade: irc/6.9\r\nSec-WebSocket-Key: k\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org\r\nSec-WebSocket-Key: k\r\n" +
				"Upgrade: websocket, irc/6.9\r\nConnection: Upgrade\r\n" + from},
		{desc: "upgrade with a body", in: "POST / HTTP/1.1\r\nHost: x.org\r\nConnection: upgrade\r\n" +
			"Upgrade: websocket\r\nContent-Length: 1\r\n\r\na",
			out: "POST / HTTP/1.1\r\nHost: x.org\r\nContent-Length: 1\r\n" + from},
		{desc: "not trusted", in: "GET / HTTP/1.1\r\nHost: x.org\r\nX-Forwarded-For: 1.2.3.4\r\n" +
			"X-Forwarded-Port: 1\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Request-ID: mine\r\n" +
			"X_Forwarded_For: 1.2.3.4\r\nX_Other: kept\r\nContent_Length: 5\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org\r\nX_Other: kept\r\n" + from},
		{desc: "trusted", trusted: true, in: "GET / HTTP/1.1\r\nHost: x.org\r\nX-Forwarded-For: 1.2.3.4\r\n" +
			"X-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n" +
			"X-Forwarded-Host: y.org\r\nForwarded: for=1.2.3.4\r\nX-Request-ID: mine\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 1.2.3.4\r\n" +
				"X-Forwarded-For: 1.2.3.4, 5.6.7.8, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n" +
				"X-Forwarded-Host: y.org\r\n" +
				"Forwarded: for=1.2.3.4, for=127.0.0.1;host=x.org;proto=http\r\nX-Request-Id: mine\r\n"},
		{desc: "trace", in: "GET / HTTP/1.1\r\nHost: x.org\r\n" + trace + "tracestate: a=b\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org\r\n" + trace + "tracestate: a=b\r\n" + from},
		{desc: "trace not trusted", distrust: true,
			in:  "GET / HTTP/1.1\r\nHost: x.org\r\n" + trace + "tracestate: a=b\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org\r\n" + from},
		{desc: "bad trace", in: "GET / HTTP/1.1\r\nHost: x.org\r\n" +
			strings.ToUpper(trace) + "tracestate: a=b\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org\r\n" + from},
		{desc: "POST without body", in: "POST / HTTP/1.1\r\nHost: x.org\r\n\r\n",
			out: "POST / HTTP/1.1\r\nHost: x.org\r\nContent-Length: 0\r\n" + from},
		{desc: "port", in: "GET / HTTP/1.1\r\nHost: x.org:81\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: x.org:81\r\n" + strings.NewReplacer("Host: x.org", "Host: x.org:81",
				"host=x.org", `host="x.org:81"`).Replace(from)},
		{desc: "HTTP/1.0 without Host", in: "GET / HTTP/1.0\r\n\r\n",
			out: "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" +
				"Forwarded: for=127.0.0.1;proto=http\r\nX-Request-Id: %ID%\r\n"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			o := Options{DistrustTrace: tc.distrust}
			if tc.trusted {
				o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
			f := startFront(t, 1, o)
			head := make(chan string, 1)
			f.add(1, startWorker(t, func(c *workerConn) {
				var b strings.Builder
				for {
					line, err := c.r.ReadString('\n')
					if err != nil {
						return
					}
					if b.WriteString(line); line == "\r\n" {
						break
					}
				}
				head <- b.String()
				c.respond("x")
				c.waitClosed()
			}), 1)
			f.dial().write(tc.in).want(tc.desc, 200, "x")
			got := <-head
			if _, id, _ := strings.Cut(got, "X-Request-Id: "); strings.Contains(tc.out, "%ID%") {
				id, _, _ = strings.Cut(id, "\r\n")
				if len(id) != 32 {
					t.Errorf("request id %q; want 32 digits", id)
				}
				got = strings.Replace(got, id, "%ID%", 1)
			}
			if want := tc.out + "\r\n"; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestTraceparent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for v, want := range map[string]bool{
		good:                               true,
		"cc" + good[2:]:                    true,
		"cc" + good[2:] + "-more":          true,
		"cc" + good[2:] + "more":           false,
		good + "-more":                     false,
		"ff" + good[2:]:                    false,
		good[:54]:                          false,
		strings.ToUpper(good):              false,
		strings.Replace(good, "-", "_", 1): false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"": false,
	} {
		if got := validTraceparent([]byte(v)); got != want {
			t.Errorf("validTraceparent(%q) = %v; want %v", v, got, want)
		}
	}
}

func TestElement(t *testing.T) {
	for _, tc := range []struct{ peer, host, proto, want string }{
		{"192.0.2.1", "x.org", "http", "for=192.0.2.1;host=x.org;proto=http"},
		{"2001:db8::1", "[::1]:80", "https", `for="[2001:db8::1]";host="[::1]:80";proto=https`},
		{"", "", "http", "for=unknown;proto=http"},
	} {
		var peer netip.Addr
		if tc.peer != "" {
			peer = netip.MustParseAddr(tc.peer)
		}
		if got := string(appendElement(nil, peer, []byte(tc.host), tc.proto)); got != tc.want {
			t.Errorf("appendElement(%v) = %q; want %q", tc, got, tc.want)
		}
	}
}

func TestResolvedOptions(t *testing.T) {
	s := Options{QueueTimeout: Off, Timeouts: Timeouts{Idle: Off}}.resolved()
	if s.QueueTimeout != 0 || s.QueueLength != queueLengthDefault || s.HangAfter != hangDefault ||
		s.Timeouts != (Timeouts{connectDefault, firstByteDefault, 0, 0, tunnelDefault}) {
		t.Errorf("resolved: %+v", s)
	}
	own := Timeouts{FirstByte: 7, Total: Off}.over(Timeouts{FirstByte: 1, Idle: 2, Total: 3, Tunnel: 4}).resolved()
	if own != (Timeouts{connectDefault, 7, 2, 0, 4}) {
		t.Errorf("route over pool: %+v", own)
	}
}
