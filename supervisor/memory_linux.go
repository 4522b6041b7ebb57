package supervisor

import (
	"bytes"
	"errors"
	"os"
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
	n, _ := kibField(b, "Pss:") // none: it is ending
	return int64(n), nil
}
