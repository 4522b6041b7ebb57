package config

var sidecarKeys = []Key{
	{
		Path: "sidecars.*.command", Reload: Workers, expected: "a list such as [redis-server, --port, 0]",
		Doc: "Program and arguments of a sidecar, no shell.",
	},
	{
		Path: "sidecars.*.dir", Default: ".", Reload: Workers, expected: "a directory",
		Doc: "Working directory of the sidecar.",
	},
	{
		Path: "sidecars.*.env.inherit", Default: "true", Reload: Workers,
		Values: []string{"true", "false"},
		Doc:    "Start from the supervisor's environment (without Weir's own variables).",
	},
	{
		Path: "sidecars.*.env.keep", Reload: Workers, expected: "a list of names",
		Doc: "Variables taken over when env.inherit is false.",
	},
	{
		Path: "sidecars.*.env.set", Reload: Workers, expected: "a mapping of names to values",
		Doc: "Variables, winning over env.files, which win over inherited ones.",
	},
	{
		Path: "sidecars.*.env.files", Reload: Workers, expected: "a list of files",
		Doc: "Files of NAME=VALUE lines, read at every start; later files win.",
	},
	{
		Path: "sidecars.*.user", Reload: Workers, expected: "USER or USER:GROUP",
		Doc: "Account of the sidecar. Without it: user.",
	},
	{
		Path: "sidecars.*.restart", Default: "always",
		Values: []string{"always", "on-failure", "never"},
		Doc:    "Whether a sidecar that has ended is started again, with back-off.",
	},
	{
		Path: "sidecars.*.after", expected: "a list of sidecars",
		Doc: "Sidecars that must be up before this one is started; it is stopped before them.",
	},
	{
		Path: "sidecars.*.ready.probe", Default: "exec", Reload: Workers,
		Values: []string{"exec", "notify"},
		Doc:    "A sidecar is up once its program runs, or when it sends READY=1 to NOTIFY_SOCKET.",
	},
	{
		Path: "sidecars.*.ready.timeout", Default: "90s", allow: offOK,
		Doc: "How long a sidecar may take until it is up; then it is killed, a failure.",
	},
	{
		Path: "sidecars.*.stop_timeout", Default: "30s", allow: offOK,
		Doc: "From SIGTERM to SIGKILL.",
	},
	{
		Path: "sidecars.*.output.format", Default: "prefixed", Reload: Workers,
		Values: []string{"prefixed", "raw", "json"},
		Doc:    "Sidecar output in the log: sidecar/NAME: LINE, as it came, or JSON objects merged in.",
	},
	{
		Path: "sidecars.*.output.lines", Default: "10000/s", Reload: Workers, allow: offOK,
		Doc: "Lines per second; above, lines are dropped and counted.",
	},
}

// afterKeys are what pools have to say about sidecars.
var afterKeys = []Key{
	{
		Path: "pools.*.after", expected: "a list of sidecars",
		Doc: "Sidecars that must be up before the pool's first workers are started. Requests queue.",
	},
}
