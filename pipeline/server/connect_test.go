package server

import (
	"io"
	"net/http"
	"testing"

	"weir/pipeline"
)

const connectHead = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"

// connects reads the answer to CONNECT, whose body is not the client's to frame.
func (c *client) connects(desc string, status int) *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != status {
		c.t.Fatalf("%s: %+v, %v; want %d", desc, resp, err, status)
	}
	return resp
}

// TestConnectRefused: who does not ask for CONNECT never gets it; and whatever the answer is, what the
// client has sent behind it is no request.
func TestConnectRefused(t *testing.T) {
	answers := map[string]pipeline.Handler{
		"text": func(c *pipeline.Context) { c.Text(200, "welcome") },
		"started": func(c *pipeline.Context) {
			if c.StartResponse(2) == nil {
				t.Error("a 200 to CONNECT has begun that is no tunnel")
			}
		},
		"upgrade": func(c *pipeline.Context) {
			if err := c.StartTunnel("x"); err != pipeline.ErrProtocol {
				t.Errorf("StartTunnel(x) to CONNECT: %v", err)
			}
			c.Text(204, "")
		},
		"403": func(c *pipeline.Context) { c.Text(403, "no") },
	}
	for name, answer := range answers {
		for _, connect := range []bool{true, false} {
			ts := startSites(t, 1, Options{}, []Site{{
				Name: "default", Bindings: []Binding{{Address: testAddress, Host: "*"}},
				Apps: []App{
					{Prefix: "/x", Handler: hello, Connect: true},
					{Prefix: "/", Connect: connect, Handler: func(c *pipeline.Context) {
						if c.Method() != "CONNECT" || !connect {
							t.Errorf("%s, %v: the handler got %s %s", name, connect, c.Method(), c.RawTarget())
						}
						answer(c)
					}},
				},
			}})
			c := ts.dial().write(connectHead + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
			want := 405
			if connect && name == "403" {
				want = 403
			}
			resp := c.connects(name, want)
			if !resp.Close || want == 405 && resp.Header.Get("Allow") != pipeline.Methods {
				t.Errorf("%s, %v: close %v, %v", name, connect, resp.Close, resp.Header)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
			c.wantEnd(name)
		}
	}
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		if err := c.StartTunnel(""); err != pipeline.ErrProtocol {
			t.Errorf("StartTunnel(\"\") to GET: %v", err)
		}
		c.Text(200, "no")
	})
	ts.dial().get("/").want("GET", 200, "no")
}

// TestConnect: the app "/" of the site that the target's host belongs to gets CONNECT, and its 2xx
// begins the tunnel, in which what came with the head is first.
func TestConnect(t *testing.T) {
	got := make(chan string, 16)
	tunnel := func(c *pipeline.Context) {
		if c.Host() != "a.example:443" || c.Path() != "" || c.RawTarget() != c.Host() {
			t.Errorf("host %q, path %q, target %q", c.Host(), c.Path(), c.RawTarget())
		}
		_ = c.SetHeader("Via", "x")
		if c.Header("Status") != "" {
			_ = c.SetStatus(204)
		}
		if err := c.StartTunnel(""); err != nil {
			t.Error(err)
		}
		c.Hold(sink{got})
		c.ReceiveBody(sink{got})
		c.SendBody([]byte("raw"))
	}
	ts := startSites(t, 1, Options{}, []Site{
		{
			Name: "a", Bindings: []Binding{{Address: testAddress, Host: "a.example"}},
			Apps: []App{{Prefix: "/", Handler: tunnel, Connect: true}, {Prefix: "/y", Handler: hello}},
		},
		{
			Name: "b", Bindings: []Binding{{Address: testAddress, Host: "b.example"}},
			Apps: []App{{Prefix: "/", Handler: hello}},
		},
	})
	for _, tc := range []struct {
		head   string
		status int
	}{
		{connectHead, 200},
		{connectHead[:len(connectHead)-2] + "Status: 204\r\n\r\n", 204},
		{"CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n", 405},
		{"CONNECT c.example:443 HTTP/1.1\r\nHost: c.example:443\r\n\r\n", 421},
	} {
		c := ts.dial().write(tc.head + "early")
		resp := c.connects(tc.head, tc.status)
		if tc.status/100 != 2 {
			continue
		}
		for _, name := range []string{"Content-Length", "Transfer-Encoding", "Connection", "Upgrade"} {
			if v := resp.Header.Values(name); v != nil || resp.TransferEncoding != nil {
				t.Errorf("%d has %s %q", tc.status, name, v)
			}
		}
		if s := <-got; s != "early" {
			t.Fatalf("got %q; want what came with the head", s)
		}
		raw := make([]byte, 3)
		if _, err := io.ReadFull(c.r, raw); err != nil || string(raw) != "raw" {
			t.Fatalf("%q, %v", raw, err)
		}
		c.write("GET / HTTP/1.1\r\n\r\n")
		if s := <-got; s != "GET / HTTP/1.1\r\n\r\n" {
			t.Fatalf("got %q", s)
		}
		c.CloseWrite()
		if s := <-got; s != "FIN" {
			t.Fatalf("got %q; want FIN", s)
		}
		c.wantEnd("tunnel")
	}
}
