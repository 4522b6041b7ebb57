//go:build linux

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/supervisor/admin"
)

// freshRows are of keys that take effect when an instance starts or ends.
var freshRows = map[string]func(*testing.T){
	"user":                    userEffect,
	"runtime_dir":             runtimeDirEffect,
	"loops":                   loopsEffect,
	"fronts":                  frontsEffect,
	"pools.*.start":           startEffect,
	"pools.*.scale.memory":    memoryEffect,
	"pools.*.idle.pressure":   pressureEffect,
	"pools.*.rapid_fail.then": thenEffect,
	"timeouts.drain_delay":    drainDelayEffect,
	"timeouts.drain":          drainEffect,
	"admin.listen":            adminEffect,
	"admin.mode":              adminEffect,
}

func userEffect(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give its processes another user")
	}
	b := startBed(t, edit{top: `user: "65534:65534"`})
	worker, err := strconv.Atoi(body("/pid")(b))
	if err != nil {
		t.Fatal(err)
	}
	front := b.status().Fronts[0].PID
	for _, tt := range []struct {
		what string
		pid  int
		want string
	}{{"supervisor", b.cmd.Process.Pid, "0"}, {"front", front, "65534"}, {"worker", worker, "65534"}} {
		if got := uidOf(tt.pid); got != tt.want {
			t.Errorf("%s runs as user %s; want %s", tt.what, got, tt.want)
		}
	}
}

func runtimeDirEffect(t *testing.T) {
	dir := shortDir(t)
	want := filepath.Join(dir, "mine")
	text := edit{top: "runtime_dir: mine"}.file(dir)
	in := launch(t, "", dir, os.Environ(), "--config", fileOf(t, dir, text))
	t.Cleanup(in.stop)
	in.dir = want // relative to the file
	in.awaitReady()
	if got := in.status().RuntimeDir; got != want {
		t.Errorf("runtime directory %s; want %s", got, want)
	}
}

func loopsEffect(t *testing.T) {
	b := startBed(t, edit{top: "loops: 3"})
	s := b.status()
	if got := reports(s)[0].Loops; got != 3 || s.Listeners[0].Sockets != 3 {
		t.Errorf("%d loops, %d sockets; want 3 of each", got, s.Listeners[0].Sockets)
	}
}

func frontsEffect(t *testing.T) {
	b := startBed(t, edit{top: "fronts: 2"})
	s := b.until("two fronts", func(s *admin.Status) bool {
		return len(s.Fronts) == 2 && s.Fronts[0].State == "up" && s.Fronts[1].State == "up"
	})
	if s.Fronts[0].PID == s.Fronts[1].PID {
		t.Errorf("fronts %+v; want two processes", s.Fronts)
	}
	if got := body("/")(b); got != "testworker" {
		t.Errorf("GET / = %q; want testworker", got)
	}
}

func startEffect(t *testing.T) {
	b := startBed(t, edit{pool: "start: manual", app: "/d: {pool: d}",
		pools: "d: {command: [testworker], start: on-demand}"})
	d := poolOf(b.status(), "d")
	if got := status("/d")(b); got != "200" || d.State != "running" || len(d.Workers) > 0 {
		t.Errorf("GET /d = %s, before that pool %+v; want 200, and no worker before", got, d)
	}
	if n := len(b.settled("d", 1)); n != 1 {
		t.Errorf("%d workers on demand; want 1", n)
	}
	p := poolOf(b.status(), "p")
	if got := status("/")(b); got != "503 AppShutdown" || p.State != "stopped" || len(p.Workers) > 0 {
		t.Errorf("GET / = %s, pool %+v; want 503 AppShutdown, and no worker", got, p)
	}
}

// exit ends the instance. stay-down and retry differ by what comes after: pool tests show that.
func thenEffect(t *testing.T) {
	dir := shortDir(t)
	pool := `f: {command: [sh, -c, exit 4], rapid_fail: {failures: 1, then: exit}}`
	exit := fileOf(t, dir, edit{pools: pool}.file(dir))
	in := launch(t, filepath.Join(dir, "rt"), dir, os.Environ(), "--config", exit)
	if code := in.wait(); code != 1 || !strings.Contains(in.stderr.String(), "pool f: failed") {
		t.Errorf("then: exit: exit code %d; want 1, and why:\n%s", code, &in.stderr)
	}
}

func drainDelayEffect(t *testing.T) {
	b := startBed(t, edit{top: "timeouts: {drain_delay: 1s}"})
	began := time.Now()
	b.signal(syscall.SIGTERM)
	b.until("draining", func(s *admin.Status) bool { return s.State == "draining" })
	if got := status("/text")(b); got != "200" {
		t.Errorf("GET /text in the delay = %s; want 200", got)
	}
	if code := b.wait(); code != 0 || time.Since(began) < time.Second {
		t.Errorf("exit code %d after %v; want 0 after more than a second", code, time.Since(began))
	}
}

func drainEffect(t *testing.T) {
	b := startBed(t, edit{top: "timeouts: {drain: 200ms}"})
	got := holding(b, "/hold", func() string {
		b.signal(syscall.SIGTERM)
		return strconv.Itoa(b.wait()) // well before the 25s of the default
	})
	if _, ok := b.stderr.await(0, regexp.MustCompile("drain deadline: exchanges cut.*count=1")); !ok ||
		got != "0" {
		t.Errorf("exit code %s, cut exchange logged %t; want 0, true", got, ok)
	}
}

func adminEffect(t *testing.T) {
	b := startBed(t, edit{top: `admin: {listen: ["unix:DIR/a.sock"], mode: "0640"}`})
	if got := word(0, socketFile("a.sock"))(b); got != "0640" {
		t.Errorf("admin socket: %s; want 0640", got)
	}
	s, err := admin.NewClient(b.path("a.sock")).Status(t.Context())
	if err != nil || s.PID != b.cmd.Process.Pid {
		t.Errorf("status there: %+v, %v; want pid %d", s, err, b.cmd.Process.Pid)
	}
	if _, err := os.Stat(filepath.Join(b.dir, admin.SocketName)); err == nil {
		t.Errorf("the usual admin socket is there, too")
	}
}
