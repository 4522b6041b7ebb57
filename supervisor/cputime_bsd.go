//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"errors"
	"runtime"
	"time"
)

func processCPUTime(int) (time.Duration, error) {
	return 0, errors.New("the processor time of a process cannot be seen on " + runtime.GOOS)
}
