//go:build linux && !race

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

const (
	costWorkers = 100
	costIdle    = 2 * time.Second
	costWakes   = 120 // of all threads of the supervisor, in a second: 15 to 45 are usual
)

// The supervisor of many workers rests: it waits for deaths instead of looking for them. What it costs in
// time is measured by "bench supervisor".
func TestSupervisorRests(t *testing.T) {
	t.Parallel()
	in, _ := startFile(t, fmt.Sprintf(`sites:
  crowd:
    bindings: ["127.0.0.1:0"]
    apps: {/: {pool: crowd}}
pools:
  crowd: {command: [testworker], workers: %d}
log: {level: info}
`, costWorkers))
	in.settled("crowd", costWorkers)
	before := wakes(t, in.cmd.Process.Pid)
	<-time.After(costIdle)
	got := float64(wakes(t, in.cmd.Process.Pid)-before) / costIdle.Seconds()
	t.Logf("%.0f wakes in a second", got)
	if got > costWakes {
		t.Errorf("%.0f wakes in a second of rest; want at most %d", got, costWakes)
	}
}

var voluntary = regexp.MustCompile(`\nvoluntary_ctxt_switches:\s+(\d+)`)

// wakes is how often threads of a process have waited, and gone on.
func wakes(t *testing.T, pid int) (sum int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if m := voluntary.FindSubmatch(b); m != nil {
			n, err := strconv.Atoi(string(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}
