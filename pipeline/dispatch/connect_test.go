package dispatch

import (
	"io"
	"net/http"
	"testing"

	"weir/pipeline"
	"weir/protocol/frame"
)

const connects = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic eDp5\r\n" +
	"Proxy-Connection: keep-alive\r\nContent-Length: 0\r\n\r\n"

// connected reads the answer to CONNECT.
func (c *client) connected(desc string, status int) *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != status {
		c.t.Fatalf("%s: %+v, %v; want %d", desc, resp, err, status)
	}
	return resp
}

// TestConnect: the worker gets CONNECT as it came, and answers as the proxy that it is.
func TestConnect(t *testing.T) {
	for _, tc := range []struct {
		desc, answer string
		status       int
	}{
		{"200", "HTTP/1.1 200 Connection established\r\nX-A: b\r\n\r\n", 200},
		{"HTTP/1.0", "HTTP/1.0 200 Connection established\r\nX-A: b\r\n\r\n", 200},
		{"204", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", 204},
		{"after 103", "HTTP/1.1 103 Early Hints\r\nX-A: c\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\n\r\n", 200},
		{"challenge", "HTTP/1.1 407 Proxy Authentication Required\r\nX-A: b\r\nContent-Length: 2\r\n" +
			"Proxy-Authenticate: Basic realm=x\r\n\r\nno", 407},
		{"Content-Length", ok("a worker that knows no CONNECT"), 502},
		{"no bytes", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502},
		{"101", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 502},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: -1})
			f.add(1, startWorker(t, func(c *workerConn) {
				r := c.request()
				if r == nil {
					return
				}
				if r.Method != "CONNECT" || r.RequestURI != "a.example:443" || r.Host != r.RequestURI ||
					r.Header.Get("Proxy-Authorization") != "Basic eDp5" || r.Header.Get("Proxy-Connection") != "" ||
					r.Header.Get("X-Forwarded-For") == "" {
					t.Errorf("the worker got %s %s, host %s, %v", r.Method, r.RequestURI, r.Host, r.Header)
				}
				c.write(tc.answer)
				n, _ := io.Copy(c.Conn, c.r)
				if tc.status/100 != 2 && n > 0 {
					t.Errorf("%d bytes of a tunnel that there is not", n)
				}
			}), 2)
			c := f.dial().write(connects + "early")
			if tc.desc == "after 103" {
				c.connected("hints", 103)
			}
			resp := c.connected(tc.desc, tc.status)
			if tc.status == 502 {
				if resp.Header.Get("X-Weir-Reason") != pipeline.WorkerProtocol.String() || !resp.Close {
					t.Errorf("%v", resp.Header)
				}
				f.audit()
				return
			}
			if resp.Header.Get("X-A") != "b" {
				t.Errorf("fields %v", resp.Header)
			}
			if tc.status == 407 {
				if resp.Header.Get("Proxy-Authenticate") == "" || !resp.Close {
					t.Errorf("%v, close %v", resp.Header, resp.Close)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				c.ends("refused")
				f.audit()
				return
			}
			c.reads("echo of what came early", "early")
			c.write("GET / HTTP/1.1\r\n\r\n").reads("echo", "GET / HTTP/1.1\r\n\r\n")
			if n := (*f.workers.Load())[0].inFlight(); n != 1 {
				t.Errorf("%d in flight; want the tunnel", n)
			}
			_ = c.CloseWrite()
			c.ends("tunnel")
			f.audit()
		})
	}
}

// TestMuxConnect: the frames of CONNECT: no END, no DATA before the 2xx.
func TestMuxConnect(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		answer func(id uint32) []byte
		status int
	}{
		{"200", func(id uint32) []byte { return responseFrame(id, 200, frame.LengthUnknown, false, "X-A", "b") }, 200},
		{"403", func(id uint32) []byte { return responseFrame(id, 403, 0, true, "X-A", "b") }, 403},
		{"END on the 200", func(id uint32) []byte { return responseFrame(id, 200, frame.LengthUnknown, true) }, 502},
		{"101", func(id uint32) []byte { return responseFrame(id, 101, frame.LengthUnknown, false, "Upgrade", "x") }, 502},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: -1})
			f.addMux(1, startMuxWorker(t, func(p *muxPeer) {
				r := p.request()
				if r == nil {
					return
				}
				if r.end || r.head.Flags&frame.FlagUpgrade != 0 || r.head.Path != r.head.Target ||
					r.http.Method != "CONNECT" || r.http.RequestURI != "a.example:443" || r.http.Host != "a.example:443" {
					t.Errorf("request %+v, END %v, head %+v", r.http, r.end, r.head)
				}
				p.write(string(tc.answer(r.id)))
				if tc.status != 200 {
					p.waitClosed()
					return
				}
				for got := ""; got != "early"; {
					h, b, ok := p.next()
					if !ok || h.Kind != frame.Data || h.End {
						t.Errorf("%+v after %q; want DATA", h, got)
						return
					}
					got += string(b)
				}
				p.write(string(dataFrame(r.id, "late", true)))
				p.waitClosed()
			}), 1)
			c := f.dial().write(connects + "early")
			resp := c.connected(tc.desc, tc.status)
			if tc.status == 200 {
				c.reads("DATA", "late")
				_ = c.CloseWrite()
				c.ends("END")
			} else if !resp.Close {
				t.Error("the connection stays")
			}
			f.audit()
		})
	}
}
