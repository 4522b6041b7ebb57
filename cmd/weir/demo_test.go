package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// Every path of the demo, and the field that tells the hosting.
func TestDemo(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0")
	in.settled("demo", 2)
	big := strings.Repeat("0123456789abcdef", 4096)
	for _, tt := range []struct {
		desc, method, path, body string
		status                   int
		server, want             string
	}{
		{"welcome page", "GET", "/", "", 200, "Weir", "Weir is running"},
		{"hello in-loop", "GET", "/hello", "", 200, "Weir", "Hello, World!\n"},
		{"hello in a worker", "GET", "/worker/hello", "", 200, "Weir-Worker", "Hello, World!\n"},
		{"the worker's prefix, encoded", "GET", "/%77orker/hello", "", 200, "Weir-Worker", "Hello, World!\n"},
		{"echo in-loop", "POST", "/echo", "abc", 200, "Weir", "abc"},
		{"echo in a worker", "POST", "/worker/echo", "abc", 200, "Weir-Worker", "abc"},
		{"64 KiB in-loop", "PUT", "/echo", big, 200, "Weir", big},
		{"64 KiB in a worker", "PUT", "/worker/echo", big, 200, "Weir-Worker", big},
		{"more than echo keeps", "POST", "/echo", strings.Repeat("x", 1<<20+1), 413, "Weir", "413"},
		{"sleep", "GET", "/worker/sleep?ms=1", "", 200, "Weir-Worker", "slept 1 ms\n"},
		{"sleep without ms", "GET", "/worker/sleep", "", 400, "Weir-Worker", "want ?ms=N"},
		{"sleep too long", "GET", "/worker/sleep?ms=600001", "", 400, "Weir-Worker", "want ?ms=N"},
		{"unknown path", "GET", "/nope", "", 404, "Weir", "404 Not Found"},
		{"unknown path of a worker", "GET", "/worker/nope", "", 404, "Weir-Worker", "404 Not Found"},
	} {
		got := in.do(tt.method, in.url+tt.path, tt.body)
		if got.status != tt.status || got.header.Get("Server") != tt.server ||
			!strings.Contains(got.body, tt.want) {
			t.Errorf("%s: %s %s = %d, Server %q, %.80q; want %d, %q, %.80q", tt.desc, tt.method, tt.path,
				got.status, got.header.Get("Server"), got.body, tt.status, tt.server, tt.want)
		}
	}
	pid, err := strconv.Atoi(strings.TrimSpace(in.get("/worker/pid").body))
	if err != nil || !pids(in.status(), "demo")[pid] {
		t.Errorf("/worker/pid = %d, %v; want a worker of %+v", pid, err, in.status().Pools)
	}
}

// Events begin at once, one by one, from either side; a client that leaves ends them.
func TestDemoEvents(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0")
	for _, path := range []string{"/events", "/worker/events"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, in.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatalf("GET %s: %v", path, err)
		}
		if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("GET %s: Content-Type %q; want text/event-stream", path, got)
		}
		br := bufio.NewReader(resp.Body)
		line, err := br.ReadString('\n')
		if line != "id: 1\n" {
			t.Errorf("GET %s: first line %q, %v; want id: 1", path, line, err)
		}
		if line, _ = br.ReadString('\n'); !strings.HasPrefix(line, "data: ") {
			t.Errorf("GET %s: second line %q; want data", path, line)
		}
		cancel()
		_ = resp.Body.Close() // cancelled
	}
	in.until("no connection left", func(s *admin.Status) bool {
		return s.Counters["connections_open"] == 0
	})
}

// A crash is answered by 502 with its reason; the worker is replaced and its successor serves.
func TestDemoCrash(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0", "--set", "pools.demo.workers=1")
	old := in.settled("demo", 1)
	got := in.do("POST", in.url+"/worker/crash", "x") // POST: is not replayed
	if reason := got.header.Get("X-Weir-Reason"); got.status != 502 || reason != "Abandoned_By_Worker" {
		t.Errorf("POST /worker/crash = %d, reason %q; want 502 Abandoned_By_Worker", got.status, reason)
	}
	next := in.get("/worker/pid") // waits in the queue until the successor is ready
	pid, _ := strconv.Atoi(strings.TrimSpace(next.body))
	if next.status != 200 || old[pid] {
		t.Errorf("GET /worker/pid = %d %q; want a worker other than %v", next.status, next.body, old)
	}
	s := in.status()
	if exits := s.Pools[0].Exits; len(exits) != 1 || exits[0].How != "exit status 3" {
		t.Errorf("exits %+v; want one with exit status 3", exits)
	}
}

// A request in flight is finished when the instance drains; a second signal does not wait for it.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		// A drain that is waited out would take longer than the test has patience.
		in := start(t, "--listen", "127.0.0.1:0", "--drain-timeout", "10m", "--min-rate", "off")
		in.settled("demo", 2)
		c := in.dial()
		_, err := io.WriteString(c, "POST /worker/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
		if err != nil {
			t.Fatal(err)
		}
		in.until("the request in flight", inFlight)
		in.signal(15)
		if _, ok := in.stderr.await(0, drainBegins); !ok {
			t.Fatalf("second signal %t: no drain begins", again)
		}
		in.awaitRefused()
		if again {
			in.signal(15)
		} else if _, err := io.WriteString(c, "def"); err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(c) // reset, where it is cut
		if got := strings.HasSuffix(string(b), "abcdef"); got == again {
			t.Errorf("second signal %t: answer %q; finished want %t", again, b, !again)
		}
		if !again && !strings.Contains(string(b), "Connection: close") {
			t.Errorf("answer %q; want Connection: close", b)
		}
		if code := in.wait(); code != 0 {
			t.Errorf("second signal %t: exit code %d; want 0", again, code)
		}
		_ = c.Close() // read to its end
	}
}

// awaitRefused waits until nobody listens any more.
func (in *instance) awaitRefused() {
	late := time.After(patience)
	for {
		c, err := net.DialTimeout("tcp", in.address(), time.Second)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return
		case err == nil:
			_ = c.Close() // not wanted
		}
		select {
		case <-late:
			in.t.Fatalf("it still listens:\n%s", &in.stderr)
		default:
		}
	}
}
