//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"weir/supervisor/admin"
)

// poolRows are of pools.
var poolRows = []keyRow{
	{
		key: "pools.*.command", set: edit{command: "testworker, -say, changed"}, before: "testworker",
		after: "changed", probe: body("/"),
	},
	{
		key: "pools.*.dir", set: edit{pool: "dir: /usr"}, before: never, after: "/usr",
		probe: body("/pwd"),
	},
	{
		key: "pools.*.env.inherit", set: edit{pool: "env: {inherit: false}"}, before: "inherited true",
		after: "false", probe: body("/env?name=EFFECT"),
	},
	{
		key: "pools.*.env.keep", base: edit{pool: "env: {inherit: false}"},
		set:    edit{pool: "env: {inherit: false, keep: [EFFECT]}"},
		before: "false", after: "inherited true", probe: body("/env?name=EFFECT"),
	},
	{
		key: "pools.*.env.set", set: edit{pool: "env: {set: {EFFECT: given}}"}, before: "inherited true",
		after: "given true", probe: body("/env?name=EFFECT"),
	},
	{
		key: "pools.*.env.files", set: edit{pool: "env: {files: [env.list]}"}, before: "inherited true",
		after: "filed true", probe: body("/env?name=EFFECT"),
	},
	{
		key:  "pools.*.dispatch",
		base: edit{app: "/go: {handler: demo, pool: s}", pools: "s: {}"},
		set:  edit{pools: "s: {dispatch: http}"}, before: "frames", after: "HTTP", probe: spoken("s"),
	},
	{
		key: "pools.*.dispatch", before: never,
		set: edit{pools: "t: {dispatch: reuseport}",
			sites: `t: {bindings: ["127.0.0.2:0"], apps: {/: {handler: demo-worker, pool: t}}}`},
		after: "its worker", probe: acceptsFor("t"),
	},
	{
		key:  "pools.*.dispatch",
		base: edit{app: "/go: {handler: demo, pool: s}", pools: "s: {}"},
		set:  edit{pools: "s: {dispatch: handoff}"}, before: "frames", after: "packets", probe: spoken("s"),
	},
	{
		key: "pools.*.socket", set: edit{pool: "socket: inherit", command: "testworker, -bind, inherit"},
		before: "false", after: "1 true", probe: body("/env?name=LISTEN_FDS"),
	},
	{
		key: "pools.*.workers", set: edit{pool: "workers: 3"}, before: "1", after: "3",
		probe: workers("p", 1),
	},
	{
		key: "pools.*.workers", base: edit{pool: "workers: 3"}, set: edit{pool: "workers: 1"},
		before: "3", after: "1", probe: workers("p", 1),
	},
	{
		key: "pools.*.concurrency", base: edit{pool: "queue: {timeout: 100ms}"},
		set:    edit{pool: "concurrency: 1, queue: {timeout: 100ms}"},
		before: "200", after: "503 Timer_AppPool", probe: whileHeld("/pid"),
	},
	{
		key: "pools.*.queue.timeout", base: edit{pool: "concurrency: 1"}, before: never,
		set:   edit{pool: "concurrency: 1, queue: {timeout: 100ms}"},
		after: "503 Timer_AppPool", probe: whileHeld("/pid"),
	},
	{
		key: "pools.*.queue.length", base: edit{pool: "concurrency: 1"}, before: never,
		set:   edit{pool: "concurrency: 1, queue: {length: 1}"},
		after: "503 QueueFull", probe: whileQueued,
	},
	{
		key: "pools.*.queue.overload", base: edit{pool: "concurrency: 1, queue: {length: 1}"},
		set:    edit{pool: "concurrency: 1, queue: {length: 1, overload: reset}"},
		before: "503 QueueFull", after: "reset", probe: whileQueued,
	},
	{
		key: "pools.*.ready.probe", before: never, after: "not ready", fails: true,
		set: edit{pools: `r: {command: [testworker], ready: {probe: notify, timeout: 200ms}, ` +
			`rapid_fail: {failures: 1, then: stay-down}}`},
		probe: logs(`r/\d+.*reason="not ready: it did not say READY=1`, "not ready"),
	},
	{
		key: "pools.*.ready.probe", before: never, after: "1",
		set:   edit{pools: `s: {command: [testworker, -late, /dev/null], ready: {probe: notify}}`},
		probe: workers("s", 1),
	},
	{
		key: "pools.*.ready.timeout", before: never, after: "not ready", fails: true,
		set: edit{pools: `r: {command: [testworker, -bind, "127.0.0.1:0"], ready: {timeout: 200ms}, ` +
			`rapid_fail: {failures: 1, then: stay-down}}`},
		probe: logs(`r/\d+.*reason="not ready: it listens on`, "not ready"),
	},
	{
		key: "pools.*.hang.after", before: never, set: edit{pool: "hang: {after: 200ms}"},
		after: "504 WorkerHung", probe: status("/sleep?for=600s"),
	},
	{
		key: "pools.*.hang.action", base: edit{pool: "hang: {after: 100ms}"},
		set: edit{pool: "hang: {after: 100ms, action: log}"}, before: "replaced", after: "kept",
		probe: afterHang,
	},
	{
		key: "pools.*.hang.action", before: never,
		set: edit{pool: "hang: {after: 100ms, action: orphan, keep: 100ms}"}, after: "logged",
		probe: hangs(`worker=p/\d+ .*from=ready to=orphaned`),
	},
	{
		key: "pools.*.hang.keep", before: never,
		set: edit{pool: "hang: {after: 100ms, action: orphan, keep: 100ms}"}, after: "logged",
		probe: hangs(`worker=p/\d+ .*from=orphaned to=stopping reason=hang.keep`),
	},
	{
		key: "pools.*.hang.dump", before: never, set: edit{pool: "hang: {after: 100ms, dump: SIGQUIT}"},
		after: "logged", probe: hangs(`p/\d+ \| SIGQUIT: quit`),
	},
	{
		key: "pools.*.hang.hook", before: never,
		set:   edit{pool: `hang: {after: 100ms, hook: [echo, saw, "{worker}"]}`},
		after: "logged", probe: hangs(`msg=hook pool=p .*output="saw p/\d+"`),
	},
	{
		key: "pools.*.ping.every", before: never, after: "found",
		set:   edit{pool: "ping: {every: 100ms, timeout: 200ms, http: /}, stop_timeout: 100ms"},
		probe: stopped("no answer to a ping for 200ms"),
	},
	{
		key: "pools.*.ping.timeout", before: never, after: "found",
		set:   edit{pool: "ping: {every: 100ms, timeout: 300ms, http: /}, stop_timeout: 100ms"},
		probe: stopped("no answer to a ping for 300ms"),
	},
	{
		key: "pools.*.ping.watchdog", before: never, after: "found",
		set: edit{pool: "ping: {watchdog: on, timeout: 300ms}, stop_timeout: 100ms",
			command: "testworker, -watchdog"},
		probe: stopped("no WATCHDOG=1 for 300ms"),
	},
	{
		key: "pools.*.ping.http", before: never, after: "logged",
		set: edit{pool: `ping: {every: 100ms, timeout: 300ms, http: "/sleep?for=600s"}, ` +
			"hang: {action: log}"},
		probe: logs(`worker hangs.*worker=p/\d+.*for 300ms`, "logged"),
	},
	{
		key: "pools.*.ping.status", before: never, after: "logged",
		set: edit{pool: "ping: {every: 100ms, timeout: 300ms, http: /pid, status: 204}, " +
			"hang: {action: log}"},
		probe: logs(`worker hangs.*worker=p/\d+.*GET /pid: status 200`, "logged"),
	},
	{
		key: "pools.*.rapid_fail.answer", before: never, after: "reset", fails: true,
		set: edit{app: "/g: {pool: g}", pools: `g: {command: [sh, -c, exit 6], ` +
			`rapid_fail: {failures: 1, then: stay-down, answer: reset}}`},
		probe: func(b *bed) string {
			b.until("a failed pool", func(s *admin.Status) bool {
				p := poolOf(s, "g")
				return p != nil && p.State == "failed"
			})
			_, err := do(client, "GET", b.url+"/g", "")
			if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) {
				return "reset"
			}
			return fmt.Sprint(err)
		},
	},
	{
		key: "pools.*.rapid_fail.hook", before: never, after: "logged", fails: true,
		set: edit{pools: `h: {command: [sh, -c, exit 7], ` +
			`rapid_fail: {failures: 1, then: stay-down, hook: [echo, paged, "{pool}"]}}`},
		probe: logs(`msg=hook pool=h .*output="paged h"`, "logged"),
	},
	{
		key: "pools.*.rapid_fail.failures", before: never, after: "failed after 2", fails: true,
		set: edit{pools: `f: {command: [sh, -c, exit 4], rapid_fail: {failures: 2, then: stay-down}}`},
		probe: func(b *bed) string {
			f := failing(b, "a failed pool", func(p *admin.Pool) bool { return p.State == "failed" })
			return "failed after " + strconv.Itoa(len(f.Exits))
		},
	},
	{
		key: "pools.*.rapid_fail.window", before: never, after: "starting",
		set: edit{pools: `f: {command: [sh, -c, exit 5], start: manual, ` +
			`rapid_fail: {failures: 2, window: 1ms, then: stay-down}}`},
		probe: func(b *bed) string { // two failures within 5m would be enough
			if code, _, stderr := b.weir("start", "f", "--no-wait"); code != 0 {
				return stderr // nobody could wait for what never ends
			}
			return failing(b, "three ends", func(p *admin.Pool) bool { return len(p.Exits) > 2 }).State
		},
	},
	{
		key: "pools.*.timeouts.connect", base: edit{command: "testworker, -bind, short, -idle"},
		before: never, set: edit{pool: "timeouts: {connect: 200ms}"},
		after: "504 Timer_WorkerConnect", probe: status("/"),
	},
	{
		key: "pools.*.timeouts.first_byte", before: never,
		set:   edit{pool: "timeouts: {first_byte: 100ms}"},
		after: "504 Timer_Worker", probe: status("/sleep?for=600s"),
	},
	{
		key: "pools.*.timeouts.idle", before: never, set: edit{pool: "timeouts: {idle: 100ms}"},
		after: "cut", probe: cut("/hold"),
	},
	{
		key: "pools.*.timeouts.total", before: never, set: edit{pool: "timeouts: {total: 100ms}"},
		after: "cut", probe: cut("/trickle"),
	},
	{
		key: "pools.*.timeouts.tunnel", before: never, set: edit{pool: "timeouts: {tunnel: 100ms}"},
		after: "Close 1001", probe: quietSocket("/ws"),
	},
	{
		key: "pools.*.stop_timeout", base: edit{command: "testworker, -deaf"}, before: never,
		set: edit{pool: "stop_timeout: 100ms"}, after: "signal: killed", probe: func(b *bed) string {
			if code, _, stderr := b.weir("recycle", "p"); code != 0 {
				return stderr
			}
			p := poolOf(b.status(), "p")
			b.try(edit{pool: "stop_timeout: 100ms"}) // rows to come would wait for the deaf one
			return p.Exits[0].How
		},
	},
	{
		key: "pools.*.output.format", set: edit{pool: "output: {format: raw}"}, before: "p/N | mark",
		after: "mark", probe: printed("mark"),
	},
	{
		key: "pools.*.output.lines", before: never, set: edit{pool: "output: {lines: 5/s}"},
		after: "dropped", probe: func(b *bed) string {
			b.get("/print?lines=50&text=many")
			b.until("a line about lines", func(*admin.Status) bool {
				b.get("/print?lines=1&text=more") // the first in another second tells
				return strings.Contains(b.stderr.String(), "| dropped ")
			})
			return "dropped"
		},
	},
}

// spoken is what a worker of the pool says to a request in HTTP.
func spoken(pool string) probe {
	return func(b *bed) string {
		b.settled(pool, 1)
		address := poolOf(b.status(), pool).Workers[0].Address
		if c, err := net.Dial("unixpacket", address); err == nil {
			c.Close() //nolint:errcheck // nothing was said
			return "packets"
		}
		c, err := net.Dial("unix", address)
		if err != nil {
			return err.Error()
		}
		defer c.Close() //nolint:errcheck // only read
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return err.Error()
		}
		got, _ := io.ReadAll(c) // a worker that does not understand resets
		if strings.HasPrefix(string(got), "HTTP/") {
			return "HTTP"
		}
		return "frames"
	}
}

// acceptsFor is who accepts where the pool has an address of its own.
func acceptsFor(pool string) probe {
	return func(b *bed) string {
		workers := b.settled(pool, 1)
		for _, l := range b.status().Listeners {
			if l.Pool != pool {
				continue
			}
			pid, err := strconv.Atoi(strings.TrimSpace(b.do("GET", l.URL+"/pid", "").body))
			if err != nil || !workers[pid] {
				return fmt.Sprint(pid, err)
			}
			return "its worker"
		}
		return "nobody"
	}
}

// logs waits for a line of the log.
func logs(re, word string) probe {
	return func(b *bed) string {
		if _, ok := b.stderr.await(0, regexp.MustCompile(re)); !ok {
			return "nothing"
		}
		return word
	}
}

func poolOf(s *admin.Status, name string) *admin.Pool {
	for i := range s.Pools {
		if s.Pools[i].Name == name {
			return &s.Pools[i]
		}
	}
	return nil
}

// failing waits until the pool f, whose workers end at once, is as wanted.
func failing(b *bed, what string, ok func(*admin.Pool) bool) *admin.Pool {
	s := b.until(what, func(s *admin.Status) bool {
		p := poolOf(s, "f")
		return p != nil && ok(p)
	})
	return poolOf(s, "f")
}

// afterHang says what became of a worker that let a request wait too long.
func afterHang(b *bed) string {
	before := b.settled("p", 1)
	at := b.stderr.count()
	// A POST is not tried again on another worker.
	a, err := do(&http.Client{Timeout: 1500 * time.Millisecond, Transport: client.Transport}, "POST", b.url+"/sleep?for=1s", "")
	if err != nil {
		return err.Error()
	}
	if _, ok := b.stderr.await(at, regexp.MustCompile("(?i)hung|hangs")); !ok {
		return "unnoticed"
	}
	for pid := range b.settled("p", 1) {
		if !before[pid] {
			return "replaced"
		}
	}
	if a.status != 200 {
		return a.verdict()
	}
	return "kept"
}

// quietSocket is how a WebSocket on which nothing is said ends.
func quietSocket(path string) probe {
	return func(b *bed) string {
		ws := b.webSocket(path)
		defer ws.Close() //nolint:errcheck // read to its end
		return received(ws)
	}
}
