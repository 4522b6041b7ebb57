package supervisor

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// gate is a writer that blocks until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.Write(p)
}

func TestQueuedLogNeverBlocks(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	q := NewQueuedLog(g)
	const lines = 3 * outputQueueLinesMax
	for i := range lines {
		fmt.Fprintf(q, "line %d\n", i)
	}
	if lost := q.Lost(); lost == 0 || lost != uint64(q.pending()) {
		t.Errorf("%d lines lost, %d to be told of; want the same, and some", lost, q.pending())
	}
	close(g.open)
	for q.pending() > 0 { // one more line tells of those that were lost, when there is room
		fmt.Fprintln(q, "more")
	}
	q.Close()
	got := g.got.String()
	if !strings.HasPrefix(got, "line 0\nline 1\n") || !strings.Contains(got, "\nweir: log: dropped ") {
		t.Errorf("log %.60q ...; want the first lines and how many were dropped", got)
	}
	if n := strings.Count(got, "line "); n < outputQueueLinesMax || n > 2*outputQueueLinesMax {
		t.Errorf("%d of %d lines; want a queue of them", n, lines)
	}
}

// TestQueuedLogTellsAtItsEnd: also when no line follows.
func TestQueuedLogTellsAtItsEnd(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	q := NewQueuedLog(g)
	for q.pending() == 0 {
		fmt.Fprintln(q, "line")
	}
	lost := q.pending()
	close(g.open)
	for q.queued() > 0 {
		runtime.Gosched()
	}
	q.Close()
	want := fmt.Sprintf("weir: log: dropped %d lines\n", lost)
	if got := g.got.String(); !strings.HasSuffix(got, want) {
		t.Errorf("log ends %q; want %q", got[max(0, len(got)-60):], want)
	}
}

// queued is how many lines wait for the writer.
func (q *QueuedLog) queued() int {
	q.sink.mu.Lock()
	defer q.sink.mu.Unlock()
	return q.sink.n
}

// pending is how many lines were dropped and not told of yet.
func (q *QueuedLog) pending() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
