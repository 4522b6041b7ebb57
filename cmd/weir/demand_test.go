//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// pooled starts an instance whose pool p has these entries.
func pooled(t *testing.T, pool string) *bed { return startBed(t, edit{pool: pool}) }

// workerLines are the lines of the log about workers of pool p that re matches.
func workerLines(b *bed, re string) (out []string) {
	all, _ := b.stderr.from(0)
	for _, line := range all {
		if strings.Contains(line, "worker=p/") && regexp.MustCompile(re).MatchString(line) {
			out = append(out, line)
		}
	}
	return out
}

// crowd sends n requests at once and returns what answers, by answer.
type crowd struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	got map[string]int
}

func startCrowd(url string, n int) *crowd {
	c := &crowd{got: map[string]int{}}
	for range n {
		c.wg.Go(func() {
			a, err := do(client, http.MethodGet, url, "")
			c.mu.Lock()
			defer c.mu.Unlock()
			c.got[fmt.Sprintf("%d %s %v", a.status, strings.TrimSpace(a.body), err)]++
		})
	}
	return c
}

func (c *crowd) wait() map[string]int {
	c.wg.Wait()
	return c.got
}

func waitingCount(s *admin.Status) (n int) {
	for _, r := range reports(s) {
		for _, p := range r.Pools {
			n += p.Waiting
		}
	}
	return n
}

// TestOnDemandThousand: 1000 requests at once start exactly one worker and are all answered by it. The
// worker is not ready, by its HTTP probe, before all of them wait.
func TestOnDemandThousand(t *testing.T) {
	t.Parallel()
	b := pooled(t, `start: on-demand, ready: {probe: {http: /healthz}}, env: {set: {ILL: DIR/ill}}`)
	if err := os.WriteFile(b.path("ill"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if p := poolOf(b.status(), "p"); len(p.Workers) != 0 || p.State != "running" {
		t.Fatalf("before any request: %+v; want no worker", p)
	}
	const n = 1000
	c := startCrowd(b.url+"/pid", n)
	b.until("all of them wait", func(s *admin.Status) bool { return waitingCount(s) == n })
	if got := workerLines(b, "to=ready"); len(got) != 0 {
		t.Errorf("ready while /healthz answers 503: %q", got)
	}
	if err := os.Remove(b.path("ill")); err != nil {
		t.Fatal(err)
	}
	got := c.wait()
	pid := poolOf(b.status(), "p").Workers[0].PID
	want := fmt.Sprintf("200 %d <nil>", pid)
	if len(got) != 1 || got[want] != n {
		t.Errorf("answers %v; want %d times %q", got, n, want)
	}
	if got := workerLines(b, "reason=spawned"); len(got) != 1 {
		t.Errorf("spawned: %q; want one worker", got)
	}
}

// TestWarmupGate: a worker that is ready takes nothing before its warm-up request is answered.
func TestWarmupGate(t *testing.T) {
	t.Parallel()
	b := pooled(t, `start: on-demand, env: {set: {GATE: DIR/gate}}, `+
		`warmup: [{path: /gate, host: example.org}, /answer?code=200]`)
	if err := syscall.Mkfifo(b.path("gate"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCrowd(b.url+"/seen", 1)
	var gate *os.File
	b.until("the warm-up request", func(*admin.Status) bool {
		var err error // ENXIO while nobody reads
		gate, err = os.OpenFile(b.path("gate"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err == nil
	})
	b.until("a request that waits", func(s *admin.Status) bool { return waitingCount(s) == 1 })
	if p := poolOf(b.status(), "p"); p.Ready != 0 || p.Workers[0].State != "starting" {
		t.Errorf("during the warm-up: %+v; want a worker that is starting", p)
	}
	if err := gate.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"200 /gate example.org, /answer?code=200 localhost <nil>": 1}
	if got := c.wait(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the worker saw before: %v; want %v", got, want)
	}
}

// procState is the state letter of a process.
func procState(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err.Error()
	}
	m := regexp.MustCompile(`\) (\w) `).FindSubmatch(b)
	if m == nil {
		return "unknown"
	}
	return string(m[1])
}

// TestSuspendAndWake: an idle worker is stopped, a request wakes the same process, and a worker that
// sleeps stops in order.
func TestSuspendAndWake(t *testing.T) {
	t.Parallel()
	b := pooled(t, "idle: {after: 100ms, action: suspend}")
	asleep := func(s *admin.Status) bool {
		p := poolOf(s, "p")
		return len(p.Workers) == 1 && p.Workers[0].State == "suspended"
	}
	for range 3 {
		pid := poolOf(b.until("a suspended worker", asleep), "p").Workers[0].PID
		b.until("state T in /proc", func(*admin.Status) bool { // a moment after the signal
			return procState(pid) == "T"
		})
		began := time.Now()
		a := b.get("/pid")
		if got := strings.TrimSpace(a.body); a.status != 200 || got != strconv.Itoa(pid) {
			t.Fatalf("GET /pid = %d %q; want %d from the worker that slept", a.status, got, pid)
		}
		t.Logf("woken and answered in %v", time.Since(began))
	}
	holding(b, "/hold", func() string {
		if _, ok := b.stderr.await(0, regexp.MustCompile(`from=suspended to=ready reason="a request waits"`)); !ok {
			t.Error("no line says why it was woken")
		}
		if got := procState(poolOf(b.status(), "p").Workers[0].PID); got == "T" {
			t.Error("stopped while it holds a request")
		}
		return ""
	})
	b.until("a suspended worker", asleep)
	b.signal(syscall.SIGTERM)
	if code := b.wait(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
}

// TestSuspendMux: the same for workers that are spoken to in frames. One that sleeps is woken by many
// requests at once, and a recycle replaces it.
func TestSuspendMux(t *testing.T) {
	t.Parallel()
	in := start(t, "--config", fileOf(t, shortDir(t), `
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {handler: demo-worker, pool: p}}}}
pools: {p: {workers: 1, idle: {after: 100ms, action: suspend}}}
`))
	asleep := func() int {
		s := in.until("a suspended worker", func(s *admin.Status) bool {
			p := poolOf(s, "p")
			return len(p.Workers) == 1 && p.Workers[0].State == "suspended"
		})
		return poolOf(s, "p").Workers[0].PID
	}
	pid := asleep()
	for range 3 {
		if again := asleep(); again != pid {
			t.Fatalf("worker %d; want %d, which slept", again, pid)
		}
		in.until("state T in /proc", func(*admin.Status) bool { return procState(pid) == "T" })
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				a, err := do(client, "GET", in.url+"/pid", "")
				if got := strings.TrimSpace(a.body); err != nil || a.status != 200 || got != strconv.Itoa(pid) {
					t.Errorf("GET /pid = %d %q, %v; want %d from the worker that slept", a.status, got, err, pid)
				}
			})
		}
		wg.Wait()
	}
	asleep()
	if code, _, stderr := in.weir("recycle", "p"); code != 0 {
		t.Fatalf("weir recycle: %d, %s", code, stderr)
	}
	if a := in.get("/pid"); a.status != 200 || strings.TrimSpace(a.body) == strconv.Itoa(pid) {
		t.Errorf("after a recycle GET /pid = %d %q; want a fresh worker's", a.status, a.body)
	}
}

// TestIdleTerminate: an idle worker of a pool on demand ends; the next request gets a fresh one.
func TestIdleTerminate(t *testing.T) {
	t.Parallel()
	b := pooled(t, "start: on-demand, idle: {after: 100ms}")
	first := body("/pid")(b)
	b.until("no worker", func(s *admin.Status) bool { return len(poolOf(s, "p").Workers) == 0 })
	if got := workerLines(b, `from=ready to=draining reason="idle for [0-9.]+m?s"`); len(got) != 1 {
		t.Errorf("lines about idle workers: %q; want one", got)
	}
	if second := body("/pid")(b); second == first || second == "" {
		t.Errorf("pids %s, then %q; want another", first, second)
	}
}

// TestScaleUnderLoad: workers are added while load asks for them and taken away afterwards, and no
// request fails meanwhile.
func TestScaleUnderLoad(t *testing.T) {
	t.Parallel()
	b := pooled(t, "workers: {min: 1, max: 3}, concurrency: 1, "+
		"scale: {wait: 10ms, cooldown: 300ms}")
	if n := len(b.settled("p", 1)); n != 1 {
		t.Fatalf("%d workers; want 1", n)
	}
	l := startLoad(b.url + "/sleep?for=20ms")
	b.settled("p", 3)
	if p := poolOf(b.status(), "p"); p.Min != 1 || p.Max != 3 || p.WantCount != 3 {
		t.Errorf("status: %d of %d to %d workers; want 3 of 1 to 3", p.WantCount, p.Min, p.Max)
	}
	if _, stdout, _ := b.weir("status"); !strings.Contains(stdout, "3/3 ready (1 to 3)") {
		t.Errorf("weir status:\n%s\nwant 3/3 ready (1 to 3)", stdout)
	}
	l.passes(b.instance, 50)
	l.finish(t)
	b.settled("p", 1)
}

// TestScaleToZero: requests that find no worker wait for one; none fails, however often that happens.
func TestScaleToZero(t *testing.T) {
	t.Parallel()
	b := pooled(t, "workers: {min: 0, max: 2}, scale: {cooldown: 100ms}")
	for range 3 {
		b.until("no worker", func(s *admin.Status) bool { return len(poolOf(s, "p").Workers) == 0 })
		for got, n := range startCrowd(b.url+"/", 50).wait() {
			if got != "200 testworker <nil>" {
				t.Errorf("%d times %s; want 200", n, got)
			}
		}
	}
}

// TestScaleToZeroRace: requests that come at any moment of a worker's leaving are answered.
func TestScaleToZeroRace(t *testing.T) {
	t.Parallel()
	b := pooled(t, "start: on-demand, idle: {after: 1ms}")
	conn := b.dial()
	defer conn.Close() //nolint:errcheck // nothing is left to lose
	// Reports come a few times a second: that is when workers are seen to be idle.
	for len(workerLines(b, `to=draining`)) < 6 {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got := soon(conn, 50); got != "200" {
			t.Fatalf("GET / = %s; want 200", got)
		}
		drop(conn)
	}
}

// drop reads away the rest of one small answer.
func drop(c io.Reader) {
	var b [4096]byte
	_, _ = c.Read(b[:]) // the next request shows an error
}
