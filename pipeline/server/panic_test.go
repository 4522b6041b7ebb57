package server

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"weir/pipeline"
)

// panicky is a filter that panics.
type panicky struct{}

// Append implements pipeline.Filter.
func (panicky) Append([]byte, []byte, bool) ([]byte, error) { panic("filter") }

// panics is user code that panics, by the place in which it does.
var panics = map[string]pipeline.Handler{
	"handler":     func(*pipeline.Context) { panic("handler") },
	"on starting": func(c *pipeline.Context) { _ = c.OnStarting(func(*pipeline.Context) { panic("starting") }) },
	"filter":      func(c *pipeline.Context) { _ = c.AddFilter(panicky{}); c.Text(200, "x") },
	"error page": func(c *pipeline.Context) {
		c.SetErrorPage(func(*pipeline.Context, []byte, int, pipeline.Reason) ([]byte, string) { panic("page") })
		c.Fail(500, pipeline.HandlerError)
	},
	"stream": func(c *pipeline.Context) { c.Stream(200, func([]byte) (int, error) { panic("stream") }) },
	"stream, later": func(c *pipeline.Context) {
		n := 0
		c.Stream(200, func(dst []byte) (int, error) {
			if n++; n > 100 {
				panic("stream")
			}
			return len(dst), nil
		})
	},
	"posted": func(c *pipeline.Context) {
		a := c.Async()
		go a.Post(func(*pipeline.Context) { panic("posted") })
	},
	"finished": func(c *pipeline.Context) {
		a := c.Async()
		go a.Finish(func(*pipeline.Context) { panic("finished") })
	},
	"body": func(c *pipeline.Context) {
		c.ReadBody(100, func(*pipeline.Context, []byte, error) { panic("body") })
	},
	"blocking":        pipeline.Blocking(func(*pipeline.Context) { panic("blocking") }),
	"blocking, later": pipeline.Blocking(func(c *pipeline.Context) { _ = c.Flush(); panic("blocking") }),
	"blocking, ended": pipeline.Blocking(func(c *pipeline.Context) {
		c.Fail(503, pipeline.HandlerError)
		panic("blocking")
	}),
	"blocking, starting": pipeline.Blocking(func(c *pipeline.Context) {
		_ = c.OnStarting(func(*pipeline.Context) { panic("starting") })
		_ = c.Flush()
	}),
	"blocking, stream": pipeline.Blocking(func(c *pipeline.Context) {
		c.Stream(200, func([]byte) (int, error) { panic("stream") })
	}),
	"http": pipeline.FromHTTP(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("http") })),
	"on completed": func(c *pipeline.Context) {
		c.OnCompleted(func(*pipeline.Context, pipeline.Outcome) { panic("completed") })
		c.OnCompleted(func(*pipeline.Context, pipeline.Outcome) { panic("completed, too") })
		c.Text(200, "fine")
	},
	"on completed, after a panic": func(c *pipeline.Context) {
		c.OnCompleted(func(*pipeline.Context, pipeline.Outcome) { panic("completed") })
		panic("handler")
	},
}

// TestPanics: a panic anywhere in user code is answered by 500 or a reset and costs its own exchange
// only: every completion callback runs once, and the loop goes on.
func TestPanics(t *testing.T) {
	var completed, logged atomic.Int32
	logger := slog.New(slog.NewTextHandler(countLines{&logged}, nil))
	for desc, h := range panics {
		t.Run(desc, func(t *testing.T) {
			completed.Store(0)
			logged.Store(0)
			done := make(chan pipeline.Outcome, 4)
			ts := startServer(t, 1, Options{Logger: logger}, func(c *pipeline.Context) {
				if c.Path() == "/fine" {
					c.Text(200, "fine")
					return
				}
				c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) { completed.Add(1); done <- o })
				h(c)
			})
			c := ts.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
			resp, err := http.ReadResponse(c.r, nil)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			switch {
			case err != nil: // reset: the head was out
			case desc == "on completed":
				if resp.StatusCode != 200 {
					t.Errorf("status %d; want 200, which had left", resp.StatusCode)
				}
			case resp.StatusCode != 500 || resp.Header.Get("X-Weir-Reason") != "HandlerPanic":
				t.Errorf("answer %d %s; want 500 HandlerPanic", resp.StatusCode, resp.Header.Get("X-Weir-Reason"))
			}
			if o := <-done; o.Reason != pipeline.HandlerPanic && desc != "on completed" {
				t.Errorf("outcome %+v; want HandlerPanic", o)
			}
			ts.dial().get("/fine").want("another client", 200, "fine")
			if n := completed.Load(); n != 1 || len(done) > 0 {
				t.Errorf("completed %d times; want once", n)
			}
			if logged.Load() == 0 {
				t.Error("nothing logged")
			}
			if err == nil && !resp.Close {
				c.get("/fine").want("the same client", 200, "fine")
			}
		})
	}
}

// countLines counts what is logged about panics.
type countLines struct{ n *atomic.Int32 }

// Write implements io.Writer.
func (c countLines) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "handler panic") {
		c.n.Add(1)
	}
	return len(b), nil
}

// TestStaleAsyncOnConnection: posts of an exchange that is over never reach the ones that its
// connection, and its memory, serve afterwards.
func TestStaleAsyncOnConnection(t *testing.T) {
	var late atomic.Int32
	kept := make(chan pipeline.Async, 4)
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		if c.Path() != "/async" {
			c.Text(200, c.Path())
			return
		}
		a := c.Async()
		kept <- a
		go a.Finish(func(c *pipeline.Context) { c.Text(200, "async") })
	})
	c := ts.dial()
	for range cap(kept) {
		c.get("/async").want("async", 200, "async")
	}
	c.get("/next").want("next on the connection", 200, "/next") // all of them are complete
	var stale []pipeline.Async
	for range cap(kept) {
		stale = append(stale, <-kept)
	}
	for range 500 {
		c.get("/next")
		for _, a := range stale {
			if a.Post(func(*pipeline.Context) { late.Add(1) }) || a.Finish(func(*pipeline.Context) { late.Add(1) }) {
				t.Fatal("a stale Async was taken")
			}
		}
		c.want("meanwhile", 200, "/next")
	}
	if n := late.Load(); n > 0 {
		t.Errorf("%d posts ran after their exchange was over", n)
	}
}
