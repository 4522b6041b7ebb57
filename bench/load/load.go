// Package load drives one server with closed-loop HTTP/1.1 load and reads back what happened.
//
// Two clients do it: wrk with the script in this package, or this project's own client program
// (bench/peers/client) where wrk is not installed. Both are processes of their own, so that they
// can be pinned and their CPU time counted, and both end by printing one result line.
package load

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Spec is one run against one server.
type Spec struct {
	URL      string
	Conns    int           // connections held open
	Pipeline int           // requests per write; 1: no pipelining
	PerConn  int           // the last of so many on a connection asks for Connection: close; 0: none
	Duration time.Duration // whole seconds: wrk knows no others
}

// Result is what a client saw.
type Result struct {
	Requests int64
	Bytes    int64
	Elapsed  time.Duration
	P50, P99 time.Duration // of a request, or of a whole batch when pipelined
	Errors   Errors
}

// Errors are the failures of a run; a measurement with any of them is invalid.
type Errors struct {
	Connect int64 `json:"connect"`
	Read    int64 `json:"read"`
	Write   int64 `json:"write"`
	Timeout int64 `json:"timeout"`
	Status  int64 `json:"status"` // answers outside 2xx and 3xx
}

// Total is the number of failures of every kind.
func (e Errors) Total() int64 { return e.Connect + e.Read + e.Write + e.Timeout + e.Status }

// linePrefix begins the result line, in wrk.lua and in Line.
const linePrefix = "weir-bench-result "

// Line renders r as the result line that ParseLine reads.
func (r Result) Line() string {
	return fmt.Sprintf("%srequests=%d bytes=%d elapsed_us=%d p50_us=%d p99_us=%d "+
		"connect=%d read=%d write=%d timeout=%d status=%d", linePrefix, r.Requests, r.Bytes,
		r.Elapsed.Microseconds(), r.P50.Microseconds(), r.P99.Microseconds(), r.Errors.Connect,
		r.Errors.Read, r.Errors.Write, r.Errors.Timeout, r.Errors.Status)
}

// ParseLine finds the result line in a client's output.
//
// Every field must be there exactly once; an unknown field is an error, so that script and parser
// cannot drift apart.
func ParseLine(output string) (Result, error) {
	var r Result
	into := map[string]func(int64){
		"requests":   func(n int64) { r.Requests = n },
		"bytes":      func(n int64) { r.Bytes = n },
		"elapsed_us": func(n int64) { r.Elapsed = time.Duration(n) * time.Microsecond },
		"p50_us":     func(n int64) { r.P50 = time.Duration(n) * time.Microsecond },
		"p99_us":     func(n int64) { r.P99 = time.Duration(n) * time.Microsecond },
		"connect":    func(n int64) { r.Errors.Connect = n },
		"read":       func(n int64) { r.Errors.Read = n },
		"write":      func(n int64) { r.Errors.Write = n },
		"timeout":    func(n int64) { r.Errors.Timeout = n },
		"status":     func(n int64) { r.Errors.Status = n },
	}
	_, rest, ok := strings.Cut(output, linePrefix)
	if !ok {
		return r, fmt.Errorf("load: no result line in %q", output)
	}
	line, _, _ := strings.Cut(rest, "\n")
	for _, field := range strings.Fields(line) {
		key, value, _ := strings.Cut(field, "=")
		set, ok := into[key]
		if !ok {
			return r, fmt.Errorf("load: unknown or repeated field in result line: %q", field)
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return r, fmt.Errorf("load: result field %s: %w", key, err)
		}
		set(n)
		delete(into, key)
	}
	if len(into) > 0 {
		return r, fmt.Errorf("load: %d fields missing in result line %q", len(into), line)
	}
	return r, nil
}
