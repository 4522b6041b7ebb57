//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// The same small application in two languages: pid, what it was given, its release; a POST ends it.
const (
	foreignPython = `
import os, socketserver, sys
from http.server import BaseHTTPRequestHandler

class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        mask = os.umask(0); os.umask(mask)
        body = {"/up": "", "/pid": str(os.getpid()), "/release": open("release").read(),
                "/given": "%s %s %o" % (os.environ.get("GIVEN"), os.environ.get("HOME"), mask)}.get(self.path, "?")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
    def do_POST(self):
        os._exit(3)
    def address_string(self):
        return "-"
    def log_message(self, *args):
        pass

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

server = Server(os.environ["WEIR_SOCKET"], App)
print("serving", flush=True)
server.serve_forever()
`
	foreignNode = `
const fs = require('fs');
require('http').createServer((req, res) => {
  if (req.url === '/spin') for (;;);
  if (req.method === 'POST') process.exit(3);
  const mask = process.umask();
  res.end({'/up': '', '/pid': String(process.pid), '/release': fs.readFileSync('release', 'utf8'),
    '/given': [process.env.GIVEN, process.env.HOME, mask.toString(8)].join(' ')}[req.url] ?? '?');
}).listen(process.env.WEIR_SOCKET, () => console.log('serving'));
`
)

// TestForeignLife: what a pool does for programs in other languages, one thing after the other.
func TestForeignLife(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts interpreters many times")
	}
	for _, tt := range []struct{ program, file, text, flag, broken, side string }{
		{
			"python3", "app.py", foreignPython, "-c", `import sys; sys.exit("no database")`,
			`import time; print("beside", flush=True); time.sleep(600)`,
		},
		{
			"node", "app.js", foreignNode, "-e", `console.error("no database"); process.exit(1)`,
			`console.log("beside"); setInterval(() => {}, 1e6)`,
		},
	} {
		t.Run(tt.program, func(t *testing.T) {
			t.Parallel()
			path := program(t, tt.program)
			dir := shortDir(t)
			for _, release := range []string{"r1", "r2"} {
				if err := os.Mkdir(filepath.Join(dir, release), 0o755); err != nil {
					t.Fatal(err)
				}
				for name, text := range map[string]string{tt.file: tt.text, "release": release} {
					if err := os.WriteFile(filepath.Join(dir, release, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := os.Mkdir(filepath.Join(dir, "r3"), 0o755); err != nil { // nothing was copied
				t.Fatal(err)
			}
			if err := os.Symlink("r1", filepath.Join(dir, "current")); err != nil {
				t.Fatal(err)
			}
			app := fmt.Sprintf("command: [%q, %s], dir: DIR/current, env: {inherit: false, keep: [PATH], "+
				"set: {GIVEN: here}}, umask: \"0077\"", path, tt.file)
			in := start(t, "--config", fileOf(t, dir, fmt.Sprintf(`
sites:
  s:
    bindings: ["127.0.0.1:0"]
    apps: {/: {pool: web}, /nap: {pool: nap}, /broken: {pool: broken}}
sidecars: {side: {command: [%q, %q, %q]}}
pools:
  web: {%s, workers: 2, after: [side], ready: {probe: {http: /up}}, ping: {http: /up, every: 100ms, timeout: 1s},
    stop_timeout: 500ms}
  nap: {%s, start: on-demand, idle: {after: 200ms, action: suspend}}
  broken: {command: [%q, %q, %q], start: on-demand, rapid_fail: {failures: 2}}
`, path, tt.flag, tt.side, app, app, path, tt.flag, tt.broken)))
			f := &foreign{in, t, tt.program == "node"}
			f.starts()
			f.fails()
			f.naps()
			f.hangs()
			f.deploys(dir)
		})
	}
}

// foreign is an instance with programs in another language.
type foreign struct {
	*instance
	t     *testing.T
	spins bool // it has one loop, which /spin keeps busy
}

func (f *foreign) logged(re string) {
	f.t.Helper()
	if _, ok := f.stderr.await(0, regexp.MustCompile(re)); !ok {
		f.t.Errorf("no line %q", re)
	}
}

// starts: the environment is narrowed, umask and directory are the pool's; output is in the log; a crash is
// replaced at once.
func (f *foreign) starts() {
	f.logged(`^sidecar/side \| beside$`)
	f.logged(`^web/[12] \| serving$`)
	f.logged(`worker=web/1 pid=\d+ from=starting to=ready`)
	if got := f.get("/given").body; got != "here None 77" && got != "here  77" {
		f.t.Errorf("GET /given = %q; want what the pool gives alone", got)
	}
	before := f.settled("web", 2)
	if got := f.do("POST", f.url+"/", ""); got.status != 502 { // a GET would be sent to the next one
		f.t.Errorf("POST / = %d; want 502", got.status)
	}
	f.logged(`worker=web/\d pid=\d+ from=ready to=gone reason="exit status 3"`)
	f.until("the dead one replaced", func(s *admin.Status) bool {
		now, old := pids(s, "web"), 0
		for pid := range now {
			if before[pid] {
				old++
			}
		}
		return len(now) == 2 && old == 1
	})
}

// fails: rapid-fail protection, and the program's last words.
func (f *foreign) fails() {
	if got := f.get("/broken"); got.status != 503 || got.header.Get("X-Weir-Reason") != "AppOffline" {
		f.t.Errorf("GET /broken = %d %v; want 503 AppOffline", got.status, got.header)
	}
	if _, stdout, _ := f.weir("status"); !strings.Contains(stdout, "| no database") {
		f.t.Errorf("weir status = %s; want the last line that it printed", stdout)
	}
}

// naps: started by the first request, suspended, woken.
func (f *foreign) naps() {
	pid := f.get("/nap").body // the whole path is the program's
	if pid != "?" {
		f.t.Errorf("GET /nap = %q; want an answer", pid)
	}
	s := f.until("a suspended worker", func(s *admin.Status) bool {
		w := poolOf(s, "nap").Workers
		return len(w) == 1 && w[0].State == "suspended"
	})
	if got := f.get("/nap"); got.status != 200 {
		f.t.Errorf("GET /nap = %d; want the worker to wake", got.status)
	}
	if now := poolOf(f.status(), "nap").Workers; len(now) != 1 || now[0].PID != poolOf(s, "nap").Workers[0].PID {
		f.t.Errorf("workers %+v; want the one that slept", now)
	}
}

// hangs: a worker that stands still, or whose loop spins, is found by its ping while the other one answers.
func (f *foreign) hangs() {
	before := f.settled("web", 2)
	victim, held := any1(before), "nothing in flight"
	if f.spins {
		if got := f.do("POST", f.url+"/spin", "").verdict(); got != "504 WorkerHung" {
			f.t.Errorf("POST /spin = %s; want 504 WorkerHung", got)
		}
		victim, held = 0, `1 in flight: POST \\"/spin\\" id=[0-9a-f]+ sent for [0-9.]+m?s"`
	} else if err := unix.Kill(victim, syscall.SIGSTOP); err != nil {
		f.t.Fatal(err)
	}
	f.until("it is replaced", func(s *admin.Status) bool {
		now, old := pids(s, "web"), 0
		for pid := range now {
			if before[pid] && pid != victim {
				old++
			}
		}
		return len(now) == 2 && old == 1
	})
	f.logged(`from=ready to=stopping reason="hung: no .*answer to (a )?pings? for 1s.*; ` + held)
	if got := f.get("/pid"); got.status != 200 {
		f.t.Errorf("GET /pid = %d; want 200", got.status)
	}
}

// deploys: the link moves, a recycle under load follows it, and no request fails; a release that does not
// start is given up, and the old one goes on.
func (f *foreign) deploys(dir string) {
	f.settled("web", 2)
	if got := f.get("/release").body; got != "r1" {
		f.t.Errorf("GET /release = %q; want r1", got)
	}
	l := startLoad(f.url + "/pid")
	for _, release := range []struct {
		dir  string
		code int
	}{{"r2", 0}, {"r3", 1}} {
		next := filepath.Join(dir, "next")
		if err := os.Symlink(release.dir, next); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, "current")); err != nil {
			f.t.Fatal(err)
		}
		if code, _, stderr := f.weir("recycle", "web"); code != release.code {
			f.t.Errorf("weir recycle to %s: %d, %s; want %d", release.dir, code, stderr, release.code)
		}
		l.passes(f.instance, 10)
	}
	l.finish(f.t)
	if got := f.get("/release").body; got != "r2" {
		f.t.Errorf("GET /release = %q; want r2", got)
	}
}
