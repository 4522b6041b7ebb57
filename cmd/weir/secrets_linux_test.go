package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Neither the front, which reads what strangers send, nor another pool's workers have what a pool's workers
// are trusted with.
func TestFrontKnowsNoSecrets(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	env := append(os.Environ(), "API_KEY=s3cret-of-the-environment", "TZ=UTC")
	in := launch(t, filepath.Join(dir, "rt"), dir, env, "--config", fileOf(t, dir, `
sites: {s: {bindings: ["127.0.0.1:0"], apps: {/: {pool: p}, /demo: {handler: demo-worker, pool: sdk}}}}
pools:
  p: {command: [testworker], env: {set: {KEY: s3cret-of-the-pool}}}
  q: {command: [testworker]}
  sdk: {workers: 1}
`))
	defer in.stop()
	in.awaitReady()
	s := in.status()
	secret := []byte("s3cret-of-the-pool")
	for worker := range in.settled("p", 1) {
		if !remembers(t, worker, secret) {
			t.Error("the worker does not know it: the search finds nothing")
		}
	}
	front := s.Fronts[0].PID
	if known, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", front)); err != nil ||
		!bytes.Contains(known, []byte("TZ=UTC")) {
		t.Errorf("the front is started with %q, %v; want TZ", known, err)
	}
	environment := []byte("s3cret-of-the-environment")
	for worker := range in.settled("q", 1) {
		if !remembers(t, worker, environment) || remembers(t, front, environment) {
			t.Error("want workers, and no front that hosts nothing, to know the environment")
		}
	}
	others := map[string]int{"the front": s.Fronts[0].PID}
	for _, pool := range []string{"q", "sdk"} {
		for worker := range in.settled(pool, 1) {
			others["the worker of "+pool] = worker
		}
	}
	for who, pid := range others {
		if remembers(t, pid, secret) {
			t.Errorf("%s knows the environment of another pool", who)
		}
	}
}

// remembers reports whether what is anywhere in the writable memory of a process.
func remembers(t *testing.T, pid int, what []byte) bool {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close() //nolint:errcheck // only read
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("nobody may look into another process here: %v", err) // kernel.yama.ptrace_scope
	}
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close() //nolint:errcheck // only read
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to int64
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil ||
			!strings.HasPrefix(rights, "rw") {
			continue
		}
		b, err := io.ReadAll(io.NewSectionReader(mem, from, to-from))
		if bytes.Contains(b, what) {
			return true
		}
		if err != nil && len(b) == 0 {
			continue // it was given back meanwhile
		}
	}
	return false
}
