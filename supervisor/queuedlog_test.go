package supervisor

import (
	"bytes"
	"fmt"
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

// pending is how many lines were dropped and not told of yet.
func (q *QueuedLog) pending() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
