package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// readMemory reads /proc/meminfo, the limits of our cgroup and /proc/pressure/memory; what cannot be
// read is not known.
func readMemory() (m memoryView) {
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.total, m.available = meminfo(b, "MemTotal:"), meminfo(b, "MemAvailable:")
	}
	if b, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		m.narrow("/sys/fs/cgroup", cgroupOf(b))
	}
	if b, err := os.ReadFile("/proc/pressure/memory"); err == nil {
		m.stalled, m.psi = pressureOf(b)
	}
	return m
}

// cgroupOf is our path in the unified hierarchy by /proc/self/cgroup: "0::/system.slice/weir.service".
func cgroupOf(b []byte) string {
	for line := range bytes.Lines(b) {
		if p, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("0::")); ok {
			return string(p)
		}
	}
	return "/"
}

// narrow makes m what is left to the cgroup at dir below root: by its own limit and those above it,
// where they are below the machine's memory. Cache that is not in use counts as available.
func (m *memoryView) narrow(root, dir string) {
	machine := m.total
	for range cgroupDepthMax {
		at := filepath.Join(root, dir)
		if limit := number(at, "memory.max"); limit > 0 && limit < machine {
			used := number(at, "memory.current")
			used -= min(used, cgroupStat(at, "inactive_file "))
			m.total = min(m.total, limit)
			m.available = min(m.available, limit-min(used, limit))
		}
		if dir == "/" || dir == "." {
			return
		}
		dir = filepath.Dir(dir)
	}
}

// number is the content of a file of a cgroup; 0 for max, and where there is none.
func number(dir, name string) uint64 {
	b, _ := os.ReadFile(filepath.Join(dir, name)) // none: not limited here
	n, _ := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	return n
}

// cgroupStat is one line of memory.stat.
func cgroupStat(dir, name string) uint64 {
	b, _ := os.ReadFile(filepath.Join(dir, "memory.stat")) // none: nothing is known of it
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, _ := strconv.ParseUint(string(bytes.TrimSpace(v)), 10, 64) // 0: not known
			return n
		}
	}
	return 0
}

// meminfo is one field of /proc/meminfo in bytes; 0 if it is not there.
func meminfo(b []byte, name string) uint64 {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if !ok {
			continue
		}
		kib, _ := strconv.ParseUint(string(bytes.Fields(rest)[0]), 10, 64) // 0: not known
		return kib << 10
	}
	return 0
}

// pressureOf is avg10 of the line some: "some avg10=0.12 avg60=…".
func pressureOf(b []byte) (percent float64, ok bool) {
	_, err := fmt.Fscanf(bytes.NewReader(b), "some avg10=%f", &percent)
	return percent, err == nil
}

// residentBytes is the second field of /proc/PID/statm in bytes; 0 if it cannot be read.
func residentBytes(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(f[1]), 10, 64) // 0: not known
	return pages * uint64(os.Getpagesize())
}
