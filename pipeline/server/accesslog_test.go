package server

import (
	"testing"
)

// stuck is a writer that blocks until it is let go.
type stuck chan struct{}

func (s stuck) Write(b []byte) (int, error) {
	<-s
	return len(b), nil
}

// TestAccessLogOfAStuckWriterCloses: a pipe that nobody reads keeps neither a reload nor an end.
func TestAccessLogOfAStuckWriterCloses(t *testing.T) {
	out := make(stuck)
	log := NewAccessLog(out, LogCombined)
	log.batches <- []byte("line\n")
	log.Close()
	select {
	case <-log.done:
		t.Fatal("the writer has ended; want one that blocks")
	default:
	}
	close(out)
	<-log.done
}
