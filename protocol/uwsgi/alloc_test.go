//go:build !race

package uwsgi

import "testing"

func TestAllocs(t *testing.T) {
	dst := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(1000, func() { _, _ = Close(variable(Open(dst), "A", "b"), 0) }); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
