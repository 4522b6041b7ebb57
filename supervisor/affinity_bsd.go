//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// niceness is this process's.
func niceness() (int, error) { return unix.Getpriority(unix.PRIO_PROCESS, 0) }

var errNoAffinity = errors.New("workers cannot be bound to processors on " + runtime.GOOS)

func setAffinity([]int) error { return errNoAffinity }

func ownCPUs() ([]int, error) { return nil, errNoAffinity }

func numaNodes(own []int) [][]int { return [][]int{own} }
