//go:build linux

package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// talk is a client connection that is read answer by answer.
type talk struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (in *instance) talk(t *testing.T) *talk {
	c := in.dial()
	t.Cleanup(func() { _ = c.Close() }) // whatever it held
	return &talk{t, c, bufio.NewReader(c)}
}

func (c *talk) send(s string) *talk {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("write %.60q: %v", s, err)
	}
	return c
}

// answer reads one answer to a request with method, informational ones included, and says it in a
// line: status, reason, body; or how the connection ended.
func (c *talk) answer(method string) (says string, header http.Header) {
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return ending(err), nil
	}
	b, err := io.ReadAll(resp.Body)
	says = fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Weir-Reason"), " ", string(b))
	if resp.Header.Get("X-Weir-Reason") != "" { // an answer of our own: its text has a random id
		says = fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Weir-Reason"))
	} else if err == nil {
		says = fmt.Sprint(resp.StatusCode, " ", string(b))
	}
	if err != nil {
		says = ending(err)
	}
	for name, value := range resp.Trailer {
		resp.Header["Trailer "+name] = value
	}
	return says, resp.Header
}

func ending(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "nothing"
	}
	return "closed: " + err.Error()
}

const poolSet = "pools.default."

// startLiar starts an instance whose worker lies.
func startLiar(t *testing.T, flags ...string) *instance {
	flags = append([]string{"--listen", "127.0.0.1:0", "--set", poolSet + "rapid_fail.failures=off"}, flags...)
	return start(t, append(flags, "--", "testworker", "-kind", "liar")...)
}

// TestLyingWorker: whatever a worker sends, its client gets that as far as it is a response to the
// request, or an error, or a reset; the next requests, which could meet the same connection to the
// worker, get their own answers.
func TestLyingWorker(t *testing.T) {
	t.Parallel()
	in := startLiar(t)
	for _, tc := range []struct{ method, path, want string }{
		{"GET", "/two", "200 right"},
		{"GET", "/long", "200 right"},
		{"HEAD", "/head-body", "200 "},
		{"HEAD", "/head-chunks", "200 "},
		{"GET", "/204-body", "204 "},
		{"GET", "/304-body", "304 "},
		{"GET", "/short", "reset"},
		{"POST", "/short-small", "502 Abandoned_By_Worker"},
		{"GET", "/cl-te", "502 WorkerProtocol"},
		{"GET", "/gzip-chunked", "502 WorkerProtocol"},
		{"GET", "/chunk-size", "reset"},
		{"GET", "/chunk-end", "reset"},
		{"GET", "/chunk-lf", "reset"},
		{"GET", "/chunk-huge", "reset"},
		{"GET", "/lf", "502 WorkerProtocol"},
		{"GET", "/fold", "502 WorkerProtocol"},
		{"GET", "/space", "502 WorkerProtocol"},
		{"GET", "/nul", "502 WorkerProtocol"},
		{"GET", "/cr", "502 WorkerProtocol"},
		{"GET", "/101", "502 WorkerProtocol"},
		{"GET", "/099", "502 WorkerProtocol"},
		{"GET", "/http2", "502 WorkerProtocol"},
		{"GET", "/no-http", "502 WorkerProtocol"},
		{"GET", "/103-length", "502 WorkerProtocol"},
		{"GET", "/huge-head", "502 WorkerProtocol"},
		{"GET", "/many-fields", "502 WorkerProtocol"},
		{"GET", "/flood-100", "502 WorkerProtocol"},
		{"GET", "/trailer-length", "reset"},
	} {
		c := in.talk(t)
		c.send(tc.method + " " + tc.path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		got, _ := c.answer(tc.method)
		if got != tc.want {
			t.Errorf("%s %s: %q; want %q", tc.method, tc.path, got, tc.want)
		}
		for i := range 4 { // at once, then while what the worker still sends comes in
			c := in.talk(t)
			path := fmt.Sprintf("/behind%s/%d", tc.path, i)
			c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
			if got, _ := c.answer("GET"); got != "200 "+path+" " {
				t.Fatalf("behind %s %s: %q; want 200 %s", tc.method, tc.path, got, path)
			}
			_ = c.Close() // read to its end
		}
		_ = c.Close() // as the row wants it
	}
	in.until("all slots free", func(s *admin.Status) bool { return !inFlight(s) })
}

// TestLyingPipeline is TestLyingWorker for a client that sends the next request along: it leaves for
// the worker in the turn in which the answer was complete.
func TestLyingPipeline(t *testing.T) {
	t.Parallel()
	in := startLiar(t)
	for _, tc := range []struct{ method, path, want string }{
		{"GET", "/two", "200 right"},
		{"GET", "/long", "200 right"},
		{"HEAD", "/head-body", "200 "},
		{"HEAD", "/head-chunks", "200 "},
		{"GET", "/204-body", "204 "},
		{"GET", "/304-body", "304 "},
		{"GET", "/lf", "502 WorkerProtocol"},
		{"GET", "/101", "502 WorkerProtocol"},
	} {
		c := in.talk(t)
		c.send(tc.method + " " + tc.path + " HTTP/1.1\r\nHost: x\r\n\r\n" +
			"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
		if got, _ := c.answer(tc.method); got != tc.want {
			t.Errorf("%s %s: %q; want %q", tc.method, tc.path, got, tc.want)
		}
		if got, _ := c.answer("GET"); got != "200 /next " {
			t.Errorf("behind %s %s: %q; want 200 /next", tc.method, tc.path, got)
		}
	}
}

// TestWorkerFields: fields of the connection and names that are ours are not passed on.
func TestWorkerFields(t *testing.T) {
	t.Parallel()
	in := startLiar(t)
	c := in.talk(t)
	says, h := c.send("GET /hop HTTP/1.1\r\nHost: x\r\n\r\n").answer("GET")
	if says != "200 right" || h.Get("X-Kept") != "2" {
		t.Errorf("/hop: %q, X-Kept %q; want 200 right, 2", says, h.Get("X-Kept"))
	}
	for _, name := range []string{"Connection", "X-Mine", "Keep-Alive", "Upgrade", "Proxy-Authenticate",
		"X-Weir-Reason"} {
		if v, ok := h[name]; ok {
			t.Errorf("/hop: %s: %q; want none", name, v)
		}
	}
	says, h = c.send("GET /trailers HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n").answer("GET")
	if says != "200 right" || h.Get("Trailer X-Sum") != "7" {
		t.Errorf("/trailers: %q, %v; want 200 right with X-Sum 7", says, h)
	}
	for _, name := range []string{"Set-Cookie", "X-Weir-Reason"} {
		if v, ok := h["Trailer "+name]; ok {
			t.Errorf("/trailers: %s: %q; want none", name, v)
		}
	}
	says, h = c.send("GET /hints HTTP/1.1\r\nHost: x\r\n\r\n").answer("GET")
	if says != "103 " || h.Get("Link") != "</a>" || h.Get("X-Mine") != "" {
		t.Errorf("/hints: %q %v; want 103 with Link, without X-Mine", says, h)
	}
	if says, _ = c.answer("GET"); says != "200 right" {
		t.Errorf("/hints: %q; want 200 right behind 103", says)
	}
}

// TestEarlyAnswers: a worker answers before it has the body. The answer reaches the client; the
// connection to the worker serves nobody else.
func TestEarlyAnswers(t *testing.T) {
	in := startLiar(t, "--set", poolSet+"timeouts.idle=300ms", "--max-body-bytes", "1GiB")
	const size = 8 << 20
	for _, tc := range []struct{ path, want string }{
		{"/early", "200 early"},
		{"/early-more", "200 early"},
		{"/early-close", "413 early"},
	} {
		c := in.talk(t)
		go io.WriteString(c, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
			tc.path, size, strings.Repeat("x", size))) //nolint:errcheck // the answer comes first
		if got, _ := c.answer("POST"); got != tc.want {
			t.Errorf("POST %s: %q; want %q", tc.path, got, tc.want)
		}
		c = in.talk(t)
		c.send("GET /behind HTTP/1.1\r\nHost: x\r\n\r\n")
		if got, _ := c.answer("GET"); got != "200 /behind " {
			t.Errorf("behind POST %s: %q; want 200 /behind", tc.path, got)
		}
	}
	c := in.talk(t)
	go io.WriteString(c, fmt.Sprintf("POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
		size, strings.Repeat("x", size))) //nolint:errcheck // it is not taken
	if got, _ := c.answer("POST"); got != "504 Timer_WorkerIdle" {
		t.Errorf("POST /deaf: %q; want 504 Timer_WorkerIdle", got)
	}
}

// TestPartingWorker: a worker closes, or dies, behind the last byte of its answer while the client
// has taken little of it. All of it arrives, whatever tells its end; also at a client that has closed
// its sending half, as long as it takes something now and then.
func TestPartingWorker(t *testing.T) {
	in := startLiar(t, "--set", "limits.half_close=5s") // a busy machine may be long in beginning
	var wg sync.WaitGroup
	for _, path := range []string{"/until-close", "/length-close", "/chunked-close"} {
		for _, tc := range []struct {
			version string
			half    bool
		}{{"1.1", false}, {"1.0", false}, {"1.1", true}} {
			c := in.talk(t).send("GET " + path + " HTTP/" + tc.version + "\r\nHost: x\r\n\r\n")
			stall := bulkStall
			if tc.half {
				_ = c.Conn.(*net.TCPConn).CloseWrite() // a fresh socket can
				stall = 0
			}
			wg.Go(func() {
				resp, err := http.ReadResponse(c.in, nil)
				if err != nil {
					t.Errorf("%s, %+v: %v", path, tc, err)
					return
				}
				b, err := io.ReadAll(newPacer(resp.Body, stall))
				if err != nil || string(b) != partingBody {
					t.Errorf("%s, %+v: %d bytes, %v; want all %d", path, tc, len(b), err, len(partingBody))
				}
			})
		}
	}
	wg.Wait()
}

// TestInterimFlood: a worker that sends informational answers for ever is given up; a client that
// takes none of them does not make the front keep them.
func TestInterimFlood(t *testing.T) {
	in := startLiar(t)
	pid := in.status().Fronts[0].PID
	before := memory(t, pid, "VmRSS")
	reset := in.talk(t)
	_ = reset.Conn.(*net.TCPConn).SetReadBuffer(64 << 10) // the kernel keeps little
	reset.send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
	in.until("the worker given up", func(s *admin.Status) bool { return !inFlight(s) })
	if grown := memory(t, pid, "VmHWM") - before; grown > 8<<20 {
		t.Errorf("front grew by %d KiB; want at most 8 MiB", grown>>10)
	}
	n := 0
	for says := "103 "; says == "103 "; n++ {
		says, _ = reset.answer("GET")
		if says != "103 " && says != "502 WorkerProtocol" {
			t.Errorf("answer %d: %q; want 103 or 502", n, says)
		}
	}
	if n < 2 {
		t.Errorf("%d answers; want some hints before 502", n)
	}
}

// TestAbandonedWorkers: a client that leaves frees its worker, whatever it waits for.
func TestAbandonedWorkers(t *testing.T) {
	t.Parallel()
	in := startLiar(t)
	for _, tc := range []struct {
		desc, request string
		half          bool
	}{
		{"waits for an answer", "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"within an answer", "GET /begin HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"within a request", "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", false},
		{"within a chunk", "POST /wait HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc", false},
		{"waits for 100", "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", false},
		{"half-closed", "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", true},
		{"half-closed within a request", "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", true},
		{"half-closed within an answer", "GET /begin HTTP/1.1\r\nHost: x\r\n\r\n", true},
	} {
		c := in.talk(t).send(tc.request)
		in.until(tc.desc+": in flight", inFlight)
		if tc.half {
			_ = c.Conn.(*net.TCPConn).CloseWrite() // a fresh socket can
		} else {
			_ = c.Close()
		}
		in.until(tc.desc+": given up", func(s *admin.Status) bool { return !inFlight(s) })
		_ = c.Close()
	}
	in.until("the worker has seen them leave", func(*admin.Status) bool { return in.get("/held").body == "0" })
}

// memory is a size in /proc/PID/status, in bytes.
func memory(t *testing.T, pid int, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no %s of process %d", name, pid)
	return 0
}

var liesSeed = flag.Int64("seed", 0, "seed of TestLiesBesideHonesty; 0: the time")

// TestLiesBesideHonesty: clients whose worker answers honestly share its connections, slots and loops
// with those it lies to, and with some that leave in the middle. Each gets its own answers, whole.
func TestLiesBesideHonesty(t *testing.T) {
	in := startLiar(t, "--loops", "4", "--concurrency", "4")
	var paths []string
	for path := range lies {
		switch path {
		case "/deaf", "/wait", "/begin": // those wait for their client
		case "/until-close", "/length-close", "/chunked-close": // honest, and long
		case "/early-close": // closes a connection that may carry the next request by then: 502 if that
			// has a body too long to be held
		case "/early-more": // to a GET it answers twice, apart: nothing in HTTP/1.1 tells the second
			// answer from one to the request that the connection carries by then
		default:
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	seed := *liesSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
			for k := range rounds(150, 40) {
				c := in.talk(t)
				if i%2 == 0 {
					path, method := paths[r.IntN(len(paths))], "GET"
					if strings.HasPrefix(path, "/head") {
						method = "HEAD"
					}
					c.send(method + " " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
					if r.IntN(3) > 0 {
						if says, _ := c.answer(method); strings.Contains(says, smuggled) {
							t.Errorf("client %d: %q", i, says)
						}
					}
				} else {
					honest(t, c, fmt.Sprintf("/%d/%d", i, k), strings.Repeat("body", r.IntN(20_000)))
				}
				_ = c.Close() // read as far as it is
			}
		})
	}
	wg.Wait()
	in.until("all slots free", func(s *admin.Status) bool { return !inFlight(s) && !waiting(s) })
}

// honest sends two requests on a connection and wants their own answers.
func honest(t *testing.T, c *talk, path, body string) {
	for _, path := range []string{path + "/a", path + "/b"} {
		_, err := fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path,
			len(body), body)
		if err != nil {
			t.Errorf("PUT %s: %v", path, err)
			return
		}
		if says, _ := c.answer("PUT"); says != "200 "+path+" "+body {
			t.Errorf("PUT %s: %.80q, %d bytes; want its own answer, %d bytes", path, says, len(says),
				len("200 "+path+" "+body))
			return
		}
	}
}
