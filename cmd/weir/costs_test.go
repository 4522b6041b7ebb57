//go:build linux && !race

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a supervisor of 100 workers may cost.
const (
	costWorkers  = 100
	costReplaced = 40
	costIdle     = 2 * time.Second
	costShare    = 0.005                 // of a core, while nothing happens
	costNoticed  = 25 * time.Millisecond // on a machine that runs other tests; polling would take longer
)

// The supervisor of many workers rests, and sees a death at once: it does not poll.
func TestSupervisorCosts(t *testing.T) {
	t.Parallel()
	in, _ := startFile(t, fmt.Sprintf(`sites:
  crowd:
    bindings: ["127.0.0.1:0"]
    apps: {/: {pool: crowd}}
pools:
  crowd: {command: [testworker], workers: %d, rapid_fail: {failures: off}}
log: {level: info}
`, costWorkers))
	workers := in.settled("crowd", costWorkers)
	pid := in.cmd.Process.Pid
	before := processorTime(t, pid)
	<-time.After(costIdle)
	if got := processorTime(t, pid) - before; got.Seconds() > costShare*costIdle.Seconds() {
		t.Errorf("%s of processor time in %s of rest; want at most %.1f %%", got, costIdle, 100*costShare)
	}

	var took []time.Duration
	for k := range workers {
		if len(took) == costReplaced {
			break
		}
		at := time.Now()
		if err := unix.Kill(k, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		line, ok := in.stderr.await(0, regexp.MustCompile(fmt.Sprintf(`pid=%d from=ready to=gone`, k)))
		seen, err := time.Parse("time="+time.RFC3339, strings.Fields(line + " -")[0])
		if err != nil || !ok {
			t.Fatalf("line about the death of %d: %q, %v", k, line, err)
		}
		took = append(took, seen.Sub(at))
	}
	in.settled("crowd", costWorkers)
	if slices.Sort(took); len(took) != costReplaced || took[costReplaced/4] > costNoticed {
		t.Errorf("deaths noticed after %s; want a quarter within %s", took, costNoticed)
	}
}

// processorTime is what the process has used, user and system.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	var at unix.Timespec
	clock := int32(^pid<<3 | 2) // CPUCLOCK_SCHED of another process: clock_getcpuclockid(3)
	if err := unix.ClockGettime(clock, &at); err != nil {
		t.Fatal(err)
	}
	return time.Duration(at.Nano())
}
