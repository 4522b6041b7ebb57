package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryFigures(t *testing.T) {
	const info = "MemTotal:       24683260 kB\nMemFree:        22392832 kB\nMemAvailable:   23993344 kB\n"
	for _, tt := range []struct {
		name string
		want uint64
		ok   bool
	}{
		{"MemTotal:", 24683260 << 10, true}, {"MemAvailable:", 23993344 << 10, true},
		{"MemOther:", 0, false}, {"Mem", 0, false},
	} {
		if got, ok := kibField([]byte(info), tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("kibField %s = %d, %t; want %d, %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	for _, tt := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00 avg60=0\n", 12.34, true},
		{"some avg10=0.00 avg60=1.00\n", 0, true}, {"", 0, false}, {"full avg10=3.00\n", 0, false},
	} {
		if got, ok := pressureOf([]byte(tt.text)); got != tt.want || ok != tt.ok {
			t.Errorf("pressureOf(%q) = %v, %t; want %v, %t", tt.text, got, ok, tt.want, tt.ok)
		}
	}
	m := viewMemory()
	if m.total == 0 || m.available == 0 || m.available > m.total || m.free() != int64(m.available) {
		t.Errorf("viewMemory() = %+v; want figures", m)
	}
	if m = (memoryView{}); m.free() != -1 {
		t.Errorf("free of a machine that tells nothing = %d; want -1", m.free())
	}
}

// A limit of our cgroup, or of one above it, is what counts where it is tighter than the machine.
func TestMemoryOfCgroup(t *testing.T) {
	const mib = 1 << 20
	root := t.TempDir()
	put := func(dir, name, text string) {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("a/b", "memory.max", "max\n")
	put("a", "memory.max", "209715200\n") // 200 MiB
	put("a", "memory.current", "157286400\n")
	put("a", "memory.stat", "anon 1\nactive_file 7\ninactive_file 52428800\n")
	put("a/c", "memory.max", "104857600\n") // 100 MiB, none used; its parent has less left than that
	put("a/c/d", "memory.max", "max\n")
	put("a", "memory.current", "209715200\n")
	put("wide", "memory.max", "2147483648\n")
	put("plain", "memory.max", "104857600\n") // no statistics
	put("plain", "memory.current", "73400320\n")
	put("over", "memory.max", "104857600\n")
	put("over", "memory.current", "115343360\n")
	for _, tt := range []struct {
		path        string
		total, left uint64
	}{
		{"/a/b", 200 * mib, 50 * mib}, {"/a", 200 * mib, 50 * mib}, {"/a/c/d", 100 * mib, 50 * mib},
		{"/wide", 1000 * mib, 500 * mib}, {"/plain", 100 * mib, 30 * mib}, {"/over", 100 * mib, 0},
		{"/gone", 1000 * mib, 500 * mib}, {"/", 1000 * mib, 500 * mib},
	} {
		m := memoryView{total: 1000 * mib, available: 500 * mib}
		m.narrow(root, cgroupOf([]byte("4:cpu:/x\n0::"+tt.path+"\n")))
		if m.total != tt.total || m.available != tt.left {
			t.Errorf("%s: total %d, available %d MiB; want %d, %d", tt.path, m.total/mib,
				m.available/mib, tt.total/mib, tt.left/mib)
		}
	}
}
