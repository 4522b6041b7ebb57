package supervisor

import (
	"fmt"
	"io"
	"sync"
)

// QueuedLog passes whole lines on to a writer that may block, such as a pipe that nobody reads. Then
// lines are dropped and counted, and those who log go on: a supervisor must replace workers and end
// when it is told to, and a front's loops must serve, whoever reads the log. It holds
// outputQueueLinesMax lines of outputQueueBytesMax bytes in all.
type QueuedLog struct {
	sink *sink

	mu      sync.Mutex
	dropped int64  // not told of yet
	lost    uint64 // in all
}

// NewQueuedLog is a log on w. Close ends it.
func NewQueuedLog(w io.Writer) *QueuedLog { return &QueuedLog{sink: newSink(w)} }

// Write queues p, which is one line or several. It does not fail and does not block.
func (q *QueuedLog) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tell()
	if q.dropped > 0 || !q.sink.put(p) {
		q.dropped++
		q.lost++
	}
	return len(p), nil
}

// tell queues a line that says how many are missing before it. The caller holds mu.
func (q *QueuedLog) tell() {
	if q.dropped > 0 && q.sink.put(fmt.Appendf(nil, "weir: log: dropped %d lines\n", q.dropped)) {
		q.dropped = 0
	}
}

// Lost is how many writes, a line each as a rule, were dropped in all.
func (q *QueuedLog) Lost() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// Close writes what is queued, and waits at most outputFlushMax for a writer that blocks.
func (q *QueuedLog) Close() {
	q.mu.Lock()
	q.tell()
	q.mu.Unlock()
	q.sink.close()
}
