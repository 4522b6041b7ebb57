//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// Rolling recycles under constant load: no request fails and no connection is reset, whichever way
// workers are spoken to.
func TestRollingRecyclesUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		in := start(t, "--listen", "127.0.0.1:0", "--workers", "2", "--", "testworker")
		rollUnderLoad(t, in, "default", "/pid", 100)
	})
	t.Run("mux", func(t *testing.T) { // the demo's workers are of the SDK
		t.Parallel()
		rollUnderLoad(t, start(t, "--listen", "127.0.0.1:0"), "demo", "/worker/hello", 100)
	})
	t.Run("handoff", func(t *testing.T) {
		t.Parallel()
		rollUnderLoad(t, start(t, "--config", fileOf(t, shortDir(t), handoffFile)), "demo", "/go/hello", 25)
	})
}

func rollUnderLoad(t *testing.T, in *instance, pool, path string, full int) {
	t.Helper()
	before := in.settled(pool, 2)
	n := rounds(full, 5)
	l := startLoad(in.url + path)
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	for i := range n {
		if err := in.admin().Recycle(ctx, pool, true); err != nil {
			t.Fatalf("recycle %d: %v", i, err)
		}
		l.passes(in, 10)
	}
	l.finish(t)
	s := in.status()
	if got := poolOf(s, pool).Recycles["command"]; got != uint64(2*n) {
		t.Errorf("recycles by command: %d; want %d", got, 2*n)
	}
	in.replaced(pool, 2, before)
	t.Logf("%d requests answered during %d recycles of two workers", l.done.Load(), n)
}

// Programs that cannot run twice: requests wait while there is no worker.
func TestRecycleWithoutOverlapUnderLoad(t *testing.T) {
	in := start(t, "--listen", "127.0.0.1:0", "--set", "pools.default.recycle.overlap=false", "--",
		"testworker")
	l := startLoad(in.url + "/pid")
	for range rounds(10, 2) {
		l.passes(in, 10)
		if code, _, stderr := in.weir("recycle", "default"); code != 0 {
			t.Fatalf("weir recycle: %d, %s", code, stderr)
		}
	}
	l.passes(in, 10)
	l.finish(t)
}

// A worker asks to be replaced; the log, the counts and the status say so.
func TestWorkerAsksForRecycle(t *testing.T) {
	t.Parallel()
	in := start(t, "--listen", "127.0.0.1:0", "--", "testworker")
	old := in.settled("default", 1)
	in.get("/recycle?why=cache+is+full")
	s := in.until("a fresh worker", func(s *admin.Status) bool {
		now := pids(s, "default")
		return len(now) == 1 && !maps.Equal(now, old)
	})
	p := poolOf(s, "default")
	w := p.Workers[len(p.Workers)-1]
	const why = "asked for by the worker: cache is full"
	if p.Recycles["worker"] != 1 || w.LastRecycle != "default/1: "+why || w.RSS == 0 {
		t.Errorf("recycles %v, worker %+v; want one by worker, the reason and its memory", p.Recycles, w)
	}
	if _, ok := in.stderr.await(0, regexp.MustCompile(`from=ready to=draining reason="`+why+
		`" cause=worker age=.* requests=\d+ rss=\d+MiB`)); !ok {
		t.Error("no line about it")
	}
}

// A release that answers with errors is rolled back: the recycle fails, old workers stay, and a slot
// is filled from the directory that the old ones run from, until the next recycle.
func TestRecycleRolledBack(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(shortDir(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"r1", "r2", "r3"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "r2", "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(target string) {
		t.Helper()
		next := filepath.Join(dir, "next")
		if err := os.Symlink(target, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
	}
	link("r1")
	in := start(t, "--config", fileOf(t, dir, `
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {pool: p}}}}
pools: {p: {command: [testworker], dir: DIR/current, workers: 2, recycle: {watch: 15s}}}
`))
	old := in.settled("p", 2)
	l := startLoad(in.url + "/answer?code=200")
	l.passes(in, 50)
	link("r2")
	code, _, stderr := in.weir("recycle", "p")
	l.end()
	if code != 1 || !strings.Contains(stderr, "with errors, the old ones 0 %") {
		t.Fatalf("weir recycle: %d, %q; want 1 and the reason", code, stderr)
	}
	if now := in.settled("p", 2); !maps.Equal(now, old) {
		t.Errorf("workers %v; want %v, the old ones", now, old)
	}
	victim := any1(old)
	if err := unix.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s := in.until("the victim replaced", func(s *admin.Status) bool {
		now := pids(s, "p")
		return len(now) == 2 && !now[victim]
	})
	wantDirs(t, s, filepath.Join(dir, "r1"))
	link("r3")
	if code, _, stderr := in.weir("recycle", "p", "--no-wait"); code != 0 {
		t.Fatalf("weir recycle: %d, %s", code, stderr)
	}
	at := fmt.Sprintf(`from=starting to=starting reason=spawned dir=%s/r3 `, dir)
	if _, ok := in.stderr.await(0, regexp.MustCompile(regexp.QuoteMeta(at))); !ok {
		t.Error("the next recycle does not follow the link")
	}
}

// wantDirs wants every worker of p to run from dir.
func wantDirs(t *testing.T, s *admin.Status, dir string) {
	t.Helper()
	for _, w := range poolOf(s, "p").Workers {
		if w.State == "ready" && w.Dir != dir {
			t.Errorf("worker %s runs from %s; want %s", w.Name, w.Dir, dir)
		}
	}
}
