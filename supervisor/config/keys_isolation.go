package config

const (
	expectCount = "a number, off or inherit"
	expectSize  = "a size such as 64MiB, off or inherit"
)

// isolationKeys are of what sets a pool's workers apart from everything else on the machine.
var isolationKeys = []Key{
	{
		Path: "pools.*.user", Reload: Workers, expected: "USER or USER:GROUP",
		Doc: "Account of the workers, without supplementary groups; GROUP in place of the user's own. " +
			"Without it: user. Weir must run as root.",
	},
	{
		Path: "pools.*.umask", Default: `"0022"`, Reload: Workers, expected: `an octal mask such as "0022"`,
		Doc: "Permissions that files made by the workers do not get.",
	},
	{
		Path: "pools.*.nice", Default: "0", Reload: Workers, min: -20, max: 19,
		Doc: "Added to Weir's own niceness; below 0 needs root.",
	},
	{
		Path: "pools.*.cpus", Default: "all", Reload: Workers,
		expected: "all, spread, nodes or a list such as 0-3,8",
		Doc: "Processors of the workers (Linux): all of Weir's, one per worker (spread), those of one " +
			"NUMA node per worker (nodes), or these.",
	},
	{
		Path: "pools.*.no_new_privs", Default: "on", Reload: Workers, Values: onOff,
		Doc: "Set-user-id programs and file capabilities give the workers nothing (Linux).",
	},
	{
		Path: "pools.*.rlimits.nofile", Default: "inherit", Reload: Workers, expected: expectCount,
		Doc: "Open files of a worker. inherit: what Weir was started with. Soft and hard limit alike.",
	},
	{
		Path: "pools.*.rlimits.nproc", Default: "inherit", Reload: Workers, expected: expectCount,
		Doc: "Processes and threads of the workers' user on the whole machine; root has no such limit.",
	},
	{
		Path: "pools.*.rlimits.core", Default: "inherit", Reload: Workers, expected: expectSize,
		Doc: "Largest core dump; 0B: none. off is no limit.",
	},
	{
		Path: "pools.*.rlimits.as", Default: "inherit", Reload: Workers, expected: expectSize,
		Doc: "Address space of a worker. Go and Java reserve much more than they use.",
	},
	{
		Path: "pools.*.rlimits.fsize", Default: "inherit", Reload: Workers, expected: expectSize,
		Doc: "Largest file that a worker writes.",
	},
	{
		Path: "pools.*.rlimits.stack", Default: "inherit", Reload: Workers, expected: expectSize,
		Doc: "Stack of a worker's first thread.",
	},
	{
		Path: "pools.*.rlimits.memlock", Default: "inherit", Reload: Workers, expected: expectSize,
		Doc: "Memory that a worker may lock.",
	},
	{
		Path: "pools.*.cgroup.memory", Default: "off", Reload: Workers, allow: offOK, min: cgroupMemoryMin,
		Doc: "Memory of a worker with its descendants (memory.max); above, the kernel ends them. " +
			"Go workers get GOMEMLIMIT at nine tenths of it.",
	},
	{
		Path: "pools.*.cgroup.pids", Default: "off", Reload: Workers, allow: offOK, min: 1, max: pidsMax,
		Doc: "Processes and threads of a worker with its descendants (pids.max).",
	},
	{
		Path: "pools.*.cpu_limit.percent", Default: "off", Reload: Workers,
		expected: "a percentage of one processor such as 150%, or off",
		Doc:      "Processor time of each worker. Go workers get GOMAXPROCS to match.",
	},
	{
		Path: "pools.*.cpu_limit.interval", Default: "5m", Reload: Workers,
		Doc: "Time over which the actions log and kill measure; at least 1s.",
	},
	{
		Path: "pools.*.cpu_limit.action", Default: "log", Reload: Workers,
		Values: []string{"log", "kill", "throttle", "throttle-under-load"},
		Doc: "A worker above cpu_limit.percent is logged, or drained and replaced; throttle: the kernel " +
			"gives it no more (cpu.max); throttle-under-load: only while others want it (cpu.weight).",
	},
}
