package weir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/pipeline"
	"weir/supervisor"
	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// inFront is a Server of one pool of this binary's workers, not started.
func inFront(t *testing.T, c PoolConfig) (*Server, *Pool) {
	t.Helper()
	c.Name = "shop"
	p := testPool(t, c)
	return &Server{Listen: []string{"127.0.0.1:0"}, Loops: 2, Handler: p.Handler(), Pools: []*Pool{p},
		Output: io.Discard}, p
}

// whoAnswers is what a worker says of itself: dispatch and pid.
func whoAnswers(t *testing.T, s *Server) (dispatch, pid string) {
	t.Helper()
	status, body := fetch(t, s.Addrs()[0], "/who")
	if status != 200 {
		return fmt.Sprint(status), ""
	}
	words := strings.Fields(body)
	if words[0] == "pid" { // http: there is no word for it
		words = append([]string{"http"}, words...)
	}
	return words[0], words[2]
}

// The modes in which a Server speaks to workers.
func TestPoolDispatch(t *testing.T) {
	for _, mode := range []config.Dispatch{"", config.DispatchHTTP, config.DispatchMux, config.DispatchHandoff} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s, _ := inFront(t, PoolConfig{Dispatch: mode})
			started(t, s)
			want := string(mode)
			if mode == "" {
				want = "http"
			}
			if got, pid := whoAnswers(t, s); got != want || pid == "" {
				t.Errorf("a worker of %q speaks %s, pid %q", mode, got, pid)
			}
		})
	}
}

// Nobody who connects while a Server ends is reset, in any mode; after that nothing listens.
func TestShutdownUnderLoad(t *testing.T) {
	for _, mode := range []config.Dispatch{config.DispatchHTTP, config.DispatchMux, config.DispatchHandoff} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s, p := inFront(t, PoolConfig{Dispatch: mode})
			started(t, s)
			l := load(s.Addrs()[0], 8)
			eventually(t, "load", func() bool { return l.answered.Load() > 200 })
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown = %v; want nil", err)
			}
			l.clients.Wait() // each until it is refused
			if l.failed.Load() > 0 {
				t.Errorf("%d of %d requests failed: %v", l.failed.Load(), l.answered.Load(), l.first.Load())
			}
			if n := len(p.Status().Workers); n > 0 {
				t.Errorf("%d workers are left", n)
			}
		})
	}
}

// loader is clients that send a request on each of their connections, until nobody listens.
type loader struct {
	answered, failed atomic.Int64
	first            atomic.Value // error
	clients          sync.WaitGroup
}

func load(a net.Addr, n int) *loader {
	l := new(loader)
	for range n {
		l.clients.Go(func() {
			for {
				c, err := net.DialTimeout(a.Network(), a.String(), patience)
				if errors.Is(err, unix.ECONNREFUSED) {
					return
				}
				if err == nil {
					err = exchangeOn(c)
				}
				if err != nil {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, err.Error())
					return
				}
				l.answered.Add(1)
			}
		})
	}
	return l
}

func exchangeOn(c net.Conn) error {
	defer c.Close() //nolint:errcheck // read to its end
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	b, err := io.ReadAll(c)
	if err == nil && !bytes.HasPrefix(b, []byte("HTTP/1.1 200 ")) {
		err = fmt.Errorf("answer %.40q", b)
	}
	return err
}

// Sockets that came as Listeners go on for their other holders.
func TestShutdownLeavesListeners(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a duplicate
	s := &Server{Listeners: []net.Listener{ln}, Loops: 1}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // accepted what came
	c, err := net.DialTimeout("tcp", other.Addr().String(), patience)
	if err != nil {
		t.Fatalf("connect to a socket that is shared: %v", err)
	}
	_ = c.Close() // it was taken
}

// A pool may wait for its first request, or for its program.
func TestPoolStarts(t *testing.T) {
	s, p := inFront(t, PoolConfig{Start: config.StartOnDemand})
	started(t, s)
	if n := len(p.Status().Workers); n != 0 {
		t.Errorf("on-demand: %d workers before a request; want 0", n)
	}
	if got, _ := whoAnswers(t, s); got != "http" {
		t.Errorf("on-demand: %s", got)
	}
	s, p = inFront(t, PoolConfig{Start: config.StartManual})
	started(t, s)
	if got, _ := whoAnswers(t, s); got != "503" {
		t.Errorf("manual: %s before Start; want 503", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Start(ctx); err != nil {
		t.Errorf("Pool.Start = %v", err)
	}
	if got, _ := whoAnswers(t, s); got != "http" {
		t.Errorf("manual: %s after Start", got)
	}
	if err := errors.Join(p.Drain(ctx), p.Start(ctx)); err != nil {
		t.Errorf("Drain and Start = %v", err)
	}
	if got, _ := whoAnswers(t, s); got != "http" {
		t.Errorf("manual: %s after Drain and Start", got)
	}
}

// A worker that hangs is told of, and replaced; one that fails again and again ends the server, if so
// it is said.
func TestPoolHangs(t *testing.T) {
	s, _ := inFront(t, PoolConfig{
		Hang:  config.Hang{After: config.Duration(100 * time.Millisecond)},
		Retry: config.Retry{Max: config.CountOff},
	})
	started(t, s)
	if status, _ := fetch(t, s.Addrs()[0], "/hold"); status != 504 {
		t.Errorf("a request that a worker hangs with gets %d; want 504", status)
	}
	eventually(t, "another worker", func() bool {
		return s.Status().Pools[0].Totals.Mishaps["hang"] == 1 && s.Status().Pools[0].Ready == 1
	})
}

func TestPoolExits(t *testing.T) {
	s, p := inFront(t, PoolConfig{RapidFail: config.RapidFail{Failures: 1, Then: config.ThenExit}})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	eventually(t, "a worker", func() bool { return p.Status().Ready == 1 })
	eventually(t, "Run", func() bool { return s.Status().State == stateRunning })
	if err := unix.Kill(p.Status().Workers[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, supervisor.ErrPoolFailed) {
			t.Errorf("Run = %v; want ErrPoolFailed", err)
		}
	case <-time.After(patience):
		t.Error("the server goes on")
	}
}

// syncBuffer is a buffer that workers' output may come into.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// What workers print and what they do is seen, by the same names as an instance's.
func TestServerStatus(t *testing.T) {
	var out syncBuffer
	s, p := inFront(t, PoolConfig{Workers: config.FixedWorkers(2)})
	s.Output = &out
	if st := s.Status(); st.State != stateStopped || p.Status().State != "stopped" {
		t.Errorf("before Start: %+v", st)
	}
	metrics := s.Metrics()
	pool := s.Handler
	s.Handler = func(c *pipeline.Context) {
		if c.Path() == "/metrics" {
			metrics(c)
			return
		}
		pool(c)
	}
	started(t, s)
	for range 3 {
		whoAnswers(t, s)
	}
	eventually(t, "3 completed requests", func() bool { return p.Status().Totals.Completed == 3 })
	eventually(t, "2 workers", func() bool { return p.Status().Ready == 2 })
	eventually(t, "output", func() bool { return strings.Count(out.String(), "asked for /who") == 3 })
	st := s.Status()
	if st.State != stateRunning || len(st.Fronts) != 1 || len(st.Listeners) != 1 || st.Counters["requests"] != 3 ||
		st.Pools[0].Ready != 2 || st.Pools[0].Totals.Requests != 3 || st.Pools[0].Totals.Started != 2 ||
		st.Listeners[0].URL != "http://"+s.Addrs()[0].String() {
		t.Errorf("Status = %+v", st)
	}
	_, text := fetch(t, s.Addrs()[0], "/metrics")
	for _, want := range []string{`weir_pool_completed_total{pool="shop"} 3`, `weir_requests_total 4`,
		`weir_front_up{front="0"} 1`, `weir_pool_workers{pool="shop",state="ready"} 2`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	st = s.Status()
	if st.State != stateStopped || st.Counters["requests"] != 4 || st.Counters["requests_completed"] != 4 ||
		st.Pools[0].Totals.Completed != 3 || len(st.Fronts) != 0 {
		t.Errorf("Status after Shutdown = %+v", st)
	}
}

// A pool of upstreams has no workers to recycle or to scale.
func TestUpstreamsVerbs(t *testing.T) {
	b := newBed(t, 2, PoolConfig{}, new(Server), nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for name, err := range map[string]error{"Recycle": b.pool.Recycle(ctx), "Scale": b.pool.Scale(ctx, 2)} {
		if !errors.Is(err, admin.ErrConflict) {
			t.Errorf("%s = %v; want ErrConflict", name, err)
		}
	}
	if got := b.get("/"); !strings.HasPrefix(got, "200 far") {
		t.Errorf("GET / = %s", got)
	}
	eventually(t, "counts", func() bool {
		st := b.pool.Status()
		return st.Kind == admin.KindUpstreams && st.Ready == 2 && st.Totals.Completed == 1 &&
			st.Workers[0].Requests+st.Workers[1].Requests == 1
	})
	if err := b.pool.Drain(ctx); err != nil || b.get("/") != "503 AppShutdown" {
		t.Errorf("Drain = %v, then GET / = %s", err, b.get("/"))
	}
	if err := b.pool.Start(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "upstreams", func() bool { return strings.HasPrefix(b.get("/"), "200 ") })
}

func TestNewPoolRefuses(t *testing.T) {
	command := []string{"/bin/sh"}
	for _, tt := range []struct {
		want string
		c    PoolConfig
	}{
		{`weir: pool "": name: "" is not a name`, PoolConfig{Command: command}},
		{`weir: pool "p": has nothing to run`, PoolConfig{Name: "p"}},
		{`weir: pool "p": queue.length: "-1" is below the minimum of 1`,
			PoolConfig{Name: "p", Command: command, Queue: config.Queue{Length: -1}}},
		{`weir: pool "p": dispatch: reuseport: its workers take an address over`,
			PoolConfig{Name: "p", Command: command, Dispatch: config.DispatchReuseport}},
		{`weir: pool "p": after: redis: a Server has no sidecars`,
			PoolConfig{Name: "p", Command: command, After: []string{"redis"}}},
	} {
		if _, err := NewPool(tt.c); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("NewPool = %v; want %s", err, tt.want)
		}
	}
	p := testPool(t, PoolConfig{Name: "p"})
	_, err := p.Route(RouteConfig{Priority: "top"})
	if want := `weir: pool "p": route: priority: "top" is not known`; err == nil ||
		!strings.HasPrefix(err.Error(), want) {
		t.Errorf("Route = %v; want %s", err, want)
	}
}

// What only a Server can see of its pools is refused by Start.
func TestServerRefuses(t *testing.T) {
	pool := func(c PoolConfig) []*Pool { return []*Pool{testPool(t, c)} }
	for want, s := range map[string]*Server{
		"pool p: there are two of that name": {
			Pools: append(pool(PoolConfig{Name: "p"}), pool(PoolConfig{Name: "p"})...),
		},
		"Secret: 3 bytes, want at least 16": {Pools: pool(PoolConfig{Name: "p"}), Secret: []byte("abc")},
		"Spool: dir: /no/such":              {Pools: pool(PoolConfig{Name: "p"}), Spool: config.Spool{Dir: "/no/such"}},
		"handoff: Limits.Head.HeadBytes is above 65536": {
			Pools:  pool(PoolConfig{Name: "p", Dispatch: config.DispatchHandoff}),
			Limits: headLimits(65537),
		},
	} {
		s.Listen = []string{"127.0.0.1:0"}
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start = %v; want %s", err, want)
		}
	}
}

func headLimits(n int) (l Limits) {
	l.Head.HeadBytes = n
	return l
}
