//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"errors"
	"runtime"
	"time"
)

// cgroups are Linux's.
type cgroups struct{ process bool }

var errNoCgroups = errors.New("there are no cgroups on " + runtime.GOOS)

func (g *cgroups) make(WorkerRef, []cgroupFile) (string, error) { return "", errNoCgroups }

func (g *cgroups) close() {}

func killGroup(string) {}

func removeGroup(string) error { return nil }

func groupCPUTime(string) (time.Duration, error) { return 0, errNoCgroups }
