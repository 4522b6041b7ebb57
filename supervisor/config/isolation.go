package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CPUs are the processors that workers may run on: all, spread, nodes, or a list such as "0-3,8".
type CPUs string

// Words for CPUs. Anything else is a list.
const (
	CPUsAll    CPUs = "all"    // those that Weir itself may use
	CPUsSpread CPUs = "spread" // one for each worker, in turn
	CPUsNodes  CPUs = "nodes"  // those of one NUMA node for each worker, in turn
)

// List is the processors of a list, ascending; nil for a word.
func (c CPUs) List() []int {
	list, err := ParseCPUList(string(c))
	if err != nil {
		return nil
	}
	return list
}

// ParseCPUList parses "0-3,8".
func ParseCPUList(s string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		a, errA := strconv.Atoi(low)
		b, errB := strconv.Atoi(high)
		switch {
		case errA != nil || errB != nil || !isNumber(low) || !isNumber(high):
			return nil, &unitError{fmt.Sprintf("%q is not a list of processors", s), ""}
		case a > b:
			return nil, &unitError{fmt.Sprintf("%q ends before it begins", part), high + "-" + low}
		case b > cpuMax:
			return nil, &unitError{fmt.Sprintf("processor %d is above the maximum of %d", b, cpuMax), ""}
		}
		for i := a; i <= b; i++ {
			if !slices.Contains(list, i) {
				list = append(list, i)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}

// ParseCPUs parses all, spread, nodes or a list.
func ParseCPUs(s string) (CPUs, error) {
	switch c := CPUs(s); c {
	case CPUsAll, CPUsSpread, CPUsNodes:
		return c, nil
	}
	_, err := ParseCPUList(s)
	return CPUs(s), err
}

// Rlimits are resource limits of each worker process, soft and hard alike. The zero value of each is
// what Weir itself was started with.
type Rlimits struct {
	NoFile  LimitCount `json:"nofile"`  // open files
	NProc   LimitCount `json:"nproc"`   // processes and threads of the worker's user
	Core    LimitSize  `json:"core"`    // core dump
	AS      LimitSize  `json:"as"`      // address space
	FSize   LimitSize  `json:"fsize"`   // a file that is written
	Stack   LimitSize  `json:"stack"`   // the first thread's
	MemLock LimitSize  `json:"memlock"` // locked memory
}

// LimitCount is a number that a file may also give as off or inherit.
type LimitCount int64

// LimitSize is a number of bytes that a file may also give as off or inherit.
type LimitSize int64

// Special limits. 0 is inherit, so that the zero value changes nothing.
const (
	limitOff  = -1 // no limit
	limitNone = -2 // 0: nothing at all
)

// Limit is l as a number; off reports no limit, set that there is something to set.
func (l LimitCount) Limit() (n uint64, off, set bool) { return limitOf(int64(l)) }

// Limit is l in bytes; off reports no limit, set that there is something to set.
func (l LimitSize) Limit() (n uint64, off, set bool) { return limitOf(int64(l)) }

func limitOf(l int64) (n uint64, off, set bool) {
	switch l {
	case 0:
		return 0, false, false
	case limitOff:
		return 0, true, true
	case limitNone:
		return 0, false, true
	}
	return uint64(l), false, true
}

// ParseLimitCount parses a number, off or inherit.
func ParseLimitCount(s string) (LimitCount, error) {
	switch s {
	case "inherit":
		return 0, nil
	case "off":
		return limitOff, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || !isNumber(s):
		return 0, &unitError{fmt.Sprintf("%q is not a number", s), ""}
	case n == 0:
		return 0, &unitError{fmt.Sprintf("%q would let nothing start", s), ""}
	}
	return LimitCount(n), nil
}

// ParseLimitSize parses 0B, 64MiB, off or inherit.
func ParseLimitSize(s string) (LimitSize, error) {
	switch s {
	case "inherit":
		return 0, nil
	case "off":
		return limitOff, nil
	}
	n, err := parseBytes(s)
	if err == nil && n == 0 {
		n = limitNone
	}
	return LimitSize(n), err
}

// String is inherit, off or the number.
func (l LimitCount) String() string {
	if n, off, set := l.Limit(); set && !off {
		return strconv.FormatUint(n, 10)
	}
	return limitWord(int64(l))
}

// String is inherit, off or the size.
func (l LimitSize) String() string {
	if n, off, set := l.Limit(); set && !off {
		return formatBytes(int64(n))
	}
	return limitWord(int64(l))
}

func limitWord(l int64) string {
	if l == limitOff {
		return "off"
	}
	return "inherit"
}

// MarshalText is String.
func (l LimitCount) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is ParseLimitCount.
func (l *LimitCount) UnmarshalText(b []byte) error { return parseInto(l, b, ParseLimitCount) }

// MarshalText is String.
func (l LimitSize) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is ParseLimitSize.
func (l *LimitSize) UnmarshalText(b []byte) error { return parseInto(l, b, ParseLimitSize) }

// Cgroup are limits of a worker together with all its descendants, where a cgroup2 is writable.
type Cgroup struct {
	Memory Size  `json:"memory"` // memory.max; 0 and off are none
	PIDs   Count `json:"pids"`   // pids.max; 0 and off are none
}

// CPULimit bounds the processor time of a worker.
type CPULimit struct {
	Percent  CPUPercent `json:"percent"`  // of one processor; 0 and off are none
	Interval Duration   `json:"interval"` // over which log and kill measure
	Action   CPUAction  `json:"action"`
}

// CPUAction is what happens to a worker that uses more than its limit.
type CPUAction string

// CPU actions. The first two measure, the others leave it to the kernel.
const (
	CPULog               CPUAction = "log"
	CPUKill              CPUAction = "kill"                // it drains and is replaced
	CPUThrottle          CPUAction = "throttle"            // it never gets more (cpu.max)
	CPUThrottleUnderLoad CPUAction = "throttle-under-load" // nor where others want it (cpu.weight)
)

// CPUPercent is a share of one processor in percent: 150 is one and a half.
type CPUPercent int

// CPUPercentOff is no limit.
const CPUPercentOff CPUPercent = -1

// IsOff reports no limit, which the zero value is, too.
func (c CPUPercent) IsOff() bool { return c <= 0 }

// ParseCPUPercent parses 150% or off.
func ParseCPUPercent(s string) (CPUPercent, error) {
	if s == "off" {
		return CPUPercentOff, nil
	}
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || !isNumber(digits):
		return 0, &unitError{fmt.Sprintf("%q is not a percentage", s), ""}
	case !ok:
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), s + "%"}
	case n < 1 || n > cpuPercentMax:
		return 0, &unitError{fmt.Sprintf("%q is not in 1%%-%d%%", s, cpuPercentMax), ""}
	}
	return CPUPercent(n), nil
}

// String is off or the percentage.
func (c CPUPercent) String() string {
	if c.IsOff() {
		return "off"
	}
	return strconv.Itoa(int(c)) + "%"
}

// MarshalText is String.
func (c CPUPercent) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCPUPercent.
func (c *CPUPercent) UnmarshalText(b []byte) error { return parseInto(c, b, ParseCPUPercent) }
