package supervisor

import "os"

// openFiles maps this process's descriptors to what they are.
func openFiles() map[string]string {
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	m := map[string]string{}
	for _, e := range dir {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			m[e.Name()] = target
		}
	}
	return m
}

func childPIDs() []int { return childrenOf(os.Getpid()) }
