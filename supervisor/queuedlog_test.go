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
	shut chan struct{} // closed once a write waits
	once sync.Once     // of shut
	mu   sync.Mutex
	got  bytes.Buffer
}

func newGate() *gate { return &gate{open: make(chan struct{}), shut: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	g.once.Do(func() { close(g.shut) })
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.Write(p)
}

func TestQueuedLogNeverBlocks(t *testing.T) {
	g := newGate()
	q := NewQueuedLog(g)
	const kept, lines = 1 + outputQueueLinesMax, 3 * outputQueueLinesMax
	for i := range lines {
		fmt.Fprintf(q, "line %d\n", i)
		if i == 0 {
			<-g.shut // it is being written, and the queue is empty
		}
	}
	if lost := q.Lost(); lost != lines-kept || lost != uint64(q.pending()) {
		t.Errorf("%d lines lost, %d to be told of; want %d", lost, q.pending(), lines-kept)
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
	if n := strings.Count(got, "line "); n != kept {
		t.Errorf("%d of %d lines; want %d: the one being written and a queue of them", n, lines, kept)
	}
}

// TestQueuedLogTellsAtItsEnd: also when no line follows.
func TestQueuedLogTellsAtItsEnd(t *testing.T) {
	g := newGate()
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
