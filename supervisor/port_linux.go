package supervisor

import (
	"fmt"
	"os"
)

// localPortRange is net.ipv4.ip_local_port_range, which holds for IPv6 too.
func localPortRange() (low, high int) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 32768, 60999 // the kernel's default
	}
	if _, err := fmt.Sscan(string(b), &low, &high); err != nil {
		return 32768, 60999
	}
	return low, high
}
