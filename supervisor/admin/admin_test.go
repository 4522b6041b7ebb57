package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeInstance does what its fields say.
type fakeInstance struct {
	mu     sync.Mutex
	acts   []string
	reload error
	act    error

	requests Requests
	asked    []RequestsQuery

	begun   chan struct{} // closed when a recycle has begun
	stopped chan struct{}
}

func newFakeInstance() *fakeInstance {
	return &fakeInstance{begun: make(chan struct{}, 32), stopped: make(chan struct{})}
}

func (f *fakeInstance) Status(context.Context) Status {
	return Status{PID: 42, State: "running", Pools: []Pool{{Name: "shop",
		Workers: []Worker{{Name: "shop/3"}}}, {Name: "a b"}}}
}

func (f *fakeInstance) Act(_ context.Context, a Action) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acts = append(f.acts, a.String())
	f.begun <- struct{}{}
	return f.act
}

func (f *fakeInstance) Requests(_ context.Context, q RequestsQuery) Requests {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	return f.requests
}

func (f *fakeInstance) Reload(context.Context) error { return f.reload }
func (f *fakeInstance) Drain()                       { close(f.stopped) }
func (f *fakeInstance) Stopped() <-chan struct{}     { return f.stopped }

// serve is the API of inst on a socket in a directory that looks like a runtime directory.
func serve(t *testing.T, inst Instance) (dir string, s *Server) {
	t.Helper()
	dir = t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	s = NewServer(inst, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return dir, s
}

func TestClientAndServer(t *testing.T) {
	f := newFakeInstance()
	dir, _ := serve(t, f)
	c, ctx := NewClient(filepath.Join(dir, SocketName)), context.Background()
	if st, err := c.Status(ctx); err != nil || st.PID != 42 || len(st.Pools) != 2 {
		t.Errorf("Status = %+v, %v", st, err)
	}
	for _, pool := range []string{"shop", "a b"} {
		if err := c.Recycle(ctx, pool, true); err != nil {
			t.Errorf("Recycle(%q) = %v", pool, err)
		}
	}
	<-f.begun
	<-f.begun
	if err := c.Recycle(ctx, "shop", false); err != nil {
		t.Errorf("Recycle without waiting = %v", err)
	}
	<-f.begun
	if got := strings.Join(f.acts, ","); got != "recycle shop,recycle a b,recycle shop" {
		t.Errorf("asked for %s", got)
	}
	if err := c.Recycle(ctx, "", true); err == nil {
		t.Error("Recycle of no pool succeeded")
	}
	for _, want := range []error{nil, ErrRefused, ErrConflict} {
		f.reload = nil
		if want != nil {
			f.reload = fmt.Errorf("%w: weir.yaml:3:1: bad", want)
		}
		err := c.Reload(ctx, true)
		if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), "weir.yaml:3:1") {
			t.Errorf("Reload = %v; want %v", err, want)
		}
	}
	if err := c.Shutdown(ctx, true); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

func TestStatusCodes(t *testing.T) {
	f := newFakeInstance()
	dir, _ := serve(t, f)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, SocketName))
		}}}
	for _, tc := range []struct {
		method, path string
		fail         error
		status       int
		want         string
	}{
		{"GET", "/v1/status", nil, 200, `"pid": 42`},
		{"HEAD", "/v1/status", nil, 200, ""},
		{"GET", "/metrics", nil, 200, "\nweir_pool_state{pool=\"shop\","},
		{"HEAD", "/metrics", nil, 200, ""},
		{"POST", "/metrics", nil, 405, `"method-not-allowed"`},
		{"POST", "/v1/status", nil, 405, `"method-not-allowed"`},
		{"GET", "/v1/reload", nil, 405, `"method-not-allowed"`},
		{"GET", "/v1/shutdown", nil, 405, `"method-not-allowed"`},
		{"DELETE", "/v1/pools/shop/recycle", nil, 405, `"method-not-allowed"`},
		{"GET", "/", nil, 404, `"not-found"`},
		{"GET", "/v2/status", nil, 404, `"not-found"`},
		{"POST", "/v1/pools/nope/recycle", nil, 404, `"unknown-pool"`},
		{"POST", "/v1/pools/shpo/stop", nil, 404, `unknown pool \"shpo\", did you mean \"shop\"?`},
		{"POST", "/v1/pools/shop/frobnicate", nil, 404, `"not-found"`},
		{"POST", "/v1/pools/shop/scale", nil, 400, "workers is a number from 1"},
		{"POST", "/v1/pools/shop/scale?workers=0", nil, 400, `"bad-request"`},
		{"POST", "/v1/pools/shop/scale?workers=2&wait=false", nil, 202, `"begun"`},
		{"POST", "/v1/pools/shop/workers/3/drain", nil, 200, `"done"`},
		{"POST", "/v1/pools/shop/workers/4/drain?wait=false", nil, 404, "shop/4, there are: shop/3"},
		{"POST", "/v1/pools/shop/workers/x/drain", nil, 404, `"unknown-worker"`},
		{"POST", "/v1/pools/shop/workers/3/start", ErrConflict, 409, `"conflict"`},
		{"POST", "/v1/pools/shop/workers/3/scale?workers=2", nil, 404, `"not-found"`},
		{"POST", "/v1/pools/shop/workers/3/stop", ErrUnknownWorker, 404, `"unknown-worker"`},
		{"GET", "/v1/pools/shop/workers/3/stop", nil, 405, `"method-not-allowed"`},
		{"POST", "/v1/pools/shop/recycle?wait=maybe", nil, 400, `"bad-request"`},
		{"POST", "/v1/pools/shop/recycle?wait=false", nil, 202, `"begun"`},
		{"POST", "/v1/pools/shop/recycle", nil, 200, `"done"`},
		{"POST", "/v1/pools/shop/recycle", ErrConflict, 409, `"conflict"`},
		{"POST", "/v1/pools/shop/recycle", errors.New("not ready"), 500, `"not ready"`},
		{"POST", "/v1/pools/shop/recycle", context.DeadlineExceeded, 504, `"timeout"`},
	} {
		f.mu.Lock()
		f.act = tc.fail
		f.mu.Unlock()
		r, err := http.NewRequest(tc.method, "http://weir"+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tc.status || !strings.Contains(string(b), tc.want) {
			t.Errorf("%s %s = %d %s, %v; want %d with %s", tc.method, tc.path, resp.StatusCode, b, err,
				tc.status, tc.want)
		}
		if tc.status == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow field", tc.method, tc.path)
		}
	}
}

// A body means nothing here, so one that is too large or does not come must not hold anything up.
func TestBodies(t *testing.T) {
	f := newFakeInstance()
	dir, s := serve(t, f)
	s.bodyTimeout = 20 * time.Millisecond
	for _, tc := range []struct{ desc, head, body, want string }{
		{"whole", "Content-Length: 2", "ab", "200"},
		{"chunked", "Transfer-Encoding: chunked", "2\r\nab\r\n0\r\n\r\n", "200"},
		{"never comes", "Content-Length: 2", "a", "400"},
		{"too large", "Content-Length: 100000", strings.Repeat("x", 100000), "400"},
	} {
		c, err := net.Dial("unix", filepath.Join(dir, SocketName))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // a fresh socket takes one
		_, err = io.WriteString(c, "POST /v1/reload HTTP/1.1\r\nHost: x\r\n"+tc.head+"\r\n\r\n"+tc.body)
		got := make([]byte, 12)
		if err == nil {
			_, err = io.ReadFull(c, got)
		}
		_ = c.Close() // has answered
		if err != nil || string(got) != "HTTP/1.1 "+tc.want {
			t.Errorf("body %s: %q, %v; want %s", tc.desc, got, err, tc.want)
		}
	}
}

func TestStrangersAreRefused(t *testing.T) {
	_, s := serve(t, newFakeInstance())
	for _, tc := range []struct {
		desc string
		peer any
		want int
	}{
		{"another user", peer{uid: os.Geteuid() + 1, known: true}, 403},
		{"unknown", peer{}, 403},
		{"none", nil, 403},
		{"root", peer{uid: 0, known: true}, 200},
		{"the same user", peer{uid: os.Geteuid(), known: true}, 200},
	} {
		r, err := http.NewRequest("GET", "/v1/status", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		w := &recorder{header: http.Header{}}
		s.http.Handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, tc.peer)))
		if w.status != tc.want {
			t.Errorf("%s: %d; want %d", tc.desc, w.status, tc.want)
		}
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }

func TestFind(t *testing.T) {
	run := t.TempDir()
	env := map[string]string{"XDG_RUNTIME_DIR": run, "TMPDIR": run, "RUNTIME_DIRECTORY": run + "/weir"}
	getenv := func(k string) string { return env[k] }
	live := func(name string) string {
		dir := filepath.Join(run, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(dir, SocketName))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		if err := os.WriteFile(filepath.Join(dir, LockName), []byte("77\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	before := len(List(getenv)) // instances of this machine in /run/weir
	if _, err := Find(filepath.Join(run, "weir"), getenv); !errors.Is(err, ErrNoInstance) {
		t.Errorf("Find without an instance = %v; want %v", err, ErrNoInstance)
	}
	if before > 0 {
		t.Skip("an instance runs on this machine")
	}
	if _, err := Find("", getenv); !errors.Is(err, ErrNoInstance) {
		t.Errorf("Find = %v; want %v", err, ErrNoInstance)
	}
	first := live("weir")
	if f, err := Find("", getenv); err != nil || f.Dir != first || f.PID != 77 {
		t.Errorf("Find = %+v, %v; want %s, 77", f, err, first)
	}
	second := live("weir-4711")
	var many *AmbiguousError
	if _, err := Find("", getenv); !errors.As(err, &many) || len(many.Found) != 2 ||
		!strings.Contains(err.Error(), "--runtime-dir "+second+" (pid 77)") {
		t.Errorf("Find = %v; want both", err)
	}
	if f, err := Find(second, getenv); err != nil || f.Dir != second {
		t.Errorf("Find(%s) = %+v, %v", second, f, err)
	}
}

func TestRuntimeDir(t *testing.T) {
	for _, tc := range []struct {
		desc string
		env  map[string]string
		uid  int
		want string
		told bool
	}{
		{"systemd", map[string]string{"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/x"}, 5, "/run/a", true},
		{"root", map[string]string{"XDG_RUNTIME_DIR": "/run/user/0"}, 0, "/run/weir", false},
		{"session", map[string]string{"XDG_RUNTIME_DIR": "/run/user/5"}, 5, "/run/user/5/weir", false},
		{"relative XDG", map[string]string{"XDG_RUNTIME_DIR": "x", "TMPDIR": "/t"}, 5, "/t/weir-5", false},
		{"nothing", nil, 5, "/tmp/weir-5", false},
	} {
		got, told := RuntimeDir(func(k string) string { return tc.env[k] }, tc.uid)
		if got != tc.want || told != tc.told {
			t.Errorf("%s: RuntimeDir = %s, %v; want %s, %v", tc.desc, got, told, tc.want, tc.told)
		}
	}
}
