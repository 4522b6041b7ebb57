// Package proc starts, pins, watches and stops the server processes of the bench.
//
// It knows processes, not HTTP: a Process is one started command with everything it forked. Linux
// only in effect; elsewhere it builds and Spawn reports ErrUnsupported.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ErrUnsupported is returned by Spawn where processes cannot be pinned or measured.
var ErrUnsupported = errors.New("proc: needs Linux: CPU affinity and /proc")

// ticksPerSecond is USER_HZ, 100 on every Linux architecture Go supports.
const ticksPerSecond = 100

// Key names a process for its whole life: a pid alone may be reused.
type Key struct {
	PID   int
	Start uint64 // ticks after boot, field 22 of /proc/PID/stat
}

// Stat is what the bench reads from /proc/PID/stat.
type Stat struct {
	Key
	PPID   int
	Comm   string
	State  byte
	User   time.Duration // whole thread group, in steps of 10 ms
	System time.Duration
	Reaped time.Duration // user and system time of the children that it has waited for
}

// ParseStat parses the text of /proc/PID/stat.
//
// The command name may hold spaces and parentheses, so fields are counted from the last ')'.
// proc_pid_stat(5).
func ParseStat(b []byte) (Stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return Stat{}, fmt.Errorf("proc: parse stat %q: no command name", b)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b[:open])))
	if err != nil {
		return Stat{}, fmt.Errorf("proc: parse stat: pid: %w", err)
	}
	f := bytes.Fields(b[end+1:]) // f[0] is field 3, the state
	if len(f) < 20 {
		return Stat{}, fmt.Errorf("proc: parse stat of %d: %d fields after the name", pid, len(f))
	}
	s := Stat{Key: Key{PID: pid}, Comm: string(b[open+1 : end]), State: f[0][0]}
	var n [6]uint64
	for i, at := range [6]int{1, 11, 12, 13, 14, 19} { // ppid, utime, stime, cutime, cstime, starttime
		if n[i], err = strconv.ParseUint(string(f[at]), 10, 64); err != nil {
			return Stat{}, fmt.Errorf("proc: parse stat of %d: field %d: %w", pid, at+3, err)
		}
	}
	s.PPID, s.Start = int(n[0]), n[5]
	s.User = time.Duration(n[1]) * time.Second / ticksPerSecond
	s.System = time.Duration(n[2]) * time.Second / ticksPerSecond
	s.Reaped = time.Duration(n[3]+n[4]) * time.Second / ticksPerSecond
	return s, nil
}

// ReadStat reads the entry of one process.
func ReadStat(pid int) (Stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, fmt.Errorf("proc: stat of %d: %w", pid, err)
	}
	return ParseStat(b)
}

// Exe returns the path of the program that a process runs, "" when it cannot be read.
func Exe(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return path
}

// Tree returns root and all its live descendants; zombies are left out.
func Tree(root int) ([]Stat, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, fmt.Errorf("proc: list: %w", err)
	}
	all := make(map[int]Stat, len(paths))
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			continue // it left between the listing and now
		}
		s, err := ParseStat(b)
		if err != nil {
			return nil, err
		}
		all[s.PID] = s
	}
	return descendants(all, root), nil
}

// descendants picks root and what has it as an ancestor out of all.
func descendants(all map[int]Stat, root int) []Stat {
	var tree []Stat
	for _, s := range all {
		if s.State == 'Z' {
			continue
		}
		for p, depth := s, 0; depth < treeDepthMax; depth++ {
			if p.PID == root {
				tree = append(tree, s)
				break
			}
			next, ok := all[p.PPID]
			if !ok {
				break
			}
			p = next
		}
	}
	return tree
}
