package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const supported = true

// cpuClockSched selects sum_exec_runtime of the whole thread group in a process's clock id:
// (~pid << 3) | CPUCLOCK_SCHED. include/linux/posix-timers_types.h.
const cpuClockSched = 2

func processClock(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &ts); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(ts.Nano()), nil
}

// CPUs returns the CPUs this process may use.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var cpus []int
	for c := range len(set) * 64 {
		if set.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	return cpus, nil
}

// setAffinity moves a thread (0: the caller's) to cpus.
func setAffinity(tid int, cpus []int) error {
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(tid, &set))
}

// Pin moves every thread of a running process to one CPU; threads it starts later inherit that.
func Pin(pid, cpu int) error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return fmt.Errorf("proc: threads of %d: %w", pid, err)
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			return fmt.Errorf("proc: threads of %d: %w", pid, err)
		}
		if err := setAffinity(tid, []int{cpu}); err != nil {
			return fmt.Errorf("proc: pin thread %d to CPU %d: %w", tid, cpu, err)
		}
	}
	return nil
}

// childAttr puts a child in its own process group, so that ^C reaches only the bench, and kills it
// when the spawner's thread ends, which is when the bench ends.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// RaiseOpenFiles raises the soft limit of open files to the hard one, for us and for what we start,
// and returns it.
func RaiseOpenFiles() (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	r.Cur = r.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, os.NewSyscallError("setrlimit", err)
	}
	return r.Cur, nil
}

// Kernel returns the kernel's release.
func Kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "" // cannot fail with a valid buffer
	}
	return unix.ByteSliceToString(u.Release[:])
}
