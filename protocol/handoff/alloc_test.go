//go:build !race

package handoff

import "testing"

func TestAllocs(t *testing.T) {
	dst := make([]byte, 0, 1024)
	var m Message
	if n := testing.AllocsPerRun(1000, func() {
		b, err := Append(dst, &messages[4])
		if err == nil {
			err = Parse(b, &m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
