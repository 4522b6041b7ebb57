//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"weir/supervisor/admin"
)

// startRows are of the start of workers. Most change the command, too: they are about fresh workers.
var startRows = []keyRow{
	{
		key: "pools.*.ready.probe.http", before: never, after: "not ready", fails: true,
		set: edit{pools: `r: {command: [testworker], ready: {probe: {http: "/answer?code=404"}, ` +
			`timeout: 1s}, rapid_fail: {failures: 1, then: stay-down}}`},
		probe: logs(`r/\d+.*reason="not ready: GET /answer\?code=404: status 404, expected 200"`, "not ready"),
	},
	{
		key: "pools.*.ready.probe.status", before: never, after: "1",
		set: edit{pools: `s: {command: [testworker], ready: {probe: {http: "/answer?code=404", ` +
			`status: 404}}}`},
		probe: workers("s", 1),
	},
	{
		key: "pools.*.warmup", before: never, after: "not ready", fails: true,
		set: edit{pools: `r: {command: [testworker], warmup: [/healthz, "/answer?code=500"], ` +
			`rapid_fail: {failures: 1, then: stay-down}}`},
		probe: logs(`r/\d+.*reason="not ready: warm-up: GET /answer\?code=500: status 500, expected 200"`,
			"not ready"),
	},
	{
		key: "pools.*.warmup[].path", before: never, after: "/first localhost",
		set:   edit{command: "testworker, -say, a", pool: "warmup: [{path: /first}]"},
		probe: body("/seen"),
	},
	{
		key: "pools.*.warmup[].host", before: never, after: "/first example.org",
		set: edit{command: "testworker, -say, b",
			pool: "warmup: [{path: /first, host: example.org}]"},
		probe: body("/seen"),
	},
	{
		key: "pools.*.warmup[].status", before: never, after: "/answer?code=404 localhost",
		set: edit{command: "testworker, -say, c",
			pool: `warmup: [{path: "/answer?code=404", status: 404}]`},
		probe: body("/seen"),
	},
	{
		key: "pools.*.warmup[].timeout", before: never, after: "not ready", fails: true,
		set: edit{pools: `r: {command: [testworker], warmup: [{path: "/sleep?for=600s", ` +
			`timeout: 100ms}], rapid_fail: {failures: 1, then: stay-down}}`},
		probe: logs(`r/\d+.*warm-up: GET /sleep\?for=600s: no answer within 100ms`, "not ready"),
	},
	{
		key: "pools.*.slow_start", base: edit{pool: "workers: 1"}, before: "6",
		set: edit{pool: "workers: 2, slow_start: 1h"}, after: "1 5", probe: spread, // else 3 3
	},
	{
		key: "limits.starts", base: edit{app: "/d: {pool: d}", pools: "d" + stuck}, before: "3",
		set:   edit{top: "limits: {starts: 1}", app: "/d: {pool: e}", pools: "e" + stuck},
		after: "1", probe: func(b *bed) string {
			c := b.dial()
			defer c.Close() //nolint:errcheck // leaves the queue
			if _, err := io.WriteString(c, "GET /d HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				b.instance.t.Fatalf("write: %v", err)
			}
			started := 0
			b.until("a worker that starts", func(s *admin.Status) bool {
				for _, name := range []string{"d", "e"} {
					if p := poolOf(s, name); p != nil {
						started = len(p.Workers)
					}
				}
				return started > 0
			})
			return strconv.Itoa(started)
		},
	},
}

// stuck, after a name, is a pool whose workers never become ready.
const stuck = `: {command: [testworker, -bind, "127.0.0.1:0"], start: on-demand, workers: 3}`

// scaleRows are of the number of workers.
var scaleRows = []keyRow{
	{
		key: "pools.*.workers.min", set: edit{pool: "workers: {min: 2, max: 3}"}, before: "1",
		after: "2", probe: workers("p", 1),
	},
	{
		key: "pools.*.workers.max", set: edit{pool: "workers: {min: 1, max: 2}, concurrency: 1"},
		before: never, after: "2", probe: grows(2),
	},
	{
		key: "limits.workers", base: edit{app: "/hold: {pool: d}", pools: "d" + eager}, before: "2",
		set:   edit{top: "limits: {workers: 3}", app: "/hold: {pool: e}", pools: "e" + eager},
		after: "1, and said", probe: grownOrSaid,
	},
	{
		key: "pools.*.workers.spare", set: edit{pool: "workers: {min: 1, max: 3, spare: 3}"},
		before: never, after: "3", probe: workers("p", 3),
	},
	{
		key: "pools.*.scale.wait", before: never, after: "a request has waited",
		set: edit{pool: "workers: {min: 1, max: 2}, concurrency: 1, " +
			"scale: {wait: 50ms, busy: 100%, cooldown: 100ms}"},
		probe: func(b *bed) string {
			b.settled("p", 1)
			return holding(b, "/hold", func() string {
				at := b.stderr.count()
				a := b.get("/pid") // waits until the second worker is there
				if _, ok := b.stderr.await(at, regexp.MustCompile(`pool scaled.*a request has waited`)); !ok {
					return a.verdict()
				}
				return "a request has waited"
			})
		},
	},
	{
		key: "pools.*.scale.busy", before: never, after: "2",
		set: edit{pool: "workers: {min: 1, max: 2}, concurrency: 2, " +
			"scale: {wait: off, busy: 40%, cooldown: 100ms}"},
		probe: grows(2),
	},
	{
		key: "pools.*.scale.step", base: edit{pool: "workers: {min: 1, max: 3}, concurrency: 1, " +
			"scale: {cooldown: 100ms}"},
		set: edit{pool: "workers: {min: 1, max: 3}, concurrency: 1, " +
			"scale: {cooldown: 100ms, step: 2}"},
		before: "from=1 to=2", after: "from=1 to=3", probe: firstStep,
	},
	{
		key: "pools.*.scale.cooldown", base: edit{pool: "workers: 2"}, before: never,
		set:   edit{pool: "workers: {min: 1, max: 2, spare: 0}, scale: {cooldown: 100ms}"},
		after: "quickly", probe: func(b *bed) string {
			b.settled("p", 1)
			return logs(`pool scaled.*pool=p from=\d to=1 reason="low load for 0s"`, "quickly")(b)
		},
	},
	{
		key: "pools.*.idle.after", before: never, after: "suspended",
		set: edit{pool: "idle: {after: 100ms, action: suspend}"}, probe: whenIdle,
	},
	{
		key:  "pools.*.idle.action",
		base: edit{pool: "start: on-demand, idle: {after: 100ms}"}, before: "gone",
		set:   edit{pool: "start: on-demand, idle: {after: 100ms, action: suspend}"},
		after: "suspended", probe: whenIdle,
	},
}

// grows says how many workers pool p comes to while one holds a request.
func grows(n int) probe {
	return func(b *bed) string {
		return holding(b, "/hold", func() string { return strconv.Itoa(len(b.settled("p", n))) })
	}
}

// eager is a pool that wants another worker as soon as it has a request.
const eager = `: {command: [testworker], workers: {min: 1, max: 2}, concurrency: 1}`

// grownOrSaid is how many workers pool d or e has beside a request, or that the log says why not.
func grownOrSaid(b *bed) (got string) {
	at := b.stderr.count()
	return holding(b, "/hold", func() string {
		b.until("a second worker, or a line", func(s *admin.Status) bool {
			for _, name := range []string{"d", "e"} {
				if p := poolOf(s, name); p != nil && p.Ready == 2 {
					got = "2"
				}
			}
			lines, _ := b.stderr.from(at)
			if strings.Contains(strings.Join(lines, "\n"), "pool not scaled: limits.workers\" pool=e workers=1") {
				got = "1, and said"
			}
			return got != ""
		})
		return got
	})
}

// spread is how many of six requests each worker of pool p holds.
func spread(b *bed) string {
	for range 6 {
		c := b.dial()
		defer c.Close() //nolint:errcheck // ends what is held
		if _, err := io.WriteString(c, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			b.instance.t.Fatalf("write: %v", err)
		}
		if got := soon(c, 50); got != "200" {
			b.instance.t.Fatalf("GET /hold = %s; want it to begin", got)
		}
	}
	var counts []string
	for _, p := range reports(b.status())[0].Pools {
		for _, w := range p.Workers {
			if p.Name == "p" && w.InFlight > 0 {
				counts = append(counts, strconv.Itoa(w.InFlight))
			}
		}
	}
	slices.Sort(counts)
	return strings.Join(counts, " ")
}

// firstStep is by how much pool p grows from one worker.
func firstStep(b *bed) string {
	b.settled("p", 1)
	at := b.stderr.count()
	return holding(b, "/hold", func() string {
		line, _ := b.stderr.await(at, regexp.MustCompile(`pool scaled.*from=1`))
		return regexp.MustCompile(`from=\d to=\d`).FindString(line)
	})
}

// whenIdle says what becomes of a worker that served a request.
func whenIdle(b *bed) string {
	b.get("/")
	s := b.until("no worker in rotation", func(s *admin.Status) bool {
		p := poolOf(s, "p")
		return len(p.Workers) == 0 || len(p.Workers) == 1 && p.Workers[0].State == "suspended"
	})
	if p := poolOf(s, "p"); len(p.Workers) > 0 {
		return p.Workers[0].State
	}
	return "gone"
}

// pretendMemory starts an instance that sees other memory figures than there are: text in the place
// of a file of /proc.
func pretendMemory(t *testing.T, file, text string, e edit) *bed {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	dir := shortDir(t)
	fake := filepath.Join(dir, "fake")
	if err := os.WriteFile(fake, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("no unshare here")
	}
	in := launchProgram(t, unshare, filepath.Join(dir, "rt"), dir, os.Environ(), "--mount", "sh", "-c",
		`mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", fake, file,
		filepath.Join(bin, "weir"), "--config", fileOf(t, dir, e.file(dir)))
	t.Cleanup(in.stop)
	in.awaitReady()
	return &bed{instance: in, t: t, conf: dir}
}

// memoryEffect: no worker is added that does not fit; with the guard off it is.
func memoryEffect(t *testing.T) {
	const scarce = "MemTotal: 1000000 kB\nMemAvailable: 500 kB\n"
	pool := "workers: {min: 1, max: 2}, concurrency: 1"
	b := pretendMemory(t, "/proc/meminfo", scarce, edit{pool: pool})
	holding(b, "/hold", func() string {
		if _, ok := b.stderr.await(0, regexp.MustCompile(`pool not scaled: memory .*pool=p`)); !ok {
			t.Errorf("not refused, with memory: on")
		}
		b.apply(t, edit{pool: pool + ", scale: {memory: off}"})
		b.settled("p", 2)
		return ""
	})
}

// pressureEffect: a worker is idle earlier while memory is scarce.
func pressureEffect(t *testing.T) {
	const scarce = "some avg10=75.00 avg60=0.00 avg300=0.00 total=0\n" +
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
	b := pretendMemory(t, "/proc/pressure/memory", scarce,
		edit{pool: "idle: {after: 1m, action: suspend, pressure: on}"})
	if got := whenIdle(b); got != "suspended" { // in two seconds; patience is shorter than a minute
		t.Errorf("under pressure: %s; want suspended", got)
	}
}
