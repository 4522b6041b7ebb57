package config

import (
	"fmt"
	"time"
)

// cpuIntervalMin: the kernel counts processor time in hundredths of a second.
const cpuIntervalMin = Duration(time.Second)

func (r *resolver) checkIsolation(key string, p *Pool) {
	r.checkUser(key+".user", p.User)
	if p.CPULimit.Interval < cpuIntervalMin {
		r.problem(key+".cpu_limit.interval", fmt.Sprintf("%q is below the minimum of %s",
			p.CPULimit.Interval, cpuIntervalMin), "", "")
	}
}
