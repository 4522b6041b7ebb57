package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyPool sets every key of pools to something else than its default in one of them.
const everyPool = `pools:
  p:
    command: [/bin/sh, -c, "null"]
    dir: app
    env: {inherit: off, keep: [A], set: {B: "", C: "~"}, files: [app.env]}
    dispatch: http
    socket: inherit
    start: on-demand
    workers: {min: 0, max: 5, spare: 2}
    concurrency: 3
    balance: {hash: header X-User}
    retry: {rate: off, share: 30%, max: 4}
    circuit: {failures: off, open: 1500ms}
    queue: {length: 7, timeout: 1m30s, overload: reset, policy: lifo}
    limit: {adaptive: shadow, min: 2, max: 9}
    ready: {probe: {http: /ok, status: 204}, timeout: off}
    warmup: [/a, {path: /b, host: h, status: 404, timeout: 2s}]
    slow_start: 3s
    idle: {after: 4s, action: suspend, pressure: on}
    ping: {every: off, timeout: 5s, http: /p, status: 299}
    hang: {after: 6s, action: orphan, dump: SIGQUIT, hook: [/bin/sh], keep: off}
    recycle: {age: 1h, jitter: 20%, requests: 10, memory: 1GiB, memory_max: 2000000000B,
      memory_source: pss, samples: 4, sample_every: 6s, errors: 50%, at: ["04:00", "Mon 03:30"],
      time_zone: UTC, files: [conf/*], overlap: false, watch: 7s}
    rapid_fail: {failures: 6, window: 8m, then: stay-down, answer: reset, hook: [/bin/sh]}
    timeouts: {connect: 1s, first_byte: off, idle: 2s, total: 3s, tunnel: off}
    sendfile: {root: public, prefix: /p/}
    buffer: request
    stop_timeout: off
    output: {format: json, lines: off}
    scale: {wait: off, busy: 70%, step: 2, cooldown: 9s, memory: off}
  iso: {command: [/bin/sh], ` + isolated + `}
  far:
    upstreams: ["http://10.0.0.5:8080", "http://app"]
    resolve: 5s
    proxy_protocol: v2
    balance: sticky
    check: {http: /ok, status: 204, every: 1s, timeout: 2s, rise: 2, fall: 1}
  dog: {command: [/bin/sh], ping: {watchdog: on}}
  php: {command: [/bin/sh], protocol: fastcgi, fastcgi: {root: public, index: i.php, extensions: [.php5],
    fallback: /f.php5}}
  min: {command: [/bin/sh]}
` + minimal

// What a program says in Go is what a file says: complete, it completes to itself.
func TestCompletePoolIsAsLoaded(t *testing.T) {
	m := newMachine(t)
	t.Setenv("PATH", filepath.Join(m.dir, "bin"))
	l := mustLoad(t, m.file(everyPool))
	t.Chdir(filepath.Join(m.dir, "conf"))
	for _, want := range l.Config.Pools {
		given := want
		if len(want.Upstreams) > 0 {
			given.Dir = "" // it has none to give
		}
		if got, err := CompletePool(given); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("CompletePool(%s) =\n%+v, %v; want\n%+v", want.Name, got, err, want)
		}
	}
	want, _ := l.Config.Pool("min")
	got, err := CompletePool(Pool{Name: "min", Command: []string{"/bin/sh"}})
	if err != nil || !reflect.DeepEqual(got, *want) {
		t.Errorf("CompletePool of a command =\n%+v, %v; want\n%+v", got, err, *want)
	}
	given := Pool{
		Name: "p", Command: []string{"python3"}, Dir: "app", Workers: WorkerCount{Max: 3},
		Balance: Balance{Hash: "client"}, Ready: Ready{Probe: Probe{HTTP: "/"}}, Warmup: []Warmup{{Path: "/"}},
	}
	got, err = CompletePool(given)
	conf := filepath.Join(m.dir, "conf")
	if err != nil || got.Program != filepath.Join(m.dir, "bin/python3") || got.Dir != conf+"/app" ||
		got.Workers != given.Workers || got.Balance != given.Balance || got.Ready.Probe != ProbeHTTP("/", 200) ||
		got.Warmup[0] != (Warmup{"/", "localhost", 200, Duration(30 * time.Second)}) {
		t.Errorf("CompletePool = %+v, %v", got, err)
	}
}

// everyPool leaves no key out: that is what TestCompletePoolIsAsLoaded relies on.
func TestEveryKeyIsCompleted(t *testing.T) {
	m := newMachine(t)
	l := mustLoad(t, m.file(everyPool))
	elsewhere := []string{"pools.*.dispatch", "pools.*.after"} // TestCompletePoolRefuses
	for _, k := range Keys() {
		rest, of := strings.CutPrefix(k.Path, "pools.*.")
		if !of || strings.Contains(rest, "[]") || slices.Contains(elsewhere, k.Path) {
			continue
		}
		if !slices.ContainsFunc([]string{"p.", "iso.", "far.", "dog.", "php."}, func(pool string) bool {
			return l.Origin("pools."+pool+rest).Kind == FromFile
		}) {
			t.Errorf("key %s is not in everyPool", k.Path)
		}
	}
}

// A key whose zero means something else than its default could not be said in Go.
func TestZeroIsDefault(t *testing.T) {
	types := leafTypes()
	for _, k := range Keys() {
		typ := types[k.Path]
		rest, of := strings.CutPrefix(k.Path, "pools.*.")
		if !of || isForm(typ) || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map ||
			typ == reflect.TypeFor[string]() || rest == "umask" || strings.HasPrefix(rest, "workers.") {
			continue // a umask of 0 is the default; workers are a form; "" is no directory, host or prefix
		}
		zero := reflect.New(typ).Elem()
		word, v := text(row(k.Path), zero), reflect.New(typ).Elem()
		if err := parseScalar(row(k.Path), word, v); err == nil && word != k.Default && k.Default != "" {
			t.Errorf("key %s: zero is %q, which may be given; the default is %q", k.Path, word, k.Default)
		}
	}
}

func TestCompletePoolRefuses(t *testing.T) {
	sh := []string{"/bin/sh"}
	for _, tt := range []struct {
		key, want string
		p         Pool
	}{
		{"name", `"a/b" is not a name`, Pool{Name: "a/b", Command: sh}},
		{"", "has nothing to run, expected command or upstreams", Pool{}},
		{"command", "cannot run /no/such", Pool{Command: []string{"/no/such"}}},
		{"command", "is given together with upstreams",
			Pool{Command: sh, Upstreams: []string{"http://a"}}},
		{"upstreams", "did you mean http://a:1", Pool{Upstreams: []string{"a:1"}}},
		{"queue.length", `"-1" is below the minimum of 1`, Pool{Command: sh, Queue: Queue{Length: -1}}},
		{"queue.policy", `"lifi" is not known, expected fifo or lifo, did you mean "lifo"?`,
			Pool{Command: sh, Queue: Queue{Policy: "lifi"}}},
		{"balance", "random", Pool{Command: sh, Balance: Balance{Rule: "random"}}},
		{"balance.hash", `cannot hash by "ip"`, Pool{Command: sh, Balance: Balance{Hash: "ip"}}},
		{"limit.max", "is below limit.min", Pool{Command: sh, Limit: Limit{Min: 5, Max: 4}}},
		{"retry.max", "above the maximum of 10", Pool{Command: sh, Retry: Retry{Max: 11}}},
		{"workers", "min: 2 is above max: 1", Pool{Command: sh, Workers: WorkerCount{Min: 2, Max: 1}}},
		{"sendfile.root", "/no/such", Pool{Command: sh, Sendfile: Sendfile{Root: "/no/such"}}},
		{"env.set", "PORT is set by Weir itself",
			Pool{Command: sh, Env: Env{Set: map[string]string{"PORT": "1"}}}},
		{"resolve", "has no effect without upstreams", Pool{Command: sh, Resolve: Duration(time.Second)}},
		{"hang.after", "concerns workers",
			Pool{Upstreams: []string{"http://a"}, Hang: Hang{After: Off}}},
		{"dispatch", "reuseport: /bin/sh cannot take a site over",
			Pool{Command: sh, Dispatch: DispatchReuseport}},
		{"balance", "sticky sets a cookie",
			Pool{Command: sh, Dispatch: DispatchHandoff, Balance: BalanceSticky}},
		{"after[0]", `no sidecar "car"`, Pool{Command: sh, After: []string{"car"}}},
	} {
		if tt.p.Name == "" {
			tt.p.Name = "p"
		}
		_, err := CompletePool(tt.p)
		var e *Error
		if !errors.As(err, &e) || e.Key != tt.key || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("CompletePool for %q, %s = %v; want both", tt.want, tt.key, err)
		}
	}
}

func TestCompleteRoute(t *testing.T) {
	p, err := CompletePool(Pool{Name: "p", Command: []string{"/bin/sh"}, Buffer: BufferRequest,
		Timeouts: UpstreamTimeouts{Idle: Duration(time.Second)}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := CompleteRoute(&p, App{Priority: PriorityHigh, Timeouts: UpstreamTimeouts{Total: 5}})
	want := p.Timeouts
	want.Total = 5
	if err != nil || a.Pool != "p" || a.Priority != PriorityHigh || a.Timeouts != want ||
		a.Buffer != BufferRequest {
		t.Errorf("CompleteRoute = %+v, %v", a, err)
	}
	if a, err = CompleteRoute(&p, App{}); err != nil || a.Priority != PriorityNormal ||
		a.Timeouts != p.Timeouts {
		t.Errorf("CompleteRoute of nothing = %+v, %v; want the pool's", a, err)
	}
	if _, err = CompleteRoute(&p, App{Priority: "top"}); err == nil ||
		!strings.HasPrefix(err.Error(), "priority: ") {
		t.Errorf("CompleteRoute with an unknown priority = %v", err)
	}
	p.Dispatch = DispatchHandoff
	if _, err = CompleteRoute(&p, App{Timeouts: UpstreamTimeouts{Total: 5}}); err == nil {
		t.Error("CompleteRoute of total for handoff = nil; want an error")
	}
}

func TestCompleteSpool(t *testing.T) {
	s, err := CompleteSpool(Spool{})
	if err != nil || s != Default().Spool {
		t.Errorf("CompleteSpool of nothing = %+v, %v", s, err)
	}
	given := Spool{Dir: os.TempDir(), Memory: 1, Disk: 2}
	if s, err = CompleteSpool(given); err != nil || s != given {
		t.Errorf("CompleteSpool = %+v, %v; want %+v", s, err, given)
	}
	if _, err = CompleteSpool(Spool{Dir: "/no/such"}); err == nil ||
		!strings.HasPrefix(err.Error(), "dir: ") {
		t.Errorf("CompleteSpool of no directory = %v", err)
	}
}
