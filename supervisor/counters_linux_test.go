package supervisor

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// A front must not be able to shorten the memory: the supervisor would die of SIGBUS.
func TestCountersSealed(t *testing.T) {
	c, err := NewCounters([]string{"a"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range []int64{0, 1 << 20} {
		if err := c.file.Truncate(size); !errors.Is(err, unix.EPERM) {
			t.Errorf("Truncate(%d) = %v; want %v", size, err, unix.EPERM)
		}
	}
}
