package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// readMemory is the memory of process groups, by their leaders' pids: one pass over /proc. A group of
// which nothing can be read is left out.
func readMemory(leaders []int, pss bool) (map[int]usage, error) {
	out := make(map[int]usage, len(leaders))
	for _, pid := range leaders {
		out[pid] = usage{}
	}
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	page := int64(os.Getpagesize())
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		group, pages, err := readResident(pid)
		u, ours := out[group]
		if err != nil || !ours {
			continue // ended meanwhile, or somebody else's
		}
		u.rss += pages * page
		if pss {
			n, e := readPSS(pid)
			if e != nil && !errors.Is(e, os.ErrNotExist) && !errors.Is(e, syscall.ESRCH) {
				return nil, e
			}
			u.pss += n
		}
		out[group] = u
	}
	for pid, u := range out {
		if u == (usage{}) {
			delete(out, pid)
		}
	}
	return out, nil
}

// readResident is a process's group and resident pages (proc_pid_stat(5), fields 5 and 24).
func readResident(pid int) (group int, pages int64, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	i := bytes.LastIndexByte(b, ')') // the program's name may hold anything
	if i < 0 {
		return 0, 0, errors.New("supervisor: /proc stat: no name")
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 22 {
		return 0, 0, errors.New("supervisor: /proc stat: too short")
	}
	if group, err = strconv.Atoi(f[2]); err != nil {
		return 0, 0, err
	}
	pages, err = strconv.ParseInt(f[21], 10, 64)
	return group, pages, err
}

// readPSS is a process's proportional share in bytes.
func readPSS(pid int) (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	return kilobytes(b, "Pss:")
}

// kilobytes is the line of a /proc file that begins with name, in bytes.
func kilobytes(b []byte, name string) (int64, error) {
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("supervisor: no %s", name)
}

// freeMemory is what one more process may use: of the machine, and of every control group that this
// process is in; -1 if nobody knows.
func freeMemory() int64 {
	free := int64(-1)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if n, err := kilobytes(b, "MemAvailable:"); err == nil {
			free = n
		}
	}
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return free
	}
	for line := range strings.Lines(string(b)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::") // version 2
		if !ok {
			continue
		}
		for ; ; group = path.Dir(group) {
			if n, ok := groupFree("/sys/fs/cgroup" + group); ok && (free < 0 || n < free) {
				free = n
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	return free
}

// groupFree is what a control group may still use: page cache that is not in use counts as free.
func groupFree(dir string) (int64, bool) {
	limit, err := readNumber(dir + "/memory.max") // "max" is no number
	if err != nil {
		return 0, false
	}
	used, err := readNumber(dir + "/memory.current")
	if err != nil {
		return 0, false
	}
	b, err := os.ReadFile(dir + "/memory.stat")
	if err != nil {
		return max(0, limit-used), true
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "inactive_file "); ok {
			cache, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64) // 0 is the safe side
			used -= cache
		}
	}
	return max(0, limit-used), true
}

func readNumber(file string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}
