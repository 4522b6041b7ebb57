package server

import (
	"bytes"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/pipeline"
)

// lineLog collects what a logger writes, a line at a time.
type lineLog struct {
	mu   sync.Mutex
	text bytes.Buffer
	line chan string
}

func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.text.Write(b)
	l.mu.Unlock()
	l.line <- string(b)
	return len(b), nil
}

func (l *lineLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestWatchdog: one line per stall, with what the loop serves, while the stall lasts.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	log := &lineLog{line: make(chan string, 16)}
	leave := make(chan struct{})
	ts := startServer(t, 1, Options{Logger: slog.New(slog.NewTextHandler(log, nil))},
		func(c *pipeline.Context) {
			switch c.Path() {
			case "/named":
				c.SetRequestID("id-1")
				<-leave
			case "/posted":
				c.Async().Finish(func(c *pipeline.Context) { <-leave; c.Text(200, "posted") })
				return
			}
			c.Text(200, "served")
		})
	ls := ts.Server.loops[0]
	c := ts.dial()
	c.get("/named?q=1")
	want := func(desc string, parts ...string) {
		t.Helper()
		line := <-log.line
		for _, p := range append(parts, "level=WARN", `msg="loop stalled"`, "loop=0", "for=") {
			if !strings.Contains(line, p) {
				t.Errorf("%s: %q lacks %q", desc, line, p)
			}
		}
	}
	want("handler", "handler=weir/pipeline/server.TestWatchdog.func", "site=default", "app=/",
		"method=GET", "path=/named", "request_id=id-1")
	for { // several more looks at the same stall
		if _, lag := ls.loop.Lag(); lag > stallMin+4*stallCheckEvery {
			break
		}
		runtime.Gosched()
	}
	leave <- struct{}{}
	c.want("named", 200, "served")
	c.get("/posted")
	want("posted function", "path=/posted", "request_id=")
	leave <- struct{}{}
	c.want("posted", 200, "posted")
	ls.loop.Post(func() { <-leave })
	want("no exchange", "handler=none", `path=""`)
	leave <- struct{}{}
	c.get("/").want("quick", 200, "served")
	if n := atomic.LoadUint64(&ls.row[CounterLoopStalls]); n != 3 {
		t.Errorf("%d stalls counted; want 3", n)
	}
	cell := func(c Counter) time.Duration { return time.Duration(atomic.LoadUint64(&ls.row[c])) }
	// A stall was seen again and again; between its lines the loop waited.
	if most := cell(CounterLoopLagMax); most < stallMin || most > cell(CounterLoopLag) ||
		cell(CounterLoopLag) > most*cell(CounterLoopLooks) {
		t.Errorf("the lag was %v at most, %v in all %d looks; want stalls of %v among them", most,
			cell(CounterLoopLag), cell(CounterLoopLooks), stallMin)
	}
	if n := strings.Count(log.String(), "loop stalled"); n != 3 {
		t.Errorf("%d lines of 3 stalls:\n%s", n, log)
	}
}

// TestLagWindow: the largest lag is kept for ten seconds, whatever becomes of the wall clock.
func TestLagWindow(t *testing.T) {
	var w lagWindow
	for _, tc := range []struct {
		second    int64
		lag, want time.Duration
	}{
		{1_000_000, 5, 5}, {1_000_000, 3, 5}, {1_000_004, 4, 5}, {1_000_009, 0, 5}, {1_000_010, 0, 4},
		{1_000_013, 1, 4}, {1_000_014, 0, 1}, {1_000_002, 2, 2}, {1_000_023, 0, 2}, {1_000_024, 0, 0},
		{1_000_030, 6, 6}, {2_000_000, 0, 0},
	} {
		if got := w.note(tc.lag, tc.second); got != tc.want {
			t.Errorf("second %d, lag %d: most %d; want %d", tc.second, tc.lag, got, tc.want)
		}
	}
}

// TestServingNested: code of another exchange inside ours, and a reader meanwhile, leave nothing that
// is read too late.
func TestServingNested(t *testing.T) {
	s := &serving{}
	a := &exchange{app: &app{name: "a"}}
	b := &exchange{app: &app{name: "b"}}
	var stop atomic.Bool
	done := make(chan struct{})
	seen := map[string]int{}
	go func() {
		defer close(done)
		for !stop.Load() {
			seen[s.read().handler]++
		}
	}()
	for i := range 20_000 {
		s.enter(a)
		s.enter(b)
		s.leave(b)
		b.app.name = "b" // as reset and the next request would
		s.leave(a)
		a.app.name = "a"
		if i%64 == 0 {
			runtime.Gosched()
		}
		if x := s.x.Load(); x != nil {
			t.Fatalf("after the end: %p", x)
		}
	}
	stop.Store(true)
	<-done
	if seen["a"]+seen["b"] == 0 {
		t.Skip("the reader never met code that ran: one processor?")
	}
}
