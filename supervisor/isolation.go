package supervisor

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"weir/supervisor/config"
)

// Isolation sets a pool's workers apart from everything else on the machine. The zero value of every
// field is its default. All of it is fixed when a worker starts. The account is PoolConfig.User.
type Isolation struct {
	Umask    *config.Mode    // nil is 0022
	Nice     int             // added to the supervisor's own
	CPUs     config.CPUs     // "" is all of the supervisor's
	NewPrivs bool            // set-user-id programs work in the workers
	Rlimits  config.Rlimits  // the zero value is what this process was started with
	Cgroup   config.Cgroup   // the zero value is no limit
	CPULimit config.CPULimit // percent 0 is off; interval 0 is 5 m; action "" is log
}

func isolationFrom(c *config.Pool) Isolation {
	return Isolation{
		Umask: &c.Umask, Nice: c.Nice, CPUs: c.CPUs, NewPrivs: c.NoNewPrivs.IsOff(), Rlimits: c.Rlimits,
		Cgroup: c.Cgroup, CPULimit: c.CPULimit,
	}
}

// withDefaults is i with every zero field that has a default replaced by it.
func (i Isolation) withDefaults() Isolation {
	umask := config.Mode(workerUmask)
	if i.Umask == nil {
		i.Umask = &umask
	}
	setDefault(&i.CPUs, config.CPUsAll)
	setDefault(&i.Cgroup.Memory, config.SizeOff)
	setDefault(&i.Cgroup.PIDs, config.CountOff)
	setDefault(&i.CPULimit.Percent, config.CPUPercentOff)
	setDefault(&i.CPULimit.Interval, config.Duration(defaultCPUInterval))
	setDefault(&i.CPULimit.Action, config.CPULog)
	return i
}

// validate reports what no worker could be started with.
func (i *Isolation) validate() error {
	if i.CPUs != "" {
		if _, err := config.ParseCPUs(string(i.CPUs)); err != nil {
			return fmt.Errorf("cpus: %w", err)
		}
	}
	if i.Nice < -20 || i.Nice > 19 {
		return fmt.Errorf("nice: %d is not from -20 to 19", i.Nice)
	}
	if d := i.CPULimit.Interval; d != 0 && d.Std() < cpuIntervalMin {
		return fmt.Errorf("cpu_limit.interval: %s is below %s", d, cpuIntervalMin)
	}
	return nil
}

func (i *Isolation) same(o *Isolation) bool { return reflect.DeepEqual(i, o) }

// order is what the spawn helper is told.
func (i *Isolation) order(cpus []int, cgroup string) isolationOrder {
	o := isolationOrder{cgroup: cgroup, umask: workerUmask, nice: i.Nice, cpus: cpus,
		newPrivs: i.NewPrivs}
	if i.Umask != nil {
		o.umask = int(*i.Umask)
	}
	r := &i.Rlimits
	for _, l := range []struct {
		name  string
		limit interface{ Limit() (uint64, bool, bool) }
	}{
		{"nofile", r.NoFile}, {"nproc", r.NProc}, {"core", r.Core}, {"as", r.AS}, {"fsize", r.FSize},
		{"stack", r.Stack}, {"memlock", r.MemLock},
	} {
		if n, off, set := l.limit.Limit(); set {
			o.limits = append(o.limits, rlimitOrder{name: l.name, n: n, off: off})
		}
	}
	return o
}

// goVariables tells a Go program of its limits, which its runtime would otherwise find out by running
// into them. Variables that the environment has already win.
func (i *Isolation) goVariables(environ []string, cpus []int) []string {
	procs := len(cpus) // 0: all
	if l := i.CPULimit; !l.Percent.IsOff() && l.Action != config.CPUThrottleUnderLoad {
		share := (int(l.Percent) + 99) / 100
		if procs == 0 || share < procs {
			procs = share
		}
	}
	if procs > 0 {
		environ = withVariable(environ, "GOMAXPROCS", strconv.Itoa(procs))
	}
	if m := i.Cgroup.Memory; m > 0 {
		environ = withVariable(environ, "GOMEMLIMIT", strconv.FormatInt(int64(m)/10*9, 10)+"B")
	}
	return environ
}

// withVariable adds a variable that environ has not.
func withVariable(environ []string, name, value string) []string {
	if slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, name+"=") }) {
		return environ
	}
	return append(environ, name+"="+value)
}

// cgroupFile is one limit as a cgroup takes it.
type cgroupFile struct {
	key        string // of the configuration
	controller string
	name       string
	value      string
}

// cgroupFiles are the limits that need a cgroup.
func (i *Isolation) cgroupFiles() (files []cgroupFile) {
	if m := i.Cgroup.Memory; m > 0 {
		files = append(files, cgroupFile{"cgroup.memory", "memory", "memory.max",
			strconv.FormatInt(int64(m), 10)})
	}
	if n := i.Cgroup.PIDs; n > 0 {
		files = append(files, cgroupFile{"cgroup.pids", "pids", "pids.max", strconv.Itoa(int(n))})
	}
	percent := int(i.CPULimit.Percent)
	switch {
	case percent <= 0:
	case i.CPULimit.Action == config.CPUThrottle:
		quota := strconv.Itoa(percent * cgroupPeriodUS / 100)
		files = append(files, cgroupFile{"cpu_limit.action throttle", "cpu", "cpu.max",
			quota + " " + strconv.Itoa(cgroupPeriodUS)})
	case i.CPULimit.Action == config.CPUThrottleUnderLoad:
		files = append(files, cgroupFile{"cpu_limit.action throttle-under-load", "cpu", "cpu.weight",
			strconv.Itoa(min(percent, cgroupWeightMax))})
	}
	return files
}
