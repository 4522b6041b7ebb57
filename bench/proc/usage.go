package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is the CPU time that each counted process has used since it began, user and system.
type Usage map[Key]time.Duration

// UsageOf samples the processes of tree.
//
// The figure is the kernel's clock of the thread group (nanoseconds, threads that have ended
// included), or utime + stime in steps of 10 ms where that clock is refused.
func UsageOf(tree []Stat) Usage {
	u := make(Usage, len(tree))
	for _, s := range tree {
		if d, err := processClock(s.PID); err == nil {
			u[s.Key] = d
		} else {
			u[s.Key] = s.User + s.System
		}
	}
	return u
}

// Since returns the CPU time spent between before and u. A process that appears only in u counts
// whole; one that has left is an error, because its time can no longer be read.
func (u Usage) Since(before Usage) (time.Duration, error) {
	var sum time.Duration
	for k, d := range u {
		sum += d - before[k]
	}
	for k := range before {
		if _, ok := u[k]; !ok {
			return 0, fmt.Errorf("proc: pid %d ended during the measurement", k.PID)
		}
	}
	return sum, nil
}

// RSS returns the resident set size of one process in bytes, shared pages included.
func RSS(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("proc: memory of %d: %w", pid, err)
	}
	var size, resident int64 // in pages: proc_pid_statm(5)
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0, fmt.Errorf("proc: memory of %d: %q: %w", pid, b, err)
	}
	return resident * int64(os.Getpagesize()), nil
}

// PSS returns the proportional set size of one process in bytes: private pages whole, shared pages
// divided among those who share them.
func PSS(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("proc: memory of %d: %w", pid, err)
	}
	return ParsePSS(b)
}

// ParsePSS finds the "Pss:" line of a smaps_rollup text. proc_pid_smaps(5).
func ParsePSS(b []byte) (int64, error) {
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		rest, ok := strings.CutPrefix(sc.Text(), "Pss:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("proc: parse smaps_rollup: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("proc: parse smaps_rollup: no Pss line")
}
