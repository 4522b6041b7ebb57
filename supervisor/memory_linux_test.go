package supervisor

import (
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
}
