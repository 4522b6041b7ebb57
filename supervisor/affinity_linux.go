package supervisor

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// niceness is that of the calling thread; the system call returns 20 less it.
func niceness() (int, error) {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	return 20 - n, err
}

// setAffinity binds the calling thread, and what it executes, to cpus. The kernel ignores processors
// that do not exist or that a cpuset forbids: a worker on fewer than it was given is an error.
func setAffinity(cpus []int) error {
	var want, got unix.CPUSet
	for _, n := range cpus {
		want.Set(n)
	}
	err := unix.SchedSetaffinity(0, &want)
	if err == nil {
		err = unix.SchedGetaffinity(0, &got)
	}
	if err != nil && err != unix.EINVAL { // EINVAL: none of them
		return os.NewSyscallError("sched_setaffinity", err)
	}
	var missing []int
	for _, n := range cpus {
		if !got.IsSet(n) {
			missing = append(missing, n)
		}
	}
	if missing != nil {
		return fmt.Errorf("no processor %s for Weir on this machine", joinInts(missing))
	}
	return nil
}

// ownCPUs are the processors that this process may use.
func ownCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	cpus := make([]int, 0, set.Count())
	for n := 0; len(cpus) < set.Count(); n++ {
		if set.IsSet(n) {
			cpus = append(cpus, n)
		}
	}
	return cpus, nil
}

// numaNodes are the processors of each NUMA node, of those in own; one node where nothing tells.
func numaNodes(own []int) [][]int {
	var nodes [][]int
	const dir = "/sys/devices/system/node/"
	online, err := readCPUList(dir + "online")
	if err != nil || len(online) == 0 {
		return [][]int{own}
	}
	for _, i := range online {
		list, err := readCPUList(dir + "node" + strconv.Itoa(i) + "/cpulist")
		if err != nil {
			continue // a node without processors
		}
		list = slices.DeleteFunc(list, func(n int) bool { return !slices.Contains(own, n) })
		if len(list) > 0 {
			nodes = append(nodes, list)
		}
	}
	if nodes == nil {
		return [][]int{own}
	}
	return nodes
}

func readCPUList(path string) ([]int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return config.ParseCPUList(strings.TrimSpace(string(b)))
}
