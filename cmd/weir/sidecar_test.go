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

// startCars starts an instance with a static site, and what text adds at the top of its file.
func startCars(t *testing.T, text string) (in *instance, dir string) {
	t.Helper()
	dir = shortDir(t)
	file := fileOf(t, dir, carsFile(text))
	in = launch(t, filepath.Join(dir, "rt"), dir, os.Environ(), "--config", file)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%.20000s", &in.stderr)
		}
		in.stop()
	})
	return in, dir
}

func carsFile(text string) string {
	return text + "\nsites: {s: {bindings: [\"127.0.0.1:0\"], apps: {/: {static: {root: DIR}}}}}\n"
}

func carPID(s *admin.Status, name string) int {
	for _, w := range carOf(s, name).Workers {
		if w.State == "ready" {
			return w.PID
		}
	}
	return 0
}

// upAgain waits until sidecar name runs with another pid than old.
func (in *instance) upAgain(name string, old int) int {
	s := in.until("sidecar "+name+" up", func(s *admin.Status) bool {
		pid := carPID(s, name)
		return pid != 0 && pid != old
	})
	return carPID(s, name)
}

// An instance with sidecars and files alone: they run, are restarted when they crash, are shown, and
// their output is in the log under their name.
func TestSidecarsAndFilesAlone(t *testing.T) {
	in, dir := startCars(t, "sidecars:\n"+
		"  c: {command: [testworker, -bind, none, -say, \"hello from c\"]}\n"+
		"  job: {command: [sh, -c, 'echo \"$WEIR_SIDECAR ran\"'], restart: on-failure}\n")
	in.awaitReady()
	if err := os.WriteFile(filepath.Join(dir, "x.txt"), []byte("static"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := in.get("/x.txt"); got.status != 200 || got.body != "static" {
		t.Errorf("GET /x.txt = %d %q; want the file", got.status, got.body)
	}
	for _, line := range []string{`^sidecar/c \| hello from c$`, `^sidecar/job \| job ran$`,
		`msg="sidecar is not started again" pool=sidecar/job restart=on-failure .*reason="exit status 0"`,
		`msg="sidecar process" pool=sidecar/c .* from=starting to=ready reason="its program runs"`,
		`msg=sidecar pool=sidecar/c from=starting to=running want=running`} {
		if _, ok := in.stderr.await(0, regexp.MustCompile(line)); !ok {
			t.Errorf("no line of the log matches %s", line)
		}
	}
	pid := in.upAgain("c", 0)
	for range 3 {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatalf("kill %d: %v", pid, err)
		}
		pid = in.upAgain("c", pid)
	}
	s := in.status()
	if c := carOf(s, "c"); len(c.Exits) != 3 || c.Exits[0].How != "signal: killed" || len(s.Pools) != 0 {
		t.Errorf("sidecar %+v, pools %v; want three exits by SIGKILL, and no pool", c, s.Pools)
	}
	_, out, _ := in.weir("status")
	for _, want := range []string{fmt.Sprintf(`sidecar/c +running +%d `, pid),
		`sidecar/job +stopped +ended: exit status 0`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("weir status has no %q:\n%s", want, out)
		}
	}
	if code, _, stderr := in.weir("stop", "c"); code != 1 || !strings.Contains(stderr, "unknown pool") {
		t.Errorf("weir stop c: %d, %s; want 1: a sidecar is no pool", code, stderr)
	}
}

// Nothing begins before what it is after is up, and on a drain nothing ends before what is after it.
func TestSidecarOrder(t *testing.T) {
	fifo := filepath.Join(shortDir(t), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	in, _ := startCars(t, fmt.Sprintf(`
pools: {p: {command: [testworker], after: [b]}}
sidecars:
  b: {command: [testworker, -bind, none, -say, b], after: [a]}
  a: {command: [testworker, -bind, none, -say, a, -late, %s], ready: {probe: notify}}`, fifo))
	if _, ok := in.stderr.await(0, regexp.MustCompile(`^sidecar/a \| a$`)); !ok {
		t.Fatalf("a does not begin:\n%s", &in.stderr)
	}
	s := in.status()
	if b, p := carOf(s, "b"), poolOf(s, "p"); len(b.Workers) != 0 || b.HeldBy != "a" ||
		len(p.Workers) != 0 || p.State != "starting" {
		t.Errorf("before a is up: b %+v, p %+v; want both to wait", b, p)
	}
	if _, out, _ := in.weir("status"); !strings.Contains(out, "waits for sidecar/a") {
		t.Errorf("weir status does not say what b waits for:\n%s", out)
	}
	if err := os.WriteFile(fifo, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	in.awaitReady()
	in.settled("p", 1)
	in.signal(syscall.SIGTERM)
	if code := in.wait(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
	if _, ok := in.stderr.await(0, regexp.MustCompile("msg=stopped")); !ok { // read to its end
		t.Error("no line says that it has stopped")
	}
	wantOrder(t, in.stderr.String(),
		`worker=sidecar/a .*from=starting to=ready reason="READY=1"`,
		`worker=sidecar/b .*from=starting to=ready`, `worker=p/1 .*from=starting to=ready`,
		`worker=p/1 .*to=gone`, `worker=sidecar/b .*to=stopping`, `worker=sidecar/b .*to=gone`,
		`worker=sidecar/a .*to=stopping`, `worker=sidecar/a .*to=gone`)
	for _, name := range []string{"a", "b"} {
		if !strings.Contains(in.stderr.String(), "sidecar/"+name+" | told to end") {
			t.Errorf("sidecar %s was not told to end", name)
		}
	}
}

// wantOrder wants lines of log that the patterns match, one after the other.
func wantOrder(t *testing.T, log string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		at := regexp.MustCompile(p).FindStringIndex(log)
		if at == nil {
			t.Errorf("no %s after what came before it in:\n%s", p, log)
			return
		}
		log = log[at[1]:]
	}
}

// A reload touches the sidecars that it changes and no others.
func TestSidecarReload(t *testing.T) {
	text := func(say string, more string) string {
		return "sidecars:\n  same: {command: [testworker, -bind, none]}\n" +
			"  changed: {command: [testworker, -bind, none, -say, " + say + "]}\n" + more
	}
	in, dir := startCars(t, text("one", "  gone: {command: [sleep, 600]}\n"))
	in.awaitReady()
	same, changed := in.upAgain("same", 0), in.upAgain("changed", 0)
	fileOf(t, dir, carsFile(text("two", "  new: {command: [sleep, 600]}\n")))
	if code, _, stderr := in.weir("reload"); code != 0 {
		t.Fatalf("weir reload: %d, %s", code, stderr)
	}
	s := in.status()
	if got := carPID(s, "same"); got != same {
		t.Errorf("the unchanged sidecar has pid %d; want %d still", got, same)
	}
	if got := carPID(s, "changed"); got == changed || got == 0 {
		t.Errorf("the changed sidecar has pid %d; want a fresh one, not %d", got, changed)
	}
	if carPID(s, "new") == 0 || carOf(s, "gone").Name != "" {
		t.Errorf("sidecars %+v; want new to be up, and gone to be gone", s.Sidecars)
	}
	fileOf(t, dir, carsFile(text("two, after", "  a: {command: [sleep, 1], after: [a]}\n")))
	code, _, stderr := in.weir("reload")
	if code != 1 || !strings.Contains(stderr, "wait for each other") {
		t.Errorf("weir reload with a cycle: %d, %s; want 1 and why", code, stderr)
	}
	if got := carPID(in.status(), "same"); got != same {
		t.Error("a refused reload touched a sidecar")
	}
}

// A sidecar does not outlive a supervisor that is killed.
func TestSidecarDiesWithSupervisor(t *testing.T) {
	in, _ := startCars(t, "sidecars: {c: {command: [sleep, 600]}}")
	in.awaitReady()
	fd, err := unix.PidfdOpen(in.upAgain("c", 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	in.kill()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, int(patience.Milliseconds())); n != 1 || err != nil {
		t.Errorf("poll of the sidecar's pidfd = %d, %v; want its end", n, err)
	}
}

// A command that is not there is a mistake of the file.
func TestSidecarCommandNotFound(t *testing.T) {
	in, _ := startCars(t, "sidecars: {c: {command: [nosuchprogram]}}")
	if code := in.wait(); code != 2 {
		t.Errorf("exit code %d; want 2", code)
	}
	why := regexp.MustCompile(`sidecars\.c\.command: command "nosuchprogram" not found in PATH`)
	if _, ok := in.stderr.await(0, why); !ok {
		t.Errorf("no line matches %s:\n%s", why, &in.stderr)
	}
}

// Pools that use up the time of the drain leave sidecars some of their own: c needs 300 ms to end.
func TestSidecarEndsInOrderAfterSlowPools(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the shortest time that pools get to stop")
	}
	in, _ := startCars(t, `
timeouts: {drain: 100ms}
pools: {p: {command: [testworker, -deaf]}}
sidecars:
  c:
    command:
      - sh
      - -c
      - "trap 'sleep 0.3; echo in order; exit 0' TERM; echo c; while :; do sleep 0.05; done"`)
	in.awaitReady()
	if _, ok := in.stderr.await(0, regexp.MustCompile(`^sidecar/c \| c$`)); !ok {
		t.Fatal("c does not begin")
	}
	in.signal(syscall.SIGTERM)
	if code := in.wait(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
	for _, line := range []string{`worker=p/1 .*reason="signal: killed"`, `^sidecar/c \| in order$`, `worker=sidecar/c .*to=gone reason="exit status 0"`} {
		if _, ok := in.stderr.await(0, regexp.MustCompile(line)); !ok {
			t.Errorf("no line matches %s", line)
		}
	}
}
