//go:build linux

package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// TestContinueThrough: Expect: 100-continue is the worker's to answer. It says 100 when it wants the
// body, and a client that it refuses never sends one.
func TestContinueThrough(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0", "--", "testworker")
	const head = "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	c := in.talk(t).send(fmt.Sprintf(head, "/body"))
	if says, _ := c.answer("POST"); says != "100 " {
		t.Fatalf("/body: %q; want 100", says)
	}
	if says, _ := c.send("hello").answer("POST"); says != "200 5 <nil>\n" {
		t.Errorf("/body: %q; want the 5 bytes counted", says)
	}
	if says, _ := c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").answer("GET"); says != "200 testworker\n" {
		t.Errorf("next on the connection: %q; want 200 testworker", says)
	}
	c = in.talk(t).send(fmt.Sprintf(head, "/pid")) // answers without the body
	says, h := c.answer("POST")
	if !strings.HasPrefix(says, "200 ") {
		t.Errorf("/pid: %q; want 200 and no 100 before it", says)
	}
	if got, _ := c.answer("POST"); !strings.HasPrefix(got, "closed") && got != "reset" {
		t.Errorf("/pid: %v, then %q; want the connection closed, as nobody knows whether a body comes", h, got)
	}
}

// TestTrailersThrough: trailers of a request reach the worker, those of its answer the client.
func TestTrailersThrough(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0", "--", "testworker")
	c := in.talk(t).send("POST /trailers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: X-Sum\r\nTE: trailers\r\nConnection: TE\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
	says, h := c.answer("POST")
	if says != "200 abc" || fmt.Sprint(h["Trailer X-Sum"]) != "[7]" {
		t.Errorf("answer %q, trailer %v; want abc, 7", says, h["Trailer X-Sum"])
	}
}

// TestKillWorkerUnderPosts: kill -9 of workers under requests that may not be repeated. Those of which
// the dead worker had a byte get 502 and its reason; all others are answered.
func TestKillWorkerUnderPosts(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0")
	workers := in.settled("demo", 2)
	var wg sync.WaitGroup
	var done, lost atomic.Int64
	stop := make(chan struct{})
	for range loadConns {
		wg.Go(func() {
			c := &http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch a, err := do(c, http.MethodPost, in.url+"/worker/echo", "abc"); {
				case err != nil:
					t.Errorf("POST: %v; want an answer", err)
					return
				case a.status == 200 && a.body == "abc":
					done.Add(1)
				case a.verdict() == "502 Abandoned_By_Worker":
					lost.Add(1)
				default:
					t.Errorf("POST: %s %q; want 200, or 502 Abandoned_By_Worker", a.verdict(), a.body)
					return
				}
			}
		})
	}
	kills := int64(rounds(4, 1))
	for range kills {
		want := done.Load() + 20
		in.until("20 more answers", func(*admin.Status) bool { return done.Load() >= want || t.Failed() })
		victim := any1(workers)
		if err := unix.Kill(victim, unix.SIGKILL); err != nil {
			t.Fatalf("kill %d: %v", victim, err)
		}
		in.until("the victim replaced", func(s *admin.Status) bool {
			now := pids(s, "demo")
			return len(now) == 2 && !now[victim]
		})
		workers = in.settled("demo", 2)
	}
	close(stop)
	wg.Wait()
	if n := lost.Load(); n > 2*kills*loadConns {
		t.Errorf("%d requests lost in %d deaths under %d clients", n, kills, loadConns)
	}
	t.Logf("%d answered, %d lost", done.Load(), lost.Load())
}
