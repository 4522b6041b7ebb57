//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// farServer is a server that nobody supervises: it says who it is, and is ill while told so.
type farServer struct {
	*httptest.Server
	ill    atomic.Bool
	checks atomic.Int64
	seen   atomic.Pointer[http.Request]
}

func startFar(t *testing.T, name string) *farServer {
	t.Helper()
	s := &farServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		default:
			s.seen.Store(r)
			fmt.Fprintln(w, name)
		case "/slow":
			<-r.Context().Done()
		case "/up":
			s.checks.Add(1)
			if s.ill.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestUpstreams: servers without supervision, by checks, verbs and reloads.
func TestUpstreams(t *testing.T) {
	t.Parallel()
	a, b := startFar(t, "a"), startFar(t, "b")
	const check = "check: {http: /up, every: 100ms, fall: 1}, balance: round-robin"
	file := func(urls ...string) edit {
		return edit{app: "/far: {pool: far}",
			pools: "far: {upstreams: [\"" + strings.Join(urls, "\", \"") + "\"], " + check + "}"}
	}
	bed := startBed(t, file(a.URL, b.URL))
	far := func() *admin.Pool { return poolOf(bed.status(), "far") }
	ready := func(n int) {
		t.Helper()
		bed.until(fmt.Sprintf("%d upstreams ready", n), func(s *admin.Status) bool { return poolOf(s, "far").Ready == n })
	}
	answers := func() string {
		seen := map[string]bool{}
		for range 8 {
			seen[bed.get("/far/x").body] = true
		}
		return fmt.Sprint(seen["a\n"], seen["b\n"], len(seen))
	}
	ready(2)
	if got := answers(); got != "true true 2" {
		t.Errorf("answers of a, b: %s; want both", got)
	}
	if r := a.seen.Load(); r.Host != bed.address() || r.Header.Get("X-Forwarded-Prefix") != "/far" ||
		r.Header.Get("X-Forwarded-For") == "" || r.URL.Path != "/far/x" {
		t.Errorf("a saw %s %s %v; want the client's Host and path, and who it is from", r.Host, r.URL, r.Header)
	}
	a.ill.Store(true)
	ready(1)
	if got := answers(); got != "false true 1" {
		t.Errorf("a is ill; answers of a, b: %s", got)
	}
	b.ill.Store(true)
	ready(0)
	if got := bed.get("/far/x").verdict(); got != "503 AppOffline" {
		t.Errorf("all are ill: %s; want 503 AppOffline", got)
	}
	a.ill.Store(false)
	b.ill.Store(false)
	ready(2)
	name := far().Workers[0].Name
	if code, _, stderr := bed.weir("drain", name); code != 0 || far().Workers[0].State != "drained" {
		t.Errorf("drain %s: %d, %s; %+v", name, code, stderr, far().Workers)
	}
	if got := answers(); got == "true true 2" {
		t.Error("one is drained, and both answer")
	}
	if code, _, stderr := bed.weir("start", name); code != 0 {
		t.Errorf("start %s: %d, %s", name, code, stderr)
	}
	ready(2)
	if code, _, stderr := bed.weir("recycle", "far"); code != 1 || !strings.Contains(stderr, "not ours") {
		t.Errorf("recycle: %d, %s; want a refusal", code, stderr)
	}
	if code, _, _ := bed.weir("disable", "far"); code != 0 || bed.get("/far").verdict() != "503 Disabled" {
		t.Errorf("disable: %d, then %s; want 503 Disabled", code, bed.get("/far").verdict())
	}
	if code, _, _ := bed.weir("start", "far"); code != 0 {
		t.Errorf("start: %d", code)
	}
	ready(2)
	left := far().Workers[1].Name
	bed.apply(t, file(b.URL))
	ready(1)
	if got := answers(); got != "false true 1" || far().Workers[0].Name != left {
		t.Errorf("without a: %s, %+v; want b as it was", got, far().Workers)
	}
	if _, out, _ := bed.weir("status"); !strings.Contains(out, "1/1 upstreams ready") {
		t.Errorf("weir status says %s", out)
	}
	if err := unix.Kill(bed.status().Fronts[0].PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	bed.until("another front", func(s *admin.Status) bool { return s.Fronts[0].State == "up" && s.Fronts[0].Restarts > 0 })
	if got := answers(); got != "false true 1" {
		t.Errorf("of another front: %s", got)
	}
	bed.apply(t, edit{app: "/far: {pool: far}", pools: "far: {command: [testworker]}"})
	if got := bed.get("/far").body; got != "testworker\n" {
		t.Errorf("a pool of workers in its place answers %q", got)
	}
	bed.apply(t, file(a.URL))
	ready(1)
	if got := answers(); got != "true false 1" {
		t.Errorf("and back: %s", got)
	}
}

// farRows show the keys of pools without workers, each on an instance of its own.
var farRows = map[string]func(*testing.T){
	"pools.*.upstreams": farRow("", func(t *testing.T, b *bed, _ *farServer) {
		if got := b.get("/far").body; got != "far\n" {
			t.Errorf("answer %q; want the upstream's", got)
		}
	}),
	"pools.*.check.http":    farRow("check: {http: /up, every: 100ms}", isOffline),
	"pools.*.check.timeout": farRow("check: {http: /slow, timeout: 100ms, every: 100ms}", isOffline),
	"pools.*.check.fall":    farRow("check: {http: /up, fall: 1}", isOffline), // else after 20 s
	"pools.*.check.status": farRow("check: {http: /up, status: 503}", func(t *testing.T, b *bed, _ *farServer) {
		if got := b.get("/far").verdict(); got != "200" {
			t.Errorf("503 is what is wanted: %s; want 200", got)
		}
	}),
	"pools.*.check.every": farRow("check: {http: /up, every: 100ms, fall: 100}", func(t *testing.T, b *bed, f *farServer) {
		b.until("many checks", func(*admin.Status) bool { return f.checks.Load() > 3 })
	}),
	"pools.*.check.rise": farRow("check: {http: /up, status: 503, every: 100ms, rise: 3}",
		func(t *testing.T, b *bed, f *farServer) {
			b.until("ready", func(s *admin.Status) bool { return poolOf(s, "far").Ready == 1 })
			if n := f.checks.Load(); n < 3 {
				t.Errorf("ready after %d checks; want 3", n)
			}
		}),
	"pools.*.resolve":        resolves,
	"pools.*.proxy_protocol": introduces,
}

// farRow is a row for keys of a pool whose one upstream is ill.
func farRow(keys string, probe func(*testing.T, *bed, *farServer)) func(*testing.T) {
	return func(t *testing.T) {
		f := startFar(t, "far")
		f.ill.Store(true)
		probe(t, startBed(t, farEdit(f.URL, keys)), f)
	}
}

func farEdit(url, keys string) edit {
	if keys != "" {
		keys = ", " + keys
	}
	return edit{app: "/far: {pool: far}", pools: "far: {upstreams: [\"" + url + "\"]" + keys + "}"}
}

func isOffline(t *testing.T, b *bed, _ *farServer) {
	b.until("the upstream down", func(s *admin.Status) bool { return poolOf(s, "far").State == "failed" })
	if got := b.get("/far").verdict(); got != "503 AppOffline" {
		t.Errorf("its upstream is ill: %s; want 503 AppOffline", got)
	}
}

// resolves: a name is asked for again; no resolver is, for one that begins with "-".
func resolves(t *testing.T) {
	e := farEdit("http://-unknown.test", "resolve: 1s")
	e.top = "log: {level: debug}"
	begun := time.Now()
	b := startBed(t, e)
	b.until("three look-ups", func(*admin.Status) bool {
		return len(farLookUp.FindAllString(b.stderr.String(), -1)) >= 3
	})
	if took := time.Since(begun); took > 4900*time.Millisecond { // the third would come after 10 s
		t.Errorf("looked up three times in %v; want once a second", took)
	}
}

var farLookUp = regexp.MustCompile(`upstream: look-up.*host=-unknown.test`)

// introduces: the first line of a connection is the PROXY header.
func introduces(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // the test is over
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			line, _ := r.ReadString('\n') // what is wrong shows in the answer
			if _, err := http.ReadRequest(r); err == nil {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(line), line)
			}
			_ = c.Close() // the answer was taken, or shows
		}
	}()
	b := startBed(t, farEdit("http://"+ln.Addr().String(), "proxy_protocol: v1"))
	got := b.get("/far").body
	if want := "PROXY TCP4 127.0.0.1 127.0.0.1 "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\r\n") {
		t.Errorf("the connection begins with %q; want %q and ports", got, want)
	}
	_ = ln.Close()
	<-served
}
