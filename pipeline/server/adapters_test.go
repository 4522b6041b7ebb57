package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"weir/pipeline"
)

// adapted is an application in both dialects that the adapters speak.
type adapted struct {
	next chan bool  // lets /events go on
	gone chan error // what /endless met when its client left
	sent atomic.Int64
}

func (a *adapted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	switch r.URL.Path {
	case "/events":
		for i := range 3 {
			fmt.Fprintf(w, "%d,", i)
			if err := rc.Flush(); err != nil {
				a.gone <- err
			}
			<-a.next
		}
	case "/duplex":
		buf := make([]byte, 4<<10)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				_, _ = w.Write(buf[:n]) // what is missing shows in the test
				_ = rc.Flush()
			}
			if err != nil {
				fmt.Fprint(w, "|", err, r.Trailer)
				return
			}
		}
	case "/endless":
		piece := make([]byte, 32<<10)
		for {
			n, err := w.Write(piece)
			a.sent.Add(int64(n))
			if err != nil {
				<-r.Context().Done()
				a.gone <- errors.Join(err, r.Context().Err())
				return
			}
		}
	default:
		http.NotFound(w, r)
	}
}

func (a *adapted) fast(ctx *fasthttp.RequestCtx) {
	switch string(ctx.Path()) {
	case "/events":
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
			for i := range 3 {
				fmt.Fprintf(w, "%d,", i)
				if err := w.Flush(); err != nil {
					a.gone <- err
				}
				<-a.next
			}
		})
	case "/duplex":
		body := ctx.RequestBodyStream()
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
			buf := make([]byte, 4<<10)
			for {
				n, err := body.Read(buf)
				_, _ = w.Write(buf[:n]) // what is missing shows in the test
				if err != nil {
					fmt.Fprint(w, "|", err)
					return
				}
				_ = w.Flush()
			}
		})
	case "/endless":
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
			piece := make([]byte, 32<<10)
			for {
				n, err := w.Write(piece)
				a.sent.Add(int64(n))
				if err != nil {
					a.gone <- err
					return
				}
			}
		})
	default:
		ctx.NotFound()
	}
}

// TestAdapters: handlers of net/http and fasthttp on real connections. What is flushed is there at
// once, bodies stream both ways at a time, a client that does not read holds its handler, and one that
// leaves ends it.
func TestAdapters(t *testing.T) {
	for _, dialect := range []string{"net/http", "fasthttp"} {
		t.Run(dialect, func(t *testing.T) {
			a := &adapted{next: make(chan bool), gone: make(chan error, 4)}
			h := pipeline.FromHTTP(a)
			if dialect == "fasthttp" {
				h = pipeline.FromFastHTTP(a.fast)
			}
			ts := startServer(t, 1, Options{}, h)
			a.testEvents(t, ts)
			a.testDuplex(t, ts, dialect)
			a.testEndless(t, ts)
			ts.dial().get("/nothing").want("not found", 404, "")
		})
	}
}

func (a *adapted) testEvents(t *testing.T, ts *testServer) {
	t.Helper()
	c := ts.dial().get("/events")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("events: %v", err)
	}
	got := make([]byte, 2)
	for i := range 3 {
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != fmt.Sprint(i, ",") {
			t.Fatalf("events: got %q, %v; want %d, before the handler goes on", got, err, i)
		}
		a.next <- true
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("events: %q, %v behind the last; want the end", rest, err)
	}
	c.get("/nothing").want("next on the connection", 404, "")
}

// testDuplex sends each piece when the one before has come back.
func (a *adapted) testDuplex(t *testing.T, ts *testServer, dialect string) {
	t.Helper()
	c := ts.dial().write("POST /duplex HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
		"Expect: 100-continue\r\nTrailer: X-Sum\r\n\r\n")
	if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 100 {
		t.Fatalf("duplex: %v, %v; want 100", resp, err)
	}
	piece := strings.Repeat("0123456789abcdef", 64)
	send := func() { c.write(fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)) }
	send()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("duplex: %v", err)
	}
	got := make([]byte, len(piece))
	for range 50 {
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != piece {
			t.Fatalf("duplex: got %.40q, %v; want what was sent", got, err)
		}
		send()
	}
	c.write("0\r\nX-Sum: 7\r\n\r\n")
	want := piece + "|EOF"
	if dialect == "net/http" {
		want += " map[X-Sum:[7]]"
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != want {
		t.Errorf("duplex: end %q, %v; want %q", rest[max(0, len(rest)-30):], err, want[len(piece):])
	}
}

// testEndless reads nothing: the handler stands still when every buffer on the way is full.
func (a *adapted) testEndless(t *testing.T, ts *testServer) {
	t.Helper()
	c := ts.dial()
	_ = c.SetReadBuffer(64 << 10) // keep the kernel's share small
	c.get("/endless")
	if _, err := io.ReadFull(c.r, make([]byte, 64<<10)); err != nil {
		t.Fatalf("endless: %v", err)
	}
	const most = 32 << 20 // far above what the kernel's buffers take
	for last, still := int64(-1), 0; still < 20; {
		now := a.sent.Load()
		if now > most {
			t.Fatalf("endless: %d bytes written for a client that reads nothing", now)
		}
		if still++; now != last {
			last, still = now, 0
		}
		done := make(chan struct{})
		ts.loops[0].Post(func() { close(done) })
		<-done
	}
	_ = c.SetLinger(0) // leave at once
	_ = c.Close()
	if err := <-a.gone; err == nil {
		t.Error("endless: the handler met no error")
	}
}
