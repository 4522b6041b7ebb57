package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// readMemory reads /proc/meminfo and /proc/pressure/memory; what cannot be read is not known.
func readMemory() (m memoryView) {
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.total, m.available = meminfo(b, "MemTotal:"), meminfo(b, "MemAvailable:")
	}
	if b, err := os.ReadFile("/proc/pressure/memory"); err == nil {
		m.stalled, m.psi = pressureOf(b)
	}
	return m
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
