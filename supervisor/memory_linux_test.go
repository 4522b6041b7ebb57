package supervisor

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMemoryFigures(t *testing.T) {
	const info = "MemTotal:       24683260 kB\nMemFree:        22392832 kB\nMemAvailable:   23993344 kB\n"
	for _, tt := range []struct {
		name string
		want uint64
	}{{"MemTotal:", 24683260 << 10}, {"MemAvailable:", 23993344 << 10}, {"MemOther:", 0}} {
		if got := meminfo([]byte(info), tt.name); got != tt.want {
			t.Errorf("meminfo %s = %d; want %d", tt.name, got, tt.want)
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
	m := readMemory()
	if m.total == 0 || m.available == 0 || m.available > m.total {
		t.Errorf("readMemory() = %+v; want figures", m)
	}
	if got := residentBytes(os.Getpid()); got < 1<<20 || got > m.total {
		t.Errorf("residentBytes of this test = %d", got)
	}
	if got := residentBytes(-1); got != 0 {
		t.Errorf("residentBytes of nobody = %d; want 0", got)
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
	for _, tt := range []struct {
		path        string
		total, left uint64
	}{
		{"/a/b", 200 * mib, 50 * mib}, {"/a", 200 * mib, 50 * mib}, {"/a/c/d", 100 * mib, 50 * mib},
		{"/wide", 1000 * mib, 500 * mib},
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

func TestMappings(t *testing.T) {
	for _, tt := range []struct {
		line string
		want addressRange
		ok   bool
	}{
		{"55d0c0a00000-55d0c0a02000 r--p 00000000 fe:00 1234   /bin/cat",
			addressRange{0x55d0c0a00000, 0x2000}, true},
		{"7ffd1a000000-7ffd1a021000 rw-p 00000000 00:00 0      [stack]",
			addressRange{0x7ffd1a000000, 0x21000}, true},
		{"7ffd1a1f0000-7ffd1a1f2000 r-xp 00000000 00:00 0      [vdso]", addressRange{}, false},
		{"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]", addressRange{}, false},
		{"nonsense", addressRange{}, false},
	} {
		got, ok := mappingOf(tt.line)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("mappingOf(%q) = %x, %t; want %x, %t", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

// TestPageOut: a stopped process gives memory back; a program of its own has pages that nobody else
// maps.
func TestPageOut(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "worker")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), "TEST_ROLE=mute")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()                                                   //nolint:errcheck // killed
	defer unix.Kill(c.Process.Pid, unix.SIGKILL)                     //nolint:errcheck // ours
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it has started
		t.Fatal(err)
	}
	if err := unix.Kill(c.Process.Pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p := &process{pid: c.Process.Pid}
	p.stopped.Store(true)
	before := residentBytes(p.pid)
	err = p.pageOut()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("this kernel or user cannot: %v", err)
	}
	if after := residentBytes(p.pid); err != nil || after > before-before/10 {
		t.Errorf("pageOut = %v, %d bytes resident; want nil, and less than %d", err, after, before)
	}
}
