package supervisor

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestReadMemory(t *testing.T) {
	group := syscall.Getpgrp()
	m, err := readMemory([]int{group, 1 << 22}, true)
	if err != nil {
		t.Fatal(err)
	}
	u := m[group]
	if u.rss < 1<<20 || u.pss <= 0 || u.pss > u.rss+64<<20 {
		t.Errorf("this process group uses %+v; want at least 1 MiB, and a part of that", u)
	}
	if len(m) != 1 {
		t.Errorf("%v; want nothing of a group that does not exist", m)
	}
	if n := freeMemory(); n <= 0 {
		t.Errorf("free memory %d; want some", n)
	}
}

func TestGroupFree(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("memory.max", "max\n")
	put("memory.current", "700\n")
	if n, ok := groupFree(dir); ok {
		t.Errorf("without a limit: %d; want none known", n)
	}
	put("memory.max", "1000\n")
	if n, ok := groupFree(dir); n != 300 || !ok {
		t.Errorf("without statistics: %d, %t; want 300", n, ok)
	}
	put("memory.stat", "anon 1\ninactive_file 200\nactive_file 3\n")
	if n, ok := groupFree(dir); n != 500 || !ok {
		t.Errorf("with page cache: %d, %t; want 500", n, ok)
	}
	put("memory.current", "1900\n")
	if n, ok := groupFree(dir); n != 0 || !ok {
		t.Errorf("above the limit: %d, %t; want 0", n, ok)
	}
}
