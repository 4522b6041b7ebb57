package server

import (
	"sync/atomic"

	"weir/pipeline"
)

// Counter is the place of a total in a loop's row. One writer per row, plain adds; readers see whole
// values because the rows are aligned.
type Counter int

// Counters beside those of the reasons, which follow CounterReasons in the order of pipeline.Reason.
const (
	CounterConnections Counter = iota // accepted
	CounterOpen                       // open now
	CounterRequests
	CounterCompleted // of those, answered or given up
	Counter1xx
	Counter2xx
	Counter3xx
	Counter4xx
	Counter5xx
	CounterBytesIn  // request bodies
	CounterBytesOut // responses, heads included
	CounterPanics
	CounterLogDropped
	CounterLoopStalls // turns of the loop that lasted too long; written by the watchdog, as the next three
	CounterLoopLag    // ns: sum of what its looks at the loop saw, see lagWindow
	CounterLoopLooks  // how many they were
	CounterLoopLagMax // ns: the most that they saw lately; a gauge
	CounterReasons
)

// CounterCount is the length of a row.
const CounterCount = int(CounterReasons) + pipeline.Reasons

// CounterNames are the names of a row's values.
func CounterNames() []string {
	names := []string{
		"connections", "connections_open", "requests", "requests_completed", "responses_1xx", "responses_2xx",
		"responses_3xx", "responses_4xx", "responses_5xx", "bytes_in", "bytes_out", "panics",
		"log_dropped", "loop_stalls", "loop_lag_ns", "loop_lag_looks", "loop_lag_max_ns",
	}
	for r := range pipeline.Reasons {
		names = append(names, "reason_"+pipeline.Reason(r).String())
	}
	return names
}

// Counters are the sums over all loops, in the order of CounterNames. Loops that have ended are not
// counted. Any goroutine but a loop's.
func (srv *Server) Counters() []uint64 {
	sums := make([]uint64, CounterCount)
	for _, ls := range srv.loops {
		ls.onLoop(func() {
			for i := range sums {
				sums[i] += atomic.LoadUint64(&ls.row[i]) // the watchdog writes one of them
			}
		})
	}
	return sums
}

func (ls *loopServer) count(c Counter, n uint64) { ls.row[c] += n }

func (ls *loopServer) countReason(r pipeline.Reason) { ls.row[int(CounterReasons)+int(r)]++ }

// countOutcome adds a finished exchange.
func (ls *loopServer) countOutcome(x *exchange) {
	ls.row[CounterCompleted]++
	if class := x.status / 100; class >= 1 && class <= 5 {
		ls.row[int(Counter1xx)+class-1]++
	}
	ls.row[CounterBytesIn] += uint64(x.bytesIn)
	ls.row[CounterBytesOut] += uint64(x.bytesOut)
	if r := x.why(); r != pipeline.ReasonNone {
		ls.countReason(r)
	}
}
