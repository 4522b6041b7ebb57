package supervisor

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func dupFile(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

func TestCountersShared(t *testing.T) {
	names := []string{"requests", "bytes", "conns"}
	sup, err := NewCounters(names, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer sup.Close()
	first, err := OpenCounters(dupFile(t, sup.file), names)
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Rows(); got != 3 {
		t.Fatalf("Rows() = %d; want 3", got)
	}
	for loop := range 3 {
		row := first.Row(loop)
		if len(row) != 3 || cap(row) != 3 {
			t.Fatalf("Row(%d): len %d, cap %d; want 3, 3", loop, len(row), cap(row))
		}
		row[0] += uint64(10 * (loop + 1))
		row[2] = 1
	}
	if err := first.Close(); err != nil { // a front that crashed: what it counted stays
		t.Fatal(err)
	}
	second, err := OpenCounters(dupFile(t, sup.file), names)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.Row(1)[0] += 5
	want := map[string]uint64{"requests": 65, "bytes": 0, "conns": 3, "unknown": 0}
	for name, n := range want {
		if got := sup.Read(name); got != n {
			t.Errorf("Read(%q) = %d; want %d", name, got, n)
		}
	}
	seen := 0
	sup.Each(func(name string, sum uint64) {
		if name != names[seen] || sum != want[name] {
			t.Errorf("Each: %d: %q, %d; want %q, %d", seen, name, sum, names[seen], want[name])
		}
		seen++
	})
	if seen != len(names) {
		t.Errorf("Each called %d times; want %d", seen, len(names))
	}
}

func TestCountersRowsDoNotShareLines(t *testing.T) {
	for _, tc := range []struct{ names, want int }{{0, 128}, {1, 128}, {16, 128}, {17, 256}} {
		if got := counterStride(tc.names); got != tc.want {
			t.Errorf("counterStride(%d) = %d; want %d", tc.names, got, tc.want)
		}
	}
}

func TestCountersMismatch(t *testing.T) {
	c, err := NewCounters([]string{"a", "b"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, names := range [][]string{{"a"}, {"b", "a"}, {"ab"}, {"a", "b", "c"}} {
		if _, err := OpenCounters(dupFile(t, c.file), names); !errors.Is(err, ErrCountersMismatch) {
			t.Errorf("OpenCounters(%q) = %v; want %v", names, err, ErrCountersMismatch)
		}
	}
	c.mem[0] = 'X'
	if _, err := OpenCounters(dupFile(t, c.file), c.names); !errors.Is(err, ErrCountersMismatch) {
		t.Errorf("OpenCounters with bad magic = %v; want %v", err, ErrCountersMismatch)
	}
}

func TestCountersRefuses(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		names []string
		rows  int
	}{
		{"no rows", []string{"a"}, 0},
		{"too many rows", []string{"a"}, loopsMax + 1},
		{"empty name", []string{""}, 1},
		{"too many names", make([]string, counterNamesMax+1), 1},
	} {
		if _, err := NewCounters(tc.names, tc.rows); err == nil {
			t.Errorf("%s: NewCounters succeeded", tc.desc)
		}
	}
}
