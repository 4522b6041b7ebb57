package worker

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/server"
)

// told is dispatch.Events that nobody listens to.
type told struct{ hung chan string }

func (told) Drained(string, uint64)                      {}
func (told) Refused(string, uint64, string)              {}
func (told) Served(string, uint64)                       {}
func (told) Waiting(string)                              {}
func (told) Circuit(string, uint64, string)              {}
func (e told) Failing(_ string, _ uint64, why string)    { e.hung <- "failing: " + why }
func (e told) Audited(_ string, _ uint64, detail string) { e.hung <- "audit: " + detail }
func (e told) Hung(_ string, _ uint64, detail string)    { e.hung <- detail }

// modes are the ways in which a front reaches the same handler in a worker.
var modes = []string{"http", "mux", "handoff"}

// behindFront serves h as a worker does, in the given mode, behind a front of two loops. Its address is
// returned with a client for it.
func behindFront(t *testing.T, mode string, h pipeline.Handler) (*http.Client, string) {
	t.Helper()
	t.Setenv("WEIR_DISPATCH", mode)
	t.Setenv("WEIR_CONCURRENCY", "64")
	_, socket := serving(t, func(ctx context.Context) error { return Serve(ctx, h) })
	return frontOf(t, dispatch.Endpoint{
		Address: socket, Mux: mode == "mux", Handoff: mode == "handoff",
	}, dispatch.Options{})
}

// frontOf is a front of two loops with a pool of one worker, which is described by e.
func frontOf(t *testing.T, e dispatch.Endpoint, o dispatch.Options) (*http.Client, string) {
	t.Helper()
	c, addr, _ := frontApps(t, e, o)
	return c, addr
}

// frontApps is frontOf, with the pool; other apps answer by themselves beside it.
func frontApps(
	t *testing.T, e dispatch.Endpoint, o dispatch.Options, others ...server.App,
) (*http.Client, string, *dispatch.Pool) {
	t.Helper()
	loops := twoLoops(t)
	o.Name = "test"
	pool := dispatch.NewPool(o, loops, told{make(chan string, 16)})
	e.Network = "unix"
	if e.Concurrency == 0 {
		e.Concurrency = 64
	}
	if err := pool.AddWorker(1, e); err != nil {
		t.Fatal(err)
	}
	so := server.Options{Pools: map[string]pipeline.Handler{"test": pool.Handler()}}
	own := server.App{Prefix: "/", Handler: pool.Handler(), Limits: server.Limits{Body: server.Off}, Keeps: true}
	c, addr, _ := serverOf(t, loops, so, append([]server.App{own}, others...))
	return c, addr, pool
}

func twoLoops(t *testing.T) (loops []*netpoll.Loop) {
	t.Helper()
	for i := range 2 {
		l, err := netpoll.New(netpoll.Config{Index: i, PlainWait: true})
		if err != nil {
			t.Fatal(err)
		}
		loops = append(loops, l)
	}
	return loops
}

// serverFor is a front's server with one handler, which may be a Blocking one.
func serverFor(t *testing.T, loops []*netpoll.Loop, h pipeline.Handler) (*http.Client, string, *server.Server) {
	t.Helper()
	return serverOf(t, loops, server.Options{}, []server.App{
		{Prefix: "/", Handler: h, Connect: true, Limits: server.Limits{Body: server.Off}},
	})
}

// serverOf is a front's server.
func serverOf(
	t *testing.T, loops []*netpoll.Loop, so server.Options, apps []server.App,
) (*http.Client, string, *server.Server) {
	t.Helper()
	so.Blocking = func(f func()) bool { go f(); return true }
	srv := server.New(loops, so)
	for _, l := range loops {
		done := make(chan struct{})
		go func() { l.Run(); close(done) }()
		t.Cleanup(func() { l.Stop(); <-done })
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // its descriptor was duplicated
	fd, err := descriptorOf(ln)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	err = srv.Apply(so, []server.Listener{{Address: "x", FDs: []int{fd}}}, []server.Site{{
		Name: "x", Bindings: []server.Binding{{Address: "x", Host: "*"}},
		Apps: apps,
	}})
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("tcp", addr)
		}, ExpectContinueTimeout: 5 * time.Second,
	}}
	t.Cleanup(c.CloseIdleConnections)
	return c, addr, srv
}

// TestBehindFront: the same handler gives the same answers in every mode.
func TestBehindFront(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			gone := make(chan error, 1)
			c, addr := behindFront(t, mode, testHandler(gone))
			for _, tc := range []struct {
				desc, method, path, body string
				status                   int
				want                     string
			}{
				{"text", "GET", "/text?q=1", "", 200, "hello 127.0.0.1 q=1"},
				{"echo", "POST", "/echo", "abc", 200, "abc"},
				{"big echo", "POST", "/echo", strings.Repeat("y", 3<<20), 200, strings.Repeat("y", 3<<20)},
				{"read on the loop", "POST", "/read", "four", 200, "4 bytes, <nil>"},
				{"no body to read", "POST", "/read", "", 200, "0 bytes, <nil>"},
				{"big answer", "GET", "/big", "", 200, strings.Repeat("x", bigBody)},
				{"head", "HEAD", "/big", "", 200, ""},
				{"async", "GET", "/async", "", 200, "later"},
				{"not found", "GET", "/nothing", "", 404, ""},
				{"panic", "GET", "/panic", "", 500, ""},
				{"after the panic", "GET", "/text?", "", 200, "hello 127.0.0.1 "},
			} {
				resp, body := get(t, c, tc.method, tc.path, strings.NewReader(tc.body))
				if resp.StatusCode != tc.status || tc.status == 200 && body != tc.want {
					t.Errorf("%s: %d, %d bytes %.60q; want %d, %d bytes", tc.desc, resp.StatusCode, len(body),
						body, tc.status, len(tc.want))
				}
				if got := resp.Header.Get("Server"); got != serverName {
					t.Errorf("%s: Server %q; want %s", tc.desc, got, serverName)
				}
				if tc.method == "HEAD" && resp.ContentLength != bigBody {
					t.Errorf("%s: Content-Length %d; want %d", tc.desc, resp.ContentLength, bigBody)
				}
			}
			if _, body := get(t, c, "GET", "/file", nil); len(body) != 100_000 || body[1:4] != "ELF" {
				t.Errorf("file: %d bytes %.4q; want 100000 of this binary", len(body), body)
			}
			testEvents(t, "tcp", addr, gone)
		})
	}
}
