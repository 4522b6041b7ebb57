package weir

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/pipeline"
	"weir/supervisor/config"
)

// patience bounds what must come.
const patience = 20 * time.Second

// fetch is one request on a connection of its own, over TCP or a Unix socket.
func fetch(t *testing.T, a net.Addr, path string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, a.Network(), a.String())
		}}
	defer transport.CloseIdleConnections()
	c := http.Client{Timeout: patience, Transport: transport}
	resp, err := c.Get("http://weir" + path)
	if err != nil {
		t.Fatalf("GET %s at %v: %v", path, a, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s at %v: %v", path, a, err)
	}
	return resp.StatusCode, string(b)
}

// started starts s for the length of the test.
func started(t *testing.T, s *Server) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatalf("Start = %v; want nil", err)
	}
	t.Cleanup(func() { // t.Context has ended
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown = %v; want nil", err)
		}
	})
	return s
}

// A Server serves its handler on every address: told, given as listener, or a Unix socket.
func TestServerAddresses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s.sock")
	s := started(t, &Server{
		Listen: []string{"127.0.0.1:0", "unix:" + path}, Listeners: []net.Listener{ln}, Loops: 1,
		Handler: func(c *pipeline.Context) { c.Text(200, "at "+c.Path()) },
	})
	addrs := s.Addrs()
	if len(addrs) != 3 || addrs[1].String() != path || addrs[2].String() != ln.Addr().String() {
		t.Fatalf("Addrs() = %v; want a port, %s, %v", addrs, path, ln.Addr())
	}
	for _, a := range addrs {
		if status, body := fetch(t, a, "/x"); status != 200 || body != "at /x" {
			t.Errorf("GET /x at %v = %d %q; want 200 at /x", a, status, body)
		}
	}
	if err := s.Start(t.Context()); !errors.Is(err, ErrStarted) {
		t.Errorf("second Start = %v; want ErrStarted", err)
	}
}

// CONNECT is for the handler of who asks for it.
func TestServerConnect(t *testing.T) {
	for _, connect := range []bool{false, true} {
		s := started(t, &Server{
			Listen: []string{"127.0.0.1:0"}, Loops: 1, Connect: connect,
			Handler: pipeline.FromHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close() //nolint:errcheck // the client's end shows
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nno "+r.URL.Host)
			})),
		})
		c, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\n\r\n")
		b, err := io.ReadAll(c)
		_ = c.Close()
		status, end := "HTTP/1.1 405 ", "\n"
		if connect {
			status, end = "HTTP/1.1 200 OK\r\n", "\r\n\r\nno a.example:1"
		}
		if !strings.HasPrefix(string(b), status) || !strings.HasSuffix(string(b), end) || err != nil {
			t.Errorf("Connect %v: %q, %v", connect, b, err)
		}
	}
}

// After Shutdown nothing listens, files are gone, and Wait returns.
func TestServerShutdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	s := &Server{Listen: []string{"127.0.0.1:0", "unix:" + path}, Loops: 2}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := s.Addrs()[0]
	if status, _ := fetch(t, addr, "/"); status != 404 {
		t.Errorf("GET / without a handler = %d; want 404", status)
	}
	waited := make(chan error, 1)
	go func() { waited <- s.Wait() }()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown = %v; want nil", err)
	}
	if err := <-waited; err != nil {
		t.Errorf("Wait = %v; want nil", err)
	}
	if c, err := net.Dial("tcp", addr.String()); err == nil {
		_ = c.Close() // not wanted
		t.Errorf("%v still accepts", addr)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("%s is still there", path)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown = %v; want nil", err)
	}
}

// What is under way when ctx ends is cut, and said so.
func TestServerShutdownCuts(t *testing.T) {
	begun := make(chan struct{})
	s := &Server{Listen: []string{"127.0.0.1:0"}, Loops: 1,
		Handler: pipeline.Blocking(func(c *pipeline.Context) {
			close(begun)
			<-c.Context().Done()
		})}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // cut by the server
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, ErrCut) {
		t.Errorf("Shutdown = %v; want ErrCut", err)
	}
	if err := s.Wait(); !errors.Is(err, ErrCut) {
		t.Errorf("Wait = %v; want ErrCut", err)
	}
}

// A Start that fails leaves nothing behind: no port, no worker, no goroutine.
func TestServerStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // never accepted anything
	missing := testPool(t, PoolConfig{Name: "m", Env: roleEnv("exit")})
	for _, tt := range []struct {
		desc, want string
		s          *Server
	}{
		{"port in use", "address already in use", &Server{Listen: []string{taken.Addr().String()}}},
		{"bad address", "missing port", &Server{Listen: []string{"127.0.0.1"}}},
		{"no worker", "pool failed", &Server{Listen: []string{"127.0.0.1:0"},
			Pools: []*Pool{missing}}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := tt.s.Start(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Start = %v; want %s", tt.desc, err, tt.want)
		}
		if err := tt.s.Shutdown(t.Context()); err != nil {
			t.Errorf("%s: Shutdown after that = %v; want nil", tt.desc, err)
		}
	}
}

// testPool is a pool of this binary's workers, by default of those that say who they are.
func testPool(t *testing.T, c PoolConfig) *Pool {
	t.Helper()
	if len(c.Upstreams) == 0 && len(c.Command) == 0 {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c.Command = []string{exe, testRole}
	}
	p, err := NewPool(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A Pool among the routes of a Server: mapped, recycled, scaled, drained.
func TestServerPool(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir-lib") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // temporary
	p := testPool(t, PoolConfig{Name: "shop"})
	if err := p.Recycle(t.Context()); !errors.Is(err, ErrNotStarted) {
		t.Errorf("Recycle before Start = %v; want ErrNotStarted", err)
	}
	b := pipeline.New()
	hand := testPool(t, PoolConfig{Name: "hand", Dispatch: config.DispatchHandoff})
	b.Map("/shop", func(b *pipeline.Builder) { b.Run(p.Handler()) })
	b.Map("/hand", func(b *pipeline.Builder) { b.Run(hand.Handler()) })
	b.Map("/to", func(b *pipeline.Builder) {
		b.Run(func(c *pipeline.Context) {
			if err := c.Delegate(c.Path()[1:]); err != nil {
				c.Text(500, err.Error())
			}
		})
	})
	b.Run(func(c *pipeline.Context) { c.Text(200, "front") })
	h, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	s := started(t, &Server{Listen: []string{"127.0.0.1:0"}, Loops: 1, Handler: h,
		Pools: []*Pool{p, hand}, RuntimeDir: dir})
	addr := s.Addrs()[0]
	if _, body := fetch(t, addr, "/other"); body != "front" {
		t.Errorf("GET /other = %q; want front", body)
	}
	status, first := fetch(t, addr, "/shop/cart")
	if status != 200 || !strings.HasSuffix(first, "path /cart base /shop") {
		t.Errorf("GET /shop/cart = %d %q; want path /cart, base /shop", status, first)
	}
	for _, tc := range []struct{ path, want string }{
		{"/hand/cart", "path /cart base /hand"}, {"/to/hand", "path /hand base /to"},
		{"/to/shop", "path /shop base /to"}, {"/to/nowhere", pipeline.ErrNoPool.Error()},
	} {
		if _, body := fetch(t, addr, tc.path); !strings.HasSuffix(body, tc.want) {
			t.Errorf("GET %s = %q; want %s", tc.path, body, tc.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Recycle(ctx); err != nil {
		t.Errorf("Recycle = %v; want nil", err)
	}
	if _, second := fetch(t, addr, "/shop/cart"); second == first {
		t.Errorf("after a recycle %q answers; want another worker than before", second)
	}
	if err := p.Scale(ctx, 2); err != nil || p.Status().WantCount != 2 {
		t.Errorf("Scale(2) = %v, status %+v; want 2 workers", err, p.Status())
	}
	if err := p.Scale(ctx, 0); err == nil {
		t.Errorf("Scale(0) = nil; want an error")
	}
	if err := p.Drain(ctx); err != nil {
		t.Errorf("Drain = %v; want nil", err)
	}
	if status, _ := fetch(t, addr, "/shop/cart"); status != 503 {
		t.Errorf("GET of a drained pool = %d; want 503", status)
	}
	if _, body := fetch(t, addr, "/other"); body != "front" {
		t.Errorf("GET /other of a drained pool's server = %q; want front", body)
	}
}

// A pool belongs to one server.
func TestPoolTaken(t *testing.T) {
	p := testPool(t, PoolConfig{Name: "shop"})
	started(t, &Server{Listen: []string{"127.0.0.1:0"}, Loops: 1, Pools: []*Pool{p}})
	other := &Server{Listen: []string{"127.0.0.1:0"}, Loops: 1, Pools: []*Pool{p}}
	if err := other.Start(t.Context()); !errors.Is(err, ErrPoolTaken) {
		t.Errorf("Start with another server's pool = %v; want ErrPoolTaken", err)
	}
}

// Run serves until ctx ends.
func TestServerRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr()
	s := &Server{Listeners: []net.Listener{ln}, Loops: 1}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	fetch(t, addr, "/") // waits in the backlog until it is served
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
}
