//go:build !linux

package proc

import (
	"syscall"
	"time"
)

const supported = false

func processClock(int) (time.Duration, error) { return 0, ErrUnsupported }

// CPUs returns the CPUs this process may use.
func CPUs() ([]int, error) { return nil, ErrUnsupported }

func setAffinity(int, []int) error { return ErrUnsupported }

// Pin moves every thread of a running process to one CPU.
func Pin(int, int) error { return ErrUnsupported }

func childAttr() *syscall.SysProcAttr { return nil }

// RaiseOpenFiles raises the soft limit of open files to the hard one and returns it.
func RaiseOpenFiles() (uint64, error) { return 0, ErrUnsupported }

// Kernel returns the kernel's release.
func Kernel() string { return "" }
