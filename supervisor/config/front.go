package config

// ForFront is c without what no front needs to know, and no client of a front that is taken over may
// learn: sidecars, the admin API, and how the workers of pools are run.
func (c *Config) ForFront() *Config {
	out := *c
	out.Sidecars, out.Admin = nil, Admin{}
	out.Pools = make([]Pool, len(c.Pools))
	for i := range c.Pools {
		out.Pools[i] = c.Pools[i].forFront()
	}
	return &out
}

// forFront is p without its command, environment, account and surroundings.
func (p *Pool) forFront() Pool {
	out := *p
	out.Command, out.Program, out.Dir, out.Env = nil, "", "", Env{}
	out.Hang.Hook, out.RapidFail.Hook = nil, nil
	out.Recycle, out.Warmup, out.After = Recycle{}, nil, nil
	out.User, out.Umask, out.Nice, out.CPUs, out.NoNewPrivs = "", 0, 0, "", ""
	out.Rlimits, out.Cgroup, out.CPULimit, out.Output = Rlimits{}, Cgroup{}, CPULimit{}, Output{}
	return out
}
