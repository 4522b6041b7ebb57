package worker

import (
	"bufio"
	"bytes"
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
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"weir/pipeline"
)

// serving runs serve as a worker of pool "test" and returns a client for it. The worker has drained
// when the test ends.
func serving(t *testing.T, serve func(context.Context) error) (*http.Client, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "sock")
	t.Setenv("WEIR_POOL", "test")
	t.Setenv("WEIR_WORKER", "test/1")
	t.Setenv("WEIR_SOCKET", socket)
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	notices, err := net.ListenUnixgram("unixgram",
		&net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx) }()
	wantNotice(t, notices, "READY=1")
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", socket)
		}}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve = %v; want nil after a drain", err)
		}
		wantNotice(t, notices, "STOPPING=1")
		notices.Close()   //nolint:errcheck // read only
		os.RemoveAll(dir) //nolint:errcheck // a test's directory
	})
	return client, socket
}

func wantNotice(t *testing.T, c *net.UnixConn, want string) {
	t.Helper()
	b := make([]byte, 256)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(b)
	if got := string(b[:n]); err != nil || got != want {
		t.Errorf("notice = %q, %v; want %q", got, err, want)
	}
}

func get(t *testing.T, c *http.Client, method, path string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://test"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: body: %v", method, path, err)
	}
	return resp, string(b)
}

func TestOutsideWeir(t *testing.T) {
	t.Setenv("WEIR_SOCKET", "")
	h := func(*pipeline.Context) {}
	if err := Serve(t.Context(), h); !errors.Is(err, ErrNotWorker) {
		t.Errorf("Serve() = %v; want ErrNotWorker", err)
	}
	if _, _, ok := Self(); ok {
		t.Error("Self() = ok; want not")
	}
}

func TestServeFastHTTP(t *testing.T) {
	c, _ := serving(t, func(ctx context.Context) error {
		return ServeFastHTTP(ctx, func(ctx *fasthttp.RequestCtx) { ctx.WriteString("fast") }) //nolint:errcheck // memory
	})
	resp, body := get(t, c, "GET", "/", nil)
	if body != "fast" || resp.Header.Get("Server") != "Weir-Worker" {
		t.Errorf("body %q, Server %q; want fast, Weir-Worker", body, resp.Header.Get("Server"))
	}
}

func TestServeHTTP(t *testing.T) {
	c, _ := serving(t, func(ctx context.Context) error {
		return ServeHTTP(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body) //nolint:errcheck // the client's
		}))
	})
	resp, body := get(t, c, "POST", "/", strings.NewReader("std"))
	if body != "std" || resp.Header.Get("Server") != "Weir-Worker" {
		t.Errorf("body %q, Server %q; want std, Weir-Worker", body, resp.Header.Get("Server"))
	}
}

// testHandler has one path for each way to answer.
func testHandler(gone chan<- error) pipeline.Handler {
	sse := pipeline.Blocking(func(c *pipeline.Context) {
		_ = c.SetHeader("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(c, "data: %d\n\n", i)
			if c.Flush() != nil {
				return
			}
		}
		<-c.Context().Done() // the test leaves
		gone <- context.Cause(c.Context())
	})
	echo := pipeline.Blocking(func(c *pipeline.Context) {
		_, _ = io.Copy(c, c.BodyReader())
	})
	big := pipeline.Blocking(func(c *pipeline.Context) {
		_ = c.SetLength(bigBody)
		piece := bytes.Repeat([]byte("x"), 10_000)
		for left := bigBody; left > 0; left -= len(piece) {
			_, _ = c.Write(piece[:min(left, len(piece))])
		}
	})
	return func(c *pipeline.Context) {
		switch c.Path() {
		case "/text":
			c.Text(200, "hello "+c.Peer().Addr().String()+" "+c.Query())
		case "/echo":
			echo(c)
		case "/read":
			c.ReadBody(1<<10, func(c *pipeline.Context, b []byte, err error) {
				c.Text(200, fmt.Sprintf("%d bytes, %v", len(b), err))
			})
		case "/sse":
			sse(c)
		case "/big":
			big(c)
		case "/panic":
			panic("on purpose")
		case "/async":
			a := c.Async()
			go a.Finish(func(c *pipeline.Context) { c.Text(200, "later") })
		case "/file":
			f, err := os.Open(os.Args[0])
			if err != nil {
				panic(err)
			}
			c.SendFile(200, f, 0, 100_000)
		default:
			pipeline.NotFoundHandler(c)
		}
	}
}

const bigBody = 1 << 20

func TestServePipeline(t *testing.T) {
	gone := make(chan error, 1)
	c, socket := serving(t, func(ctx context.Context) error { return Serve(ctx, testHandler(gone)) })

	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://test/text?q=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "10.0.0.1, 192.0.2.7")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body) //nolint:errcheck // a short body fails below
	resp.Body.Close()             //nolint:errcheck // read to its end
	if string(b) != "hello 192.0.2.7 q=1" {
		t.Errorf("body = %q; want the peer that the front names", b)
	}

	for _, tc := range []struct {
		desc, method, path, body string
		status                   int
		want                     string
	}{
		{"echo", "POST", "/echo", "abc", 200, "abc"},
		{"big echo", "POST", "/echo", strings.Repeat("y", 3<<20), 200, strings.Repeat("y", 3<<20)},
		{"read on the loop", "POST", "/read", "four", 200, "4 bytes, <nil>"},
		{"no body to read", "POST", "/read", "", 200, "0 bytes, <nil>"},
		{"big answer", "GET", "/big", "", 200, strings.Repeat("x", bigBody)},
		{"head", "HEAD", "/big", "", 200, ""},
		{"async", "GET", "/async", "", 200, "later"},
		{"not found", "GET", "/nothing", "", 404, ""},
		{"panic", "GET", "/panic", "", 500, ""},
	} {
		resp, body := get(t, c, tc.method, tc.path, strings.NewReader(tc.body))
		if resp.StatusCode != tc.status || tc.status == 200 && body != tc.want {
			t.Errorf("%s: %d, %d bytes %.40q; want %d, %d bytes", tc.desc, resp.StatusCode, len(body), body,
				tc.status, len(tc.want))
		}
		if tc.method == "HEAD" && resp.ContentLength != bigBody {
			t.Errorf("%s: Content-Length %d; want %d", tc.desc, resp.ContentLength, bigBody)
		}
	}
	if _, body := get(t, c, "GET", "/file", nil); len(body) != 100_000 || body[1:4] != "ELF" {
		t.Errorf("file: %d bytes %.4q; want 100000 of this binary", len(body), body)
	}
	testEvents(t, "unix", socket, gone)
}

// testEvents reads a stream piece by piece while its handler still runs, then leaves.
func testEvents(t *testing.T, network, address string, gone <-chan error) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /sse HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewScanner(resp.Body)
	for i := 0; i < 3 && events.Scan(); {
		if events.Text() == fmt.Sprintf("data: %d", i) {
			i++
		}
	}
	if err := events.Err(); err != nil {
		t.Fatalf("events: %v", err)
	}
	conn.Close() //nolint:errcheck // the client leaves
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the handler was not told that its client left")
	}
}

func TestRequestRecycle(t *testing.T) {
	if err := RequestRecycle("leaks"); !errors.Is(err, ErrNotWorker) {
		t.Errorf("RequestRecycle outside Weir = %v; want ErrNotWorker", err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "notify")
	t.Setenv("WEIR_POOL", "test")
	t.Setenv("WEIR_WORKER", "test/1")
	t.Setenv("WEIR_SOCKET", filepath.Join(dir, "sock"))
	t.Setenv("NOTIFY_SOCKET", path)
	if err := RequestRecycle("leaks"); err == nil {
		t.Error("RequestRecycle with nobody there = nil; want an error")
	}
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close() //nolint:errcheck // read only
	if err := RequestRecycle("two\nREADY=1"); err == nil {
		t.Error("RequestRecycle with two lines = nil; want an error")
	}
	if err := RequestRecycle("leaks"); err != nil {
		t.Fatal(err)
	}
	wantNotice(t, notices, "RECYCLE=leaks")
}

// A loop that is alone with one processor would have to wait the slow way.
func TestSpareProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, tc := range []struct{ has, loops, want int }{{1, 1, 2}, {2, 1, 2}, {2, 2, 3}, {4, 1, 4}} {
		runtime.GOMAXPROCS(tc.has)
		spareProcessor(tc.loops)
		if got := runtime.GOMAXPROCS(0); got != tc.want {
			t.Errorf("%d processors, %d loops: %d; want %d", tc.has, tc.loops, got, tc.want)
		}
	}
}
