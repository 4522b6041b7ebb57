//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// cgroups are Linux's.
type cgroups struct{ process bool }

var errNoCgroups = errors.New("there are no cgroups on " + runtime.GOOS)

func (g *cgroups) make(_ WorkerRef, files []cgroupFile) (string, []error) {
	errs := make([]error, len(files))
	for i, f := range files {
		errs[i] = fmt.Errorf("%s: %w", f.key, errNoCgroups)
	}
	return "", errs
}

func (g *cgroups) close() {}

func killGroup(string) {}

func removeGroup(string) error { return nil }

func groupOOM(string) bool { return false }

func groupCPUTime(string) (time.Duration, error) { return 0, errNoCgroups }
