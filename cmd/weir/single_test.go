//go:build linux

package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"weir/supervisor/admin"
)

// TestSingleThreadedWorker: a program that serves one keep-alive connection after the other, behind
// four loops and 64 clients. It never has two requests, on one connection or on two; every client
// gets its own answers, and none waits for ever.
func TestSingleThreadedWorker(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0", "--loops", "4", "--concurrency", "1",
		"--", "testworker", "-kind", "one")
	const clients = 64
	requests := rounds(40, 10)
	var wg sync.WaitGroup
	for i := range clients {
		c := in.talk(t)
		wg.Go(func() {
			for k := range requests {
				path, body := fmt.Sprintf("/%d/%d", i, k), strings.Repeat("x", k)
				_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
					path, len(body), body)
				if err != nil {
					t.Errorf("client %d: write: %v", i, err)
					return
				}
				if got, _ := c.answer("POST"); got != "200 "+path+" "+body {
					t.Errorf("client %d: got %q; want 200 %s %s", i, got, path, body)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	most := 0
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
			s := in.status()
			most = max(most, inFlightCount(s), connectionCount(s))
		}
	}
	if most > 1 {
		t.Errorf("%d requests or connections of the worker at once; want at most 1", most)
	}
	in.until("nothing left behind", func(s *admin.Status) bool { return !inFlight(s) && !waiting(s) })
}

// connectionCount is the connections to workers that are open or being opened.
func connectionCount(s *admin.Status) (n int) {
	for _, r := range reports(s) {
		for _, p := range r.Pools {
			for _, w := range p.Workers {
				n += w.Connections
			}
		}
	}
	return n
}
