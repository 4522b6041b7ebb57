package pipeline_test

import (
	"errors"
	"io"
	"testing"

	"weir/pipeline"
	"weir/pipeline/pipelinetest"
)

func TestAsync(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	var a pipeline.Async
	x.Serve(func(c *pipeline.Context) { a = c.Async() })
	if x.Ended || x.Heads != 0 || !x.Held {
		t.Fatalf("ended %v, %d heads, held %v; want it held open", x.Ended, x.Heads, x.Held)
	}
	done := make(chan bool)
	go func() {
		ok := a.Post(func(c *pipeline.Context) { _, _ = c.WriteString("a") })
		done <- ok && a.Finish(func(c *pipeline.Context) { _, _ = c.WriteString("b") })
	}()
	x.Finish()
	if !<-done || string(x.Body) != "ab" || !x.Ended {
		t.Errorf("body %q, ended %v; want ab", x.Body, x.Ended)
	}
	x.Complete()
}

// TestStaleAsync uses an Async when its exchange is over and the Context serves another one.
func TestStaleAsync(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	var a pipeline.Async
	x.Serve(func(c *pipeline.Context) { a = c.Async() })
	never := func(*pipeline.Context) { t.Error("a stale function ran") }
	if !a.Post(never) { // queued now, run in the next exchange: must be refused there
		t.Fatal("Post = false")
	}
	x.Cancel(io.EOF)
	x.Complete()
	if a.Post(never) || a.Finish(never) || (pipeline.Async{}).Post(never) {
		t.Error("Post of a stale Async = true; want false")
	}
}

// TestAsyncPostsBounded: an application that posts faster than the loop runs is told so, and can still
// finish; the bound is each exchange's own.
func TestAsyncPostsBounded(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	for i := range 2 {
		var a pipeline.Async
		x.Serve(func(c *pipeline.Context) { a = c.Async() })
		taken, ran := 0, 0
		for taken < 100_000 && a.Post(func(*pipeline.Context) { ran++ }) {
			taken++
		}
		if taken != 1024 {
			t.Fatalf("exchange %d: %d posts taken; want 1024", i, taken)
		}
		x.Turn()
		if !a.Post(func(*pipeline.Context) { ran++ }) {
			t.Errorf("exchange %d: Post = false when all others have run", i)
		}
		for a.Post(func(*pipeline.Context) { ran++ }) {
			taken++
		}
		end := func(c *pipeline.Context) { _, _ = c.WriteString("end") }
		if !a.Finish(end) || a.Finish(end) {
			t.Errorf("exchange %d: Finish behind a full queue; want it taken, once", i)
		}
		x.Finish()
		if string(x.Body) != "end" || ran != taken+1 {
			t.Errorf("exchange %d: body %q, %d of %d run; want end, all", i, x.Body, ran, taken+1)
		}
		if i == 0 {
			stale := a
			x.Complete()
			if stale.Post(func(*pipeline.Context) {}) || stale.Finish(end) {
				t.Error("a stale Async is taken")
			}
			continue
		}
		x.Complete()
	}
}

func TestCancel(t *testing.T) {
	x := pipelinetest.Get(t, "/", "")
	src := &source{}
	var done <-chan struct{}
	x.Serve(func(c *pipeline.Context) {
		done = c.Context().Done()
		c.Hold(src)
		_ = c.StartResponse(pipeline.LengthUnknown)
		x.High = 1
		if c.SendBody([]byte("x")) {
			t.Error("SendBody = true above the high mark")
		}
		x.Drain()
	})
	if src.writable != 1 || x.Ended {
		t.Errorf("OnWritable %d times, ended %v; want once, open", src.writable, x.Ended)
	}
	gone := errors.New("gone")
	x.Cancel(gone)
	<-done
	if !errors.Is(src.err, gone) {
		t.Errorf("OnCancel(%v); want the cause", src.err)
	}
	x.Complete()
}

// source counts what it is told.
type source struct {
	writable int
	err      error
}

func (s *source) OnWritable(*pipeline.Context)            { s.writable++ }
func (s *source) OnCancel(_ *pipeline.Context, err error) { s.err = err }
