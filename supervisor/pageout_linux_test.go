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
	resident := func() int64 {
		_, pages, err := readResident(p.pid)
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	before := resident()
	err = p.pageOut()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("this kernel or user cannot: %v", err)
	}
	if after := resident(); err != nil || after > before-before/10 {
		t.Errorf("pageOut = %v, %d pages resident; want nil, and less than %d", err, after, before)
	}
}
