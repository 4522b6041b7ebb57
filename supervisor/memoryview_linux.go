package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// viewMemory reads /proc/meminfo, the limits of our cgroup and /proc/pressure/memory; what cannot be
// read is not known.
func viewMemory() (m memoryView) {
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		total, known := kibField(b, "MemTotal:")
		if available, ok := kibField(b, "MemAvailable:"); ok && known {
			m.total, m.available = total, available
		}
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

// kibField is a field of a file of /proc that counts KiB ("MemTotal:  24683260 kB"), in bytes.
func kibField(b []byte, name string) (n uint64, ok bool) {
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == name {
			kib, err := strconv.ParseUint(string(f[1]), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// pressureOf is avg10 of the line some: "some avg10=0.12 avg60=…".
func pressureOf(b []byte) (percent float64, ok bool) {
	_, err := fmt.Fscanf(bytes.NewReader(b), "some avg10=%f", &percent)
	return percent, err == nil
}
