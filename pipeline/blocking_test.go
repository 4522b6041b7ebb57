package pipeline_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

func TestBlockingSmall(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	h := pipeline.Blocking(func(c *pipeline.Context) { c.Text(200, "hi") })
	x.Run(func(c *pipeline.Context) {
		h(c)
		_ = c.SetHeader("X-After-Next", "1") // still the loop's: the handler starts afterwards
	})
	if x.Length != 2 || string(x.Body) != "hi" || !x.Fields.Has("X-After-Next") {
		t.Errorf("response %d %q; want a length of 2", x.Length, x.Body)
	}
}

func TestBlockingBig(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB
	x := pipelinetest.Get(t, "/", "")
	x.High = 32 << 10
	x.Run(pipeline.Blocking(func(c *pipeline.Context) {
		for b := want; len(b) > 0; {
			n := min(len(b), 100<<10)
			if _, err := c.Write(b[:n]); err != nil {
				t.Errorf("Write = %v", err)
				return
			}
			b = b[n:]
		}
		_ = c.Trailers().Add("X-Sum", "1")
	}))
	if !bytes.Equal(x.Body, want) || !x.Ended || x.Trailers.Get("x-sum") != "1" {
		t.Errorf("%d bytes, ended %v; want %d", len(x.Body), x.Ended, len(want))
	}
}

// TestBlockingInformBounded: a handler that is ahead of its loop waits.
func TestBlockingInformBounded(t *testing.T) {
	const most = 64
	x := pipelinetest.Get(t, "/", "")
	var informed atomic.Int64
	x.Serve(pipeline.Blocking(func(c *pipeline.Context) {
		for range 20 * most {
			if err := c.Inform(103, nil); err != nil {
				t.Errorf("Inform = %v", err)
			}
			informed.Add(1)
		}
		c.Text(200, "done")
	}))
	for informed.Load() < most {
		runtime.Gosched()
	}
	for range 10_000 { // time enough to go on, if nothing held it
		runtime.Gosched()
	}
	if n := informed.Load(); n != most {
		t.Errorf("%d informational responses wait for the loop; want %d", n, most)
	}
	x.Finish()
	if len(x.Informed) != 20*most || string(x.Body) != "done" {
		t.Errorf("%d informational responses, body %q; want all, done", len(x.Informed), x.Body)
	}
}

// TestBlockingSlowClient holds the handler back: what it is ahead of the client stays bounded.
func TestBlockingSlowClient(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.High = 1
	wrote := make(chan int, 1000)
	x.Serve(pipeline.Blocking(func(c *pipeline.Context) {
		defer close(wrote)
		for range 100 {
			if _, err := c.Write(make([]byte, 16<<10)); err != nil {
				return
			}
			wrote <- 1
		}
	}))
	n := 0
	for range wrote { // the loop takes one batch, then the client takes nothing any more
		if n++; n == 2 {
			break
		}
	}
	x.Turn()
	if x.Queued() == 0 || x.Ended {
		t.Fatalf("%d bytes queued, ended %v", x.Queued(), x.Ended)
	}
	took := x.Queued()
	for range 4 { // 64 KiB more fit into the run's queue; then the goroutine stands
		runtime.Gosched()
	}
	if x.Queued() != took {
		t.Errorf("queue grew from %d to %d without room", took, x.Queued())
	}
	cause := errors.New("gone")
	if x.Cancel(cause) {
		t.Error("Cancel = true while the handler runs")
	}
	x.Finish()
	for range wrote {
		n++
	}
	if n >= 20 {
		t.Errorf("%d writes of 16 KiB went through without a reader; want fewer than 20", n)
	}
	if !x.Aborted || x.Ended {
		t.Errorf("aborted %v; want the exchange given up", x.Aborted)
	}
	x.Complete()
}

func TestBlockingCancelWakesReader(t *testing.T) {
	x := pipelinetest.New(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
	gone := errors.New("gone")
	got := make(chan error, 2)
	x.Serve(pipeline.Blocking(func(c *pipeline.Context) {
		_, err := c.BodyReader().Read(make([]byte, 1))
		got <- err
		<-c.Context().Done()
		_, err = c.Write(make([]byte, 100<<10))
		got <- err
	}))
	x.Turn() // the request for the body
	if !x.Asked {
		t.Fatal("body not asked for")
	}
	x.Cancel(gone)
	x.Finish()
	for range 2 {
		if err := <-got; !errors.Is(err, gone) {
			t.Errorf("error = %v; want the cause", err)
		}
	}
	x.Complete()
}

func TestBlockingBody(t *testing.T) {
	x := pipelinetest.New(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	go1 := make(chan bool)
	h := pipeline.Blocking(func(c *pipeline.Context) {
		r := c.BodyReader()
		<-go1
		b, err := io.ReadAll(r)
		if err != nil {
			t.Errorf("ReadAll = %v", err)
		}
		_, _ = c.Write(b)
		if got := c.RequestTrailers().Get("X-T"); got != "1" {
			t.Errorf("trailer = %q; want 1", got)
		}
	})
	part := strings.Repeat("x", 40<<10)
	x.Serve(h)
	close(go1)
	x.Turn()
	x.Feed(part)
	x.Feed(part)
	x.Feed(part)
	x.Feed("end")
	_ = x.T.RequestTrailers().Add("X-T", "1")
	x.EndBody(nil)
	x.Finish()
	if got, want := string(x.Body), part+part+part+"end"; got != want {
		t.Errorf("%d bytes came back; want %d", len(got), len(want))
	}
}

// TestBlockingBodyPauses shows that an unread body stops the client, and that reading goes on
// later.
func TestBlockingBodyPauses(t *testing.T) {
	x := pipelinetest.New(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	paused := make(chan bool)
	x.Serve(pipeline.Blocking(func(c *pipeline.Context) {
		r := c.BodyReader()
		_, _ = io.ReadFull(r, make([]byte, 1))
		<-paused
		n, err := io.Copy(io.Discard, r)
		if n != 80<<10+2 || err != nil {
			t.Errorf("Copy = %d, %v; want %d", n, err, 80<<10+2)
		}
	}))
	x.Turn()
	x.Feed(strings.Repeat("x", 80<<10))
	if !x.Paused {
		t.Fatal("80 KiB unread and the client is not paused")
	}
	x.Feed("abc")
	x.EndBody(nil)
	close(paused)
	x.Finish()
	if x.Paused || len(x.Fed) != 80<<10+3 {
		t.Errorf("paused %v, %d bytes fed; want all", x.Paused, len(x.Fed))
	}
}

func TestBlockingReaderAfterReturn(t *testing.T) {
	x := pipelinetest.New(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	var r io.Reader
	x.Run(pipeline.Blocking(func(c *pipeline.Context) { r = c.BodyReader() }))
	x.Complete()
	if n, err := r.Read(make([]byte, 3)); n != 0 || !errors.Is(err, pipeline.ErrEnded) {
		t.Errorf("Read of a kept reader = %d, %v; want ErrEnded", n, err)
	}
}

func TestBlockingPanics(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		h      pipeline.Handler
		panic  any
		status int
		cut    bool
	}{
		{"before the start", func(*pipeline.Context) { panic("boom") }, "boom", 500, false},
		{"after Fail", func(c *pipeline.Context) {
			c.Fail(404, pipeline.NotFound)
			panic("boom")
		}, "boom", 500, false},
		{"after the start", func(c *pipeline.Context) {
			_ = c.Flush()
			panic("boom")
		}, "boom", 200, true},
		{"after the end", func(c *pipeline.Context) {
			_ = c.EndResponse(nil)
			panic("boom")
		}, "boom", 200, true},
		{"in OnStarting", func(c *pipeline.Context) {
			_ = c.OnStarting(func(*pipeline.Context) { panic("boom") })
			_ = c.Flush()
		}, "boom", 500, false},
		{"Goexit", func(*pipeline.Context) { runtime.Goexit() }, "runtime.Goexit in a handler", 500, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			x := pipelinetest.Get(t, "/", "")
			x.Run(pipeline.Blocking(tc.h))
			if x.Panic != tc.panic || x.Status != tc.status || x.Aborted != tc.cut || x.Ended == tc.cut {
				t.Errorf("panic %v, status %d, cut %v, ended %v; want %v, %d, %v",
					x.Panic, x.Status, x.Aborted, x.Ended, tc.panic, tc.status, tc.cut)
			}
			x.Complete()
		})
	}
}

func TestBlockingPoolFull(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.PoolFull = true
	x.Serve(pipeline.Blocking(func(*pipeline.Context) { t.Error("ran") }))
	if x.Status != 503 || x.T.Reason() != pipeline.BlockingFull || !x.Ended {
		t.Errorf("response %d %v; want 503 BlockingFull", x.Status, x.T.Reason())
	}
}

func TestBlockingFail(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Run(pipeline.Blocking(func(c *pipeline.Context) {
		c.Fail(404, pipeline.NotFound)
		if _, err := c.WriteString("more"); !errors.Is(err, pipeline.ErrEnded) {
			t.Errorf("Write after Fail = %v; want ErrEnded", err)
		}
	}))
	if x.Status != 404 || !strings.HasPrefix(string(x.Body), "404 Not Found\n") {
		t.Errorf("response %d %q; want the 404 page alone", x.Status, x.Body)
	}
}

func TestBlockingAsync(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Run(pipeline.Blocking(func(c *pipeline.Context) {
		a := c.Async()
		a.Post(func(c *pipeline.Context) { _, _ = c.WriteString("b") })
		a.Finish(func(c *pipeline.Context) { _, _ = c.WriteString("c") })
		_, _ = c.WriteString("a")
	}))
	if string(x.Body) != "abc" || !x.Ended {
		t.Errorf("body %q, ended %v; want abc", x.Body, x.Ended)
	}
}

func TestBlockingInform(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	x.Run(pipeline.Blocking(func(c *pipeline.Context) {
		if err := c.Inform(103, nil); err != nil {
			t.Errorf("Inform = %v", err)
		}
		_ = c.Flush()
	}))
	if len(x.Informed) != 1 || x.Informed[0] != 103 || x.Status != 200 {
		t.Errorf("informed %v, then %d; want 103, then 200", x.Informed, x.Status)
	}
}

func TestLoopOnly(t *testing.T) {
	mustPanic := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s did not panic", what)
			}
		}()
		f()
	}
	x := pipelinetest.Get(t, "/", "")
	x.Serve(func(c *pipeline.Context) { mustPanic("BodyReader on a loop", func() { c.BodyReader() }) })
	x = pipelinetest.Get(t, "/", "")
	x.Run(pipeline.Blocking(func(c *pipeline.Context) {
		mustPanic("Hold in Blocking", func() { c.Hold(&source{}) })
		mustPanic("ReceiveBody in Blocking", func() { c.ReceiveBody(nil) })
	}))
}
