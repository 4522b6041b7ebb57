//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// healthFile has a pool of the Go SDK that is pinged over its control socket, a foreign program that is
// asked by HTTP and orphaned, and one that says WATCHDOG=1.
const healthFile = `
sites:
  s:
    bindings: ["127.0.0.1:0"]
    apps:
      /sdk:   {handler: demo-worker, pool: sdk}
      /: {pool: plain}
pools:
  sdk:
    ping: {every: 100ms, timeout: 500ms}
    stop_timeout: 100ms
    rapid_fail: {failures: off}
  plain:
    command: [testworker]
    ping: {every: 100ms, timeout: 500ms, http: /healthz}
    hang: {action: orphan, keep: 2s, hook: [sh, -c, 'echo "$1 $2 $3" >DIR/hooked; echo hook ran', sh,
      "{worker}", "{pid}", "{reason}"]}
    rapid_fail: {failures: off}
  dog:
    command: [testworker, -watchdog]
    ping: {watchdog: on, timeout: 500ms}
    stop_timeout: 100ms
    rapid_fail: {failures: off}
`

// startFile runs weir with a file until the test ends.
func startFile(t *testing.T, text string) (in *instance, dir string) {
	t.Helper()
	dir = shortDir(t)
	return start(t, "--config", fileOf(t, dir, text)), dir
}

// stopWorker stops the one worker of a pool in its tracks, and returns its pid.
func stopWorker(t *testing.T, in *instance, pool string) (pid int) {
	t.Helper()
	for pid = range in.settled(pool, 1) {
	}
	if err := stopProcess(pid); err != nil {
		t.Fatalf("pool %s: %v", pool, err)
	}
	return pid
}

// stopProcess sends SIGSTOP and returns once every thread has stopped: until then the process may
// answer.
func stopProcess(pid int) error {
	if pid <= 1 { // kill(2) means others by these
		return fmt.Errorf("pid %d", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
		running := 0
		for _, path := range glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) {
			b, err := os.ReadFile(path)
			if _, rest, _ := strings.Cut(string(b), ") "); err == nil && !strings.HasPrefix(rest, "T") {
				running++
			}
		}
		if running == 0 {
			return nil
		}
	}
	return fmt.Errorf("pid %d does not stop", pid)
}

// inBackground sends a request; the channel has its outcome.
func inBackground(method, url string) <-chan string {
	c := make(chan string, 1)
	go func() {
		a, err := do(client, method, url, "")
		if err != nil {
			c <- err.Error()
			return
		}
		c <- a.verdict()
	}()
	return c
}

// A stopped worker of the SDK is found by its silence; what must not be sent twice gets 504, the rest is
// answered by its successor.
func TestStoppedSDKWorker(t *testing.T) {
	in, _ := startFile(t, healthFile)
	pid := stopWorker(t, in, "sdk")
	begun := time.Now()
	post := inBackground("POST", in.url+"/sdk/echo?post")
	get := inBackground("GET", in.url+"/sdk/hello?get")
	line, ok := in.stderr.await(0, regexp.MustCompile(`level=ERROR .*worker=sdk/1 `))
	if !ok {
		t.Fatalf("not found:\n%s", &in.stderr)
	}
	for _, part := range []string{"pool=sdk", fmt.Sprint("pid=", pid), "from=ready", "to=stopping",
		"hung: no answer to a ping for 500ms; 2 in flight: ", `POST \"/sdk/echo\" id=`,
		`GET \"/sdk/hello\" id=`, " sent for ", "age=", "rss="} {
		if !strings.Contains(line, part) {
			t.Errorf("log line %s; want %q in it", line, part)
		}
	}
	if got := <-post; got != "504 WorkerHung" {
		t.Errorf("POST = %s; want 504 WorkerHung", got)
	}
	if got := <-get; got != "200" {
		t.Errorf("GET = %s; want 200 from the successor", got)
	}
	t.Logf("found, replaced and answered after %s", time.Since(begun))
	in.replaced("sdk", 1, map[int]bool{pid: true})
}

// A stopped foreign worker is found by its HTTP ping, left alone as an orphan for its hook, and replaced.
func TestStoppedForeignWorkerIsOrphaned(t *testing.T) {
	in, dir := startFile(t, healthFile)
	pid := stopWorker(t, in, "plain")
	post := inBackground("POST", in.url+"/")
	s := in.until("an orphan and its successor", func(s *admin.Status) bool {
		p := poolOf(s, "plain")
		return p.Ready == 1 && len(p.Workers) == 2
	})
	w := poolOf(s, "plain").Workers[0]
	if w.State != "orphaned" || w.PID != pid || !strings.Contains(w.Reason, "no answer to a ping") {
		t.Errorf("the old worker: %+v; want it orphaned for silence", w)
	}
	if got := <-post; got != "504 WorkerHung" {
		t.Errorf("POST = %s; want 504 WorkerHung", got)
	}
	if got := in.get("/").status; got != 200 {
		t.Errorf("GET = %d; want 200 from the successor", got)
	}
	if _, ok := in.stderr.await(0, regexp.MustCompile(`msg=hook .*output="hook ran"`)); !ok {
		t.Fatalf("no hook:\n%s", &in.stderr)
	}
	b, err := os.ReadFile(filepath.Join(dir, "hooked"))
	if want := fmt.Sprintf("plain/1 %d hung: no answer", pid); err != nil ||
		!strings.HasPrefix(string(b), want) {
		t.Errorf("the hook wrote %q, %v; want %q", b, err, want)
	}
	in.settled("plain", 1) // hang.keep is over
	if _, ok := in.stderr.await(0, regexp.MustCompile(`worker=plain/1 .* from=orphaned to=stopping `+
		`reason=hang.keep`)); !ok {
		t.Errorf("the orphan's end is not logged:\n%s", &in.stderr)
	}
}

// A worker that is ill by its own account is replaced; its requests go on meanwhile.
func TestIllWorkerIsReplaced(t *testing.T) {
	in, _ := startFile(t, healthFile)
	in.settled("plain", 1)
	in.get("/sick")
	line, ok := in.stderr.await(0, regexp.MustCompile(`level=ERROR .*worker=plain/1 `))
	if !ok || !strings.Contains(line, `no good answer to pings for 500ms: GET /healthz: status 500`) {
		t.Errorf("log line %s; want the answer in it", line)
	}
}

// Real traffic is life: workers that complete requests are not asked, although they would be called ill.
func TestBusyWorkerIsNotAsked(t *testing.T) {
	in, _ := startFile(t, healthFile)
	before := in.settled("plain", 1)
	l := startLoad(in.url + "/pid")
	in.get("/sick")
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		l.passes(in, 10)
	}
	if now := in.settled("plain", 1); !sameKeys(before, now) {
		t.Errorf("workers %v became %v under load", before, now)
	}
	l.finish(t)
}

func sameKeys(a, b map[int]bool) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestWatchdog(t *testing.T) {
	in, _ := startFile(t, healthFile)
	before := in.settled("dog", 1)
	for pid := range before {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || !strings.Contains(string(b), "\x00WATCHDOG_USEC=500000\x00") {
			t.Errorf("environment %q, %v; want WATCHDOG_USEC=500000", b, err)
		}
	}
	at := in.stderr.count()
	pid := stopWorker(t, in, "plain") // by the time it is found, the dog would be
	if _, ok := in.stderr.await(at, regexp.MustCompile(`worker=plain/1 .*to=orphaned`)); !ok {
		t.Fatalf("worker %d not found:\n%s", pid, &in.stderr)
	}
	if !sameKeys(before, in.settled("dog", 1)) {
		t.Error("a worker that says WATCHDOG=1 was replaced")
	}
	pid = stopWorker(t, in, "dog")
	line, ok := in.stderr.await(at, regexp.MustCompile(`level=ERROR .*worker=dog/1 `))
	if !ok || !strings.Contains(line, "no WATCHDOG=1 for 500ms") {
		t.Errorf("log line %s; want the missing WATCHDOG=1 in it", line)
	}
	in.replaced("dog", 1, map[int]bool{pid: true})
}

// failedFile has two pools that cannot start as long as a file is missing.
const failedFile = `
sites:
  s:
    bindings: ["127.0.0.1:0"]
    apps:
      /f: {pool: f}
      /d: {pool: d}
pools:
  f:
    command: [sh, -c, 'test -e DIR/repaired && exec testworker; echo "no file DIR/repaired" >&2; exit 4']
    rapid_fail: {failures: 2, hook: [echo, "{pool}", "{worker}", "{reason}"]}
  d:
    command: [sh, -c, 'test -e DIR/repaired && exec testworker; exit 4']
    rapid_fail: {failures: 2, then: stay-down, answer: reset}
`

// A failed pool answers at once, says why, calls its hook, and heals by itself once it can; one that
// stays down stays down.
func TestFailedPoolHeals(t *testing.T) {
	in, dir := startFile(t, failedFile)
	in.until("failed pools", func(s *admin.Status) bool {
		return poolOf(s, "f").State == "failed" && poolOf(s, "d").State == "failed"
	})
	a := in.get("/f/")
	if a.verdict() != "503 AppOffline" || a.header.Get("Retry-After") == "" {
		t.Errorf("GET /f/ = %s, Retry-After %q; want 503 AppOffline", a.verdict(),
			a.header.Get("Retry-After"))
	}
	if _, err := do(client, "GET", in.url+"/d/", ""); !errors.Is(err, syscall.ECONNRESET) &&
		!errors.Is(err, io.EOF) {
		t.Errorf("GET /d/: %v; want a reset", err)
	}
	want := "no file " + dir + "/repaired"
	_, text, _ := in.weir("status")
	if !strings.Contains(text, "| "+want) {
		t.Errorf("weir status:\n%s\nwant the line %s", text, want)
	}
	if _, text, _ := in.weir("status", "--json"); !strings.Contains(text, want) {
		t.Errorf("weir status --json:\n%s\nwant the line %s", text, want)
	}
	hook := regexp.MustCompile(`msg=hook pool=f .*output="f f/2 .*exit status 4; last output: no file`)
	if _, ok := in.stderr.await(0, hook); !ok {
		t.Errorf("no hook:\n%s", &in.stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "repaired"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	in.settled("f", 1)
	if got := in.get("/f/").verdict(); got != "200" {
		t.Errorf("GET /f/ = %s after the repair; want 200", got)
	}
	if p := poolOf(in.status(), "d"); p.State != "failed" || len(p.Workers) > 0 || len(p.Exits) != 2 {
		t.Errorf("the pool that stays down: %+v; want it untouched", p)
	}
	if _, ok := in.stderr.await(0, regexp.MustCompile(`msg=pool pool=f from=failed to=running`)); !ok {
		t.Errorf("healing is not logged:\n%s", &in.stderr)
	}
}

// stopped stops the worker of p and says whether it is found soon.
func stopped(why string) probe {
	return func(b *bed) string {
		var pid int
		for pid = range b.settled("p", 1) {
		}
		at, begun := b.stderr.count(), time.Now()
		if err := stopProcess(pid); err != nil {
			return err.Error()
		}
		_, ok := b.stderr.await(at, regexp.MustCompile(` pid=`+strconv.Itoa(pid)+` .*hung: `+why))
		if !ok || time.Since(begun) > 5*time.Second {
			return "not found"
		}
		return "found"
	}
}

// hangs sends a request that hangs, and gives what then is logged.
func hangs(re string) probe {
	return func(b *bed) string {
		at := b.stderr.count()
		_, _ = do(client, "POST", b.url+"/sleep?for=600s", "") // 504, or none
		if _, ok := b.stderr.await(at, regexp.MustCompile(re)); !ok {
			return "nothing"
		}
		return "logged"
	}
}

// A program that speaks HTTP behind dispatch: mux: the log says once why every request fails.
func TestMuxOfAStranger(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0", "--set", "pools.default.dispatch=mux", "--", "testworker")
	for range 3 {
		if got := in.get("/"); got.status != 502 {
			t.Errorf("GET / = %d; want 502", got.status)
		}
	}
	line, ok := in.stderr.await(0, regexp.MustCompile(`level=WARN msg="worker fails" pool=default `+
		`worker=default/1 reason="it does not speak the frames of dispatch: mux`))
	if n := strings.Count(in.stderr.String(), "worker fails"); !ok || n != 1 {
		t.Errorf("%d lines, the first %q; want one that says why", n, line)
	}
}
