//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// part is what a front has of a pool's requests; each one includes those before it.
type part int

const (
	partNone    part = iota
	partQueue        // they wait in its queue
	partAnswers      // it sees their answers
)

// modes are the ways in which a pool's workers are reached: the program, its flags before and after
// those of the test, and the part of the front.
var modes = []struct {
	name, program string
	before, after []string
	front         part
	not           []string // of what is accepted
}{
	{"http, any program", "weir", nil, []string{"--", "testworker"}, partAnswers, nil},
	// net/http/fcgi sends head and body apart, so that a kill cuts answers that have begun, and tells no
	// handler that its client has gone.
	{"fastcgi", "weir", []string{"--set", "pools.default.protocol=fastcgi"},
		[]string{"--", "testworker", "-kind", "fastcgi"}, partAnswers, []string{"kill", "disconnect"}},
	{"http", "testapp", []string{"--hosting", "out-of-process", "--dispatch", "http"}, nil, partAnswers, nil},
	{"mux", "testapp", []string{"--hosting", "out-of-process", "--dispatch", "mux"}, nil, partAnswers, nil},
	{"handoff", "testapp", []string{"--hosting", "out-of-process", "--dispatch", "handoff"}, nil, partQueue, nil},
	{"reuseport", "testapp", []string{"--hosting", "out-of-process", "--dispatch", "reuseport"}, nil, partNone, nil},
}

// accepted is what holds for a pool in every mode in which the front has that part. Each case gets an
// instance with two workers, unless it has flags of its own.
var accepted = []struct {
	name  string
	flags []string
	show  func(*testing.T, *instance)
	front part
}{
	{"recycle", nil, acceptRecycle, partNone},
	{"kill", nil, acceptKill, partAnswers},
	{"disable", nil, acceptDisable, partNone},
	{"hang", []string{"--workers", "1", "--set", "pools.default.hang.after=300ms",
		"--set", "pools.default.ping={every: 100ms, timeout: 300ms}"}, acceptHang, partAnswers},
	{"queue full", []string{"--workers", "1", "--concurrency", "1", "--queue-length", "1"},
		acceptQueueFull, partQueue},
	{"disconnect", []string{"--workers", "1"}, acceptDisconnect, partNone},
	{"stream", nil, acceptStream, partNone},
	{"upload", nil, acceptUpload, partNone},
}

// TestModes is the acceptance suite of a pool, once per way to reach its workers.
func TestModes(t *testing.T) {
	for _, m := range modes {
		for _, tc := range accepted {
			if m.front < tc.front || slices.Contains(m.not, tc.name) {
				continue
			}
			t.Run(m.name+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				flags := tc.flags
				if flags == nil {
					flags = []string{"--workers", "2"}
				}
				args := append([]string{"--listen", "127.0.0.1:0"}, m.before...)
				args = append(append(args, flags...), m.after...)
				in := launchProgram(t, m.program, shortDir(t), "", os.Environ(), args...)
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("log of %s %q:\n%s", m.program, args, &in.stderr)
					}
					in.stop()
				})
				in.awaitReady()
				tc.show(t, in)
			})
		}
	}
}

// acceptRecycle: no request fails while workers are replaced.
func acceptRecycle(t *testing.T, in *instance) {
	before := in.settled("default", 2)
	l := startLoad(in.url + "/pid")
	for range rounds(5, 2) {
		if code, _, stderr := in.weir("recycle", "default"); code != 0 {
			t.Fatalf("weir recycle: %d, %s", code, stderr)
		}
		l.passes(in, 10)
	}
	l.finish(t)
	in.replaced("default", 2, before)
}

// acceptKill: who can ask again is asked again, so nobody notices that a worker dies.
func acceptKill(t *testing.T, in *instance) {
	l := startLoad(in.url + "/pid")
	for range rounds(5, 2) {
		victim := any1(in.settled("default", 2))
		l.passes(in, 10)
		if err := unix.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		in.until("the victim replaced", func(s *admin.Status) bool {
			now := pids(s, "default")
			return len(now) == 2 && !now[victim]
		})
	}
	l.finish(t)
}

// acceptHang: the request of a worker that stands still is answered, and the worker replaced.
func acceptHang(t *testing.T, in *instance) {
	victim := stopWorker(t, in, "default")
	// A POST is not asked again, once a byte of it may have been read.
	if a := in.do(http.MethodPost, in.url+"/body", "x"); a.status != 504 {
		t.Errorf("POST to a stopped worker: %d %q; want 504", a.status, a.body)
	}
	in.until("the victim replaced", func(s *admin.Status) bool {
		now := pids(s, "default")
		return len(now) == 1 && !now[victim]
	})
	if a := in.get("/pid"); a.status != 200 {
		t.Errorf("afterwards: %d; want 200", a.status)
	}
}

// acceptQueueFull: one request runs, one waits, the next is refused at once.
func acceptQueueFull(t *testing.T, in *instance) {
	held, _ := hold1(t, in)
	waits := make(chan string, 1)
	go func() {
		a, err := do(client, http.MethodGet, in.url+"/pid", "")
		waits <- fmt.Sprint(a.status, err)
	}()
	in.until("one waits", waiting)
	a := in.get("/pid")
	if a.status != 503 || a.header.Get("X-Weir-Reason") != "QueueFull" || a.header.Get("Retry-After") == "" {
		t.Errorf("one more: %d %v; want 503 QueueFull with Retry-After", a.status, a.header)
	}
	if err := held.Close(); err != nil { // frees the slot
		t.Fatal(err)
	}
	if got := <-waits; got != "200 <nil>" {
		t.Errorf("the one that waited: %s; want 200", got)
	}
}

// acceptDisconnect: a client that leaves ends its request in the worker, too.
func acceptDisconnect(t *testing.T, in *instance) {
	c, first := hold1(t, in)
	if first != "held 1" {
		t.Errorf("hold says %q; want \"held 1\"", first)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	in.until("the handler told and the slot free", func(s *admin.Status) bool {
		return in.get("/holding").body == "0\n" && !inFlight(s)
	})
}

// hold1 opens a request that lasts until its connection is closed, and returns the worker's first line.
func hold1(t *testing.T, in *instance) (net.Conn, string) {
	t.Helper()
	c := in.dial()
	t.Cleanup(func() { _ = c.Close() }) // again, where the test has not come so far
	fmt.Fprintf(c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return c, strings.TrimSpace(line)
}

// acceptStream: bytes of an answer without an end come as the worker sends them.
func acceptStream(t *testing.T, in *instance) {
	c := in.dial()
	defer c.Close() //nolint:errcheck // only read from
	fmt.Fprintf(c, "GET /trickle HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	for got := 0; got < 10; {
		n, err := resp.Body.Read(b)
		if got += n; err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		if n > 10 {
			t.Fatalf("%d bytes at once; want them as they are sent", n)
		}
	}
}

// acceptUpload: a large body arrives whole, announced or chunked.
func acceptUpload(t *testing.T, in *instance) {
	body := strings.Repeat("0123456789abcdef", 8<<20/16)
	if a := in.do(http.MethodPost, in.url+"/body", body); a.body != "8388608 <nil>\n" {
		t.Errorf("8 MiB: %d %q", a.status, a.body)
	}
	r, err := http.NewRequest(http.MethodPost, in.url+"/body", struct{ *strings.Reader }{strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if line != "8388608 <nil>\n" {
		t.Errorf("8 MiB in chunks: %d %q, %v", resp.StatusCode, line, err)
	}
}
