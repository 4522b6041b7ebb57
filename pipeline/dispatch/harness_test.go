package dispatch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/server"
)

// TestMain fails when tests leave goroutines or descriptors behind.
func TestMain(m *testing.M) {
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close() // the runtime's own poller stays open from now on
	}
	fds := openFDs()
	code := m.Run()
	deadline := time.Now().Add(5 * time.Second)
	for code == 0 && (runtime.NumGoroutine() > 2 || openFDs() > fds) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			fmt.Fprintf(os.Stderr, "left behind: %d goroutines, %d fds (%d before)\n%s",
				runtime.NumGoroutine(), openFDs(), fds, buf[:runtime.Stack(buf, true)])
			code = 1
			break
		}
		runtime.Gosched()
	}
	os.Exit(code)
}

func openFDs() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// front is a running server whose only app is a pool.
type front struct {
	*Pool
	t     testing.TB
	addr  string
	loops []*netpoll.Loop
	told  events
}

// events records what the pool told.
type events struct {
	drained, served chan uint64
	hung, refused   chan string
	waiting         chan string
	circuit         chan string
	audited         chan string
	failing         chan string
}

func (e *events) Drained(_ string, n uint64) { e.drained <- n }
func (e *events) Served(_ string, n uint64) {
	select {
	case e.served <- n:
	default: // loops must not block
	}
}
func (e *events) Hung(_ string, n uint64, d string) { e.hung <- fmt.Sprintf("%d: %s", n, d) }
func (e *events) Audited(_ string, n uint64, d string) {
	sendMaybe(e.audited, fmt.Sprintf("%d: %s", n, d))
}
func (e *events) Waiting(string)                       { sendMaybe(e.waiting, "") }
func (e *events) Refused(_ string, n uint64, d string) { sendMaybe(e.refused, d) }

func (e *events) Failing(_ string, n uint64, why string) {
	sendMaybe(e.failing, fmt.Sprintf("%d: %s", n, why))
}

func (e *events) Circuit(_ string, n uint64, why string) {
	sendMaybe(e.circuit, fmt.Sprintf("%d: %s", n, why))
}

func sendMaybe(c chan string, s string) {
	select {
	case c <- s:
	default:
	}
}

const listenAddress = "test"

func startFront(t testing.TB, loops int, o Options) *front {
	return startWith(t, loops, o, func(p *Pool) pipeline.Handler { return p.Handler() })
}

func startWith(t testing.TB, loops int, o Options, app func(*Pool) pipeline.Handler) *front {
	t.Helper()
	f := &front{t: t, told: events{
		drained: make(chan uint64, 16), served: make(chan uint64, 16),
		hung: make(chan string, 16), refused: make(chan string, 16),
		waiting: make(chan string, 16), circuit: make(chan string, 64),
		audited: make(chan string, 16), failing: make(chan string, 16),
	}}
	for i := range loops {
		l, err := netpoll.New(netpoll.Config{Index: i, PlainWait: true})
		if err != nil {
			t.Fatal(err)
		}
		f.loops = append(f.loops, l)
	}
	if o.Name == "" {
		o.Name = "shop"
	}
	f.Pool = NewPool(o, f.loops, &f.told)
	f.audits.every = 5 * time.Millisecond // every test is one of the audit: it must find nothing
	t.Cleanup(func() {
		if len(f.told.audited) > 0 {
			t.Errorf("the audit found %q", <-f.told.audited)
		}
	})
	so := server.Options{}
	so.Timeouts.HalfClose = 20 * time.Millisecond
	srv := server.New(f.loops, so)
	for _, l := range f.loops {
		done := make(chan struct{})
		go func() { l.Run(); close(done) }()
		t.Cleanup(func() { l.Stop(); <-done })
	}
	fds := f.listen()
	err := srv.Apply(so, []server.Listener{{Address: listenAddress, FDs: fds}}, []server.Site{{
		Name: "default", Bindings: []server.Binding{{Address: listenAddress, Host: "*"}},
		Apps: []server.App{{
			Prefix: "/", Handler: app(f.Pool), Connect: true, Limits: server.Limits{Body: server.Off},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// listen opens a socket per loop on one address, so that connections spread over the loops.
func (f *front) listen() (fds []int) {
	f.t.Helper()
	reuse := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		e := c.Control(func(p uintptr) {
			err = unix.SetsockoptInt(int(p), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return errors.Join(e, err)
	}}
	f.addr = "127.0.0.1:0"
	for range f.loops {
		ln, err := reuse.Listen(context.Background(), "tcp", f.addr)
		if err != nil {
			f.t.Fatal(err)
		}
		f.addr = ln.Addr().String()
		raw, err := ln.(*net.TCPListener).SyscallConn()
		if err != nil {
			f.t.Fatal(err)
		}
		e := raw.Control(func(p uintptr) {
			var fd int
			fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0)
			fds = append(fds, fd)
		})
		if err := errors.Join(e, err, ln.Close()); err != nil {
			f.t.Fatal(err)
		}
	}
	return fds
}

// audit waits until nothing is in flight, then checks that every slot is either free or held by a
// connection that some loop counts as idle.
func (f *front) audit() {
	f.t.Helper()
	f.eventually("nothing in flight, nobody waiting", func() bool {
		for _, w := range *f.workers.Load() {
			idle := int32(0)
			for i := range w.lanes {
				idle += w.lanes[i].idleCount.Load()
			}
			if w.inFlight() != 0 || w.free.Load()+idle != w.slots {
				return false
			}
		}
		return f.waiters.Load() == 0 && f.oldest() == nil
	})
}

// eventually polls without sleeping; what it waits for happens on other goroutines.
func (f *front) eventually(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			f.t.Fatalf("not reached: %s\n%+v", what, f.Snapshot())
		}
	}
}

// client is one connection that speaks raw HTTP.
type client struct {
	t testing.TB
	*net.TCPConn
	r *bufio.Reader
}

func (f *front) dial() *client {
	f.t.Helper()
	c, err := f.connect()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

func (f *front) connect() (*client, error) {
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	return &client{t: f.t, TCPConn: c.(*net.TCPConn), r: bufio.NewReader(c)}, nil
}

func (c *client) write(s string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("write %.40q: %v", s, err)
	}
	return c
}

func (c *client) get(path string) *client {
	c.t.Helper()
	return c.write("GET " + path + " HTTP/1.1\r\nHost: shop.example\r\n\r\n")
}

func (c *client) response(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("read body after %d %q: %v", resp.StatusCode, body, err)
	}
	return resp, string(body)
}

// want reads a response to a GET; body "" is not checked.
func (c *client) want(desc string, status int, body string) *http.Response {
	c.t.Helper()
	resp, got := c.response("GET")
	if resp.StatusCode != status || body != "" && got != body {
		c.t.Fatalf("%s: got %d %.80q (%s); want %d %.80q", desc, resp.StatusCode, got,
			resp.Header.Get("X-Weir-Reason"), status, body)
	}
	return resp
}

func (c *client) wantReason(desc string, status int, reason pipeline.Reason) *http.Response {
	c.t.Helper()
	resp := c.want(desc, status, "")
	if got := resp.Header.Get("X-Weir-Reason"); got != reason.String() {
		c.t.Fatalf("%s: reason %q; want %q", desc, got, reason)
	}
	return resp
}

// worker is a scripted upstream on a Unix socket: script runs once per connection.
type testWorker struct {
	t     testing.TB
	path  string
	ln    *net.UnixListener
	open  atomic.Int32
	most  atomic.Int32 // connections open at once
	total atomic.Int32
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// workerConn is one connection as the worker sees it.
type workerConn struct {
	net.Conn
	w *testWorker
	n int // connections before it
	r *bufio.Reader
}

func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func startWorker(t testing.TB, script func(c *workerConn)) *testWorker {
	t.Helper()
	w := &testWorker{t: t, path: socketPath(t), conns: map[net.Conn]bool{}}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	w.ln = ln
	w.wg.Add(1)
	go w.accept(script)
	t.Cleanup(w.kill)
	return w
}

func (w *testWorker) accept(script func(c *workerConn)) {
	defer w.wg.Done()
	for n := 0; ; n++ {
		c, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.conns[c] = true
		w.mu.Unlock()
		w.total.Add(1)
		open := w.open.Add(1)
		for most := w.most.Load(); open > most && !w.most.CompareAndSwap(most, open); most = w.most.Load() {
		}
		w.wg.Add(1)
		go func() {
			defer w.wg.Done()
			script(&workerConn{Conn: c, w: w, n: n, r: bufio.NewReader(c)})
			w.open.Add(-1)
			c.Close()
			w.mu.Lock()
			delete(w.conns, c)
			w.mu.Unlock()
		}()
	}
}

// kill ends the worker as the end of its process would.
func (w *testWorker) kill() {
	w.ln.Close()
	w.mu.Lock()
	for c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// request reads one request; nil when the connection has ended.
func (c *workerConn) request() *http.Request {
	r, err := http.ReadRequest(c.r)
	if err != nil {
		return nil
	}
	return r
}

// drainRequest reads one request and its body; false when the connection has ended.
func (c *workerConn) drainRequest() (*http.Request, string, bool) {
	r := c.request()
	if r == nil {
		return nil, "", false
	}
	body, err := io.ReadAll(r.Body)
	return r, string(body), err == nil
}

func (c *workerConn) write(s string) { _, _ = io.WriteString(c, s) }

func (c *workerConn) respond(body string) {
	c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
}

// waitClosed reads until the front closes.
func (c *workerConn) waitClosed() { _, _ = io.Copy(io.Discard, c.r) }

// serveHello answers every request on the connection.
func serveHello(c *workerConn) {
	for {
		r, body, ok := c.drainRequest()
		if !ok {
			return
		}
		c.respond(r.Method + " " + r.URL.RequestURI() + " " + body)
	}
}

func (f *front) add(n uint64, w *testWorker, concurrency int) {
	f.t.Helper()
	if err := f.AddWorker(n, Endpoint{Network: "unix", Address: w.path, Concurrency: concurrency}); err != nil {
		f.t.Fatal(err)
	}
}

func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

var longText = strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB

func listenUnix(t testing.TB) *net.UnixListener {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketPath(t), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
