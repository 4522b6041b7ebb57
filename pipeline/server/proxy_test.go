package server

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

const v2Signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2Header is a version 2 header of a TCP connection over IPv4 with size payload bytes, the first
// twelve of which are 192.0.2.7:4711 and 198.51.100.1:80.
func v2Header(command byte, size uint16) string {
	b := append([]byte(v2Signature), 0x20|command, 0x11)
	b = binary.BigEndian.AppendUint16(b, size)
	b = append(b, 192, 0, 2, 7, 198, 51, 100, 1, 4711>>8, 4711&0xff, 0, 80)
	return string(b) + strings.Repeat("\x00", max(int(size)-12, 0))
}

const (
	v1Header   = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n"
	plainGet   = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	proxyTrust = "127.0.0.0/8"
)

// startProxied serves the peer's address behind a listener with the PROXY protocol.
func startProxied(t *testing.T, mode ProxyProtocol, trusted string) *testServer {
	t.Helper()
	ts := &testServer{t: t}
	ts.makeLoops(1)
	o := Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix(trusted)}}
	ts.Server = New(ts.loops, o)
	ts.run()
	fd, addr := listenFD(t)
	ts.addr = addr
	peer := func(c *pipeline.Context) { c.Text(200, c.Peer().String()) }
	err := ts.Apply(o, []Listener{{Address: testAddress, FDs: []int{fd}, Proxy: mode}}, []Site{{
		Name: "default", Bindings: []Binding{{Address: testAddress, Host: "*"}},
		Apps: []App{{Prefix: "/", Handler: peer}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

// own stands for the address of the connection itself.
const own = "own"

func TestProxyHeader(t *testing.T) {
	trusting := map[ProxyProtocol]*testServer{
		ProxyOff:      startProxied(t, ProxyOff, proxyTrust),
		ProxyOptional: startProxied(t, ProxyOptional, proxyTrust),
		ProxyRequired: startProxied(t, ProxyRequired, proxyTrust),
	}
	for _, tc := range []struct {
		desc   string
		mode   ProxyProtocol
		header string
		want   string // the peer that the handler sees; "" for a cut without an answer
	}{
		{"v1", ProxyRequired, v1Header, "192.0.2.7:4711"},
		{"v2", ProxyRequired, v2Header(1, 12), "192.0.2.7:4711"},
		{"v2 with TLVs", ProxyRequired, v2Header(1, 300), "192.0.2.7:4711"},
		{"v2 LOCAL", ProxyRequired, v2Header(0, 12), own},
		{"v1 UNKNOWN", ProxyRequired, "PROXY UNKNOWN\r\n", own},
		{"optional and there", ProxyOptional, v1Header, "192.0.2.7:4711"},
		{"optional and not there", ProxyOptional, "", own},
		{"required and not there", ProxyRequired, "", ""},
		{"malformed", ProxyOptional, "PROXY TCP4 192.0.2.7\r\n", ""},
		{"v1 without end", ProxyRequired, "PROXY UNKNOWN " + strings.Repeat("x", 200), ""},
		{"v2 of 65535 bytes", ProxyRequired, v2Header(1, 65535)[:28], ""},
		{"v2 of UDP", ProxyRequired, strings.Replace(v2Header(1, 12), "\x11", "\x12", 1), ""},
		{"two headers", ProxyRequired, v1Header + v1Header, "400"},
		{"off", ProxyOff, v1Header, "400"},
	} {
		c := trusting[tc.mode].dial().write(tc.header + plainGet + plainGet)
		want := tc.want
		switch want {
		case "":
			if b, _ := io.ReadAll(c.r); len(b) > 0 { // FIN or RST
				t.Errorf("%s: answer %.40q; want none", tc.desc, b)
			}
			continue
		case "400":
			c.want(tc.desc, 400, "")
			continue
		case own:
			want = c.LocalAddr().String()
		}
		c.want(tc.desc, 200, want)
		c.want(tc.desc+", pipelined", 200, want)
	}
}

// TestProxyHeaderUntrusted: who is not a trusted proxy speaks for nobody; where a header is required
// it does not get in at all.
func TestProxyHeaderUntrusted(t *testing.T) {
	ts := startProxied(t, ProxyOptional, "192.0.2.0/24")
	ts.dial().write(v1Header+plainGet).want("header of a stranger", 400, "")
	ts.dial().write(v2Header(1, 12)+plainGet).want("v2 header of a stranger", 400, "")
	ts.dial().write(plainGet).want("no header of a stranger", 200, "")

	ts = startProxied(t, ProxyRequired, "192.0.2.0/24")
	for _, header := range []string{"", v1Header, v2Header(1, 12)} {
		c := ts.dial()
		_, _ = io.WriteString(c, header+plainGet) // may be reset already
		if b, _ := io.ReadAll(c.r); len(b) > 0 {  // FIN or RST
			t.Errorf("stranger with %.20q: answer %.40q; want none", header, b)
		}
	}
	ls := ts.Server.loops[0]
	var refused, open uint64
	ls.onLoop(func() {
		refused = ls.row[int(CounterReasons)+int(pipeline.ProxyProtocol)]
		open = ls.row[CounterOpen]
	})
	if refused != 3 || open != 0 {
		t.Errorf("%d refused, %d open; want 3, 0", refused, open)
	}
}

// TestProxyHeaderUnix: a Unix socket has no peer address to trust; its mode says who is let in.
func TestProxyHeaderUnix(t *testing.T) {
	ts := startProxied(t, ProxyOff, "192.0.2.0/24")
	path := t.TempDir() + "/s"
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	raw, err := ln.(*net.UnixListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	err = raw.Control(func(p uintptr) { fd, _ = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil || fd < 0 {
		t.Fatal("duplicate:", err)
	}
	peer := func(c *pipeline.Context) { c.Text(200, c.Peer().String()) }
	o := Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	if err := ts.Apply(o, []Listener{{Address: path, FDs: []int{fd}, Proxy: ProxyRequired}}, []Site{{
		Name: "default", Bindings: []Binding{{Address: path, Host: "*"}},
		Apps: []App{{Prefix: "/", Handler: peer}},
	}}); err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{v1Header: "192.0.2.7:4711", "": ""} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // a fresh socket takes one
		_, _ = io.WriteString(c, header+plainGet)           // may be cut already
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if want == "" {
			if err == nil {
				t.Errorf("no header on a Unix socket: %s; want a cut", resp.Status)
			}
			continue
		}
		if err != nil {
			t.Fatalf("header on a Unix socket: %v", err)
		}
		if b, _ := io.ReadAll(resp.Body); string(b) != want {
			t.Errorf("header on a Unix socket: peer %q; want %q", b, want)
		}
	}
}

func TestProxyHeaderSplitEverywhere(t *testing.T) {
	ts := startProxied(t, ProxyRequired, proxyTrust)
	for _, header := range []string{v1Header, v2Header(1, 20)} {
		all := header + plainGet
		for i := 1; i < len(all); i++ {
			c := ts.dial()
			c.write(all[:i])
			c.write(all[i:]).want("split", 200, "192.0.2.7:4711")
			c.Close()
		}
	}
}

// TestProxyHeaderClock: the header has its own clock; bytes that trickle in do not move it.
func TestProxyHeaderClock(t *testing.T) {
	t.Parallel()
	ts := startProxied(t, ProxyRequired, proxyTrust)
	began := time.Now()
	silent, slow := ts.dial(), ts.dial()
	go slow.trickle(v2Header(1, 4000), 1, 20*time.Millisecond)
	for _, c := range []*client{silent, slow} {
		if b, _ := io.ReadAll(c.r); len(b) > 0 { // FIN or RST
			t.Errorf("answer %.40q; want none", b)
		}
	}
	if took := time.Since(began); took < proxyHeaderTimeout || took > 2*proxyHeaderTimeout {
		t.Errorf("cut after %s; want about %s", took, proxyHeaderTimeout)
	}
}
