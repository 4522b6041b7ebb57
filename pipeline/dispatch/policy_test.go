package dispatch

import (
	"fmt"
	"testing"
	"time"

	"weir/pipeline"
)

// gated is a front with apps of all priorities and a worker with one slot that is taken; names of
// the requests that follow come out of g.got.
func gated(t *testing.T, loops int, o Options) (*front, *gate) {
	f := startWith(t, loops, o, func(p *Pool) pipeline.Handler {
		b := pipeline.New()
		for prefix, class := range map[string]Priority{"/high": High, "/low": Low} {
			b.Map(prefix, func(b *pipeline.Builder) { b.Run(p.RouteAt(class, RouteOptions{})) })
		}
		b.Run(p.Handler())
		h, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		return h
	})
	g := newGate()
	f.add(1, startWorker(t, g.serve), 1)
	f.dial().get("/first")
	<-g.got
	return f, g
}

// queue sends GETs that wait, one after another.
func (f *front) queue(paths ...string) []*client {
	f.t.Helper()
	var clients []*client
	before := f.Snapshot().Waiting
	for i, path := range paths {
		clients = append(clients, f.dial().get(path))
		f.eventually("it waits", func() bool { return f.Snapshot().Waiting == before+i+1 })
	}
	return clients
}

// order lets n requests through and gives their paths.
func (g *gate) order(n int) (paths []string) {
	for range n {
		g.release <- struct{}{}
		paths = append(paths, (<-g.got).URL.Path)
	}
	return paths
}

// TestPriority: a higher class goes first, in order; but the others get their small part.
func TestPriority(t *testing.T) {
	f, g := gated(t, 2, Options{})
	f.queue("/low/1", "/2", "/high/3", "/low/4", "/5", "/high/6")
	want := "[/high/3 /high/6 /2 /5 /low/1 /low/4]"
	if got := fmt.Sprint(g.order(6)); got != want {
		t.Errorf("order %s; want %s", got, want)
	}
	close(g.release)
	f.audit()
}

// TestStarvation: while higher classes never cease to wait, low requests get one slot in 64 and
// normal ones one in eight.
func TestStarvation(t *testing.T) {
	f, g := gated(t, 1, Options{})
	var paths []string
	for range 64 {
		paths = append(paths, "/high")
	}
	f.queue(append([]string{"/low/a", "/low/b", "/n/a"}, paths...)...)
	at := map[string]int{}
	for i, p := range g.order(len(paths)) {
		at[p] = i
	}
	if at["/n/a"] != normalEvery-1 || at["/low/a"] != lowEvery-1 {
		t.Errorf("normal was number %d, low number %d; want %d and %d", at["/n/a"], at["/low/a"],
			normalEvery-1, lowEvery-1)
	}
	if _, early := at["/low/b"]; early {
		t.Error("a second low one came before the high ones were done")
	}
	close(g.release)
	f.audit()
}

// TestLIFO: the newest goes first once the oldest has waited for half of its time, not before.
func TestLIFO(t *testing.T) {
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{Policy: LIFO, QueueTimeout: time.Hour}, "[/0 /1 /2 /3]"},
		{Options{Policy: LIFO, QueueTimeout: 2 * time.Second}, "[/3 /2 /1 /0]"},
		{Options{Policy: FIFO, QueueTimeout: 2 * time.Second}, "[/0 /1 /2 /3]"},
	} {
		f, g := gated(t, 2, tc.o)
		f.queue("/0", "/1", "/2", "/3")
		f.Update(Options{Policy: tc.o.Policy, QueueTimeout: min(tc.o.QueueTimeout, time.Hour) / 20})
		if tc.o.QueueTimeout < time.Hour {
			f.eventually("half of 100 ms", func() bool { return f.Snapshot().OldestAge > 60*ms })
		}
		if got := fmt.Sprint(g.order(4)); got != tc.want {
			t.Errorf("%+v: order %s; want %s", tc.o, got, tc.want)
		}
		close(g.release)
		f.audit()
	}
}

// TestDisplace: in a full queue a request takes the place of the newest of a lower class.
func TestDisplace(t *testing.T) {
	f, g := gated(t, 1, Options{QueueLength: 3})
	c := f.queue("/low/1", "/2", "/low/3")
	f.dial().get("/low/4").wantReason("no lower one", 503, pipeline.QueueFull)
	high := f.dial().get("/high/5")
	c[2].wantReason("displaced", 503, pipeline.QueueFull)
	f.eventually("it waits", func() bool { return f.Snapshot().Waiting == 3 })
	f.dial().get("/high/6")
	c[0].wantReason("displaced, too", 503, pipeline.QueueFull)
	f.dial().get("/7").wantReason("only higher ones and equals", 503, pipeline.QueueFull)
	if got, want := fmt.Sprint(g.order(3)), "[/high/5 /high/6 /2]"; got != want {
		t.Errorf("order %s; want %s", got, want)
	}
	close(g.release)
	high.want("served", 200, "/high/5")
	f.audit()
}

func TestRetrySeconds(t *testing.T) {
	for _, tc := range []struct {
		waiting int64
		rate    float64
		elapsed time.Duration
		want    int
	}{
		{100, 1000, time.Second, 1}, {100, 10, time.Second, 10}, {101, 10, time.Second, 11},
		{1000, 1, time.Second, 60}, {1, 0, 0, 1}, {1, 0, drainWindow - 1, 1}, {1, 0, drainWindow, 60},
		{0, 5, time.Second, 1}, {1, 1e-300, time.Second, 60}, {1, 1e300, time.Second, 1},
	} {
		if got := retrySeconds(tc.waiting, tc.rate, int64(tc.elapsed)); got != tc.want {
			t.Errorf("retrySeconds(%d, %g, %v) = %d; want %d", tc.waiting, tc.rate, tc.elapsed, got, tc.want)
		}
	}
}

// TestRetryAfter: a 503 of a full queue tells how long the queue takes at the rate at which it
// moves.
func TestRetryAfter(t *testing.T) {
	f, g := gated(t, 1, Options{QueueLength: 20})
	paths := make([]string, 20)
	for i := range paths {
		paths[i] = "/x"
	}
	f.queue(paths...)
	f.drain.from.Store(f.clock() - int64(time.Second)) // as if it had waited for a second
	g.order(4)                                         // 4 in a second
	f.queue(paths[:4]...)
	resp := f.dial().get("/").wantReason("full", 503, pipeline.QueueFull)
	if got := resp.Header.Get("Retry-After"); got != "5" && got != "6" { // it took longer than a second
		t.Errorf("Retry-After: %s; want 5 or 6, for 20 at 4 a second", got)
	}
	close(g.release)
	f.audit()
}
