package config

var poolKeys = []Key{
	{
		Path: "pools.*.command", Reload: Workers, expected: "a list such as [python3, app.py]",
		Doc: "Program and arguments of a worker, no shell. {socket} and {port} are replaced. " +
			"Without it the workers are this binary, hosting the handler that the pool's apps name.",
	},
	{
		Path: "pools.*.dir", Default: ".", Reload: Workers, expected: "a directory",
		Doc: "Working directory of the workers.",
	},
	{
		Path: "pools.*.env.inherit", Default: "true", Reload: Workers,
		Values: []string{"true", "false"},
		Doc:    "Start from the supervisor's environment (without Weir's own variables).",
	},
	{
		Path: "pools.*.env.keep", Reload: Workers, expected: "a list of names",
		Doc: "Variables taken over when env.inherit is false.",
	},
	{
		Path: "pools.*.env.set", Reload: Workers, expected: "a mapping of names to values",
		Doc: "Variables, winning over env.files, which win over inherited ones.",
	},
	{
		Path: "pools.*.env.files", Reload: Workers, expected: "a list of files",
		Doc: "Files of NAME=VALUE lines, read at every spawn; later files win.",
	},
	{
		Path: "pools.*.dispatch", Default: "http", Reload: Workers,
		Values: []string{"http", "mux", "handoff", "reuseport"},
		Doc: "How requests reach the workers. http: HTTP/1.1 keep-alive over the worker's socket. " +
			"mux: many requests in one write, for programs of package worker; a pool without command " +
			"has it unless told otherwise, or its workers are asked by GETs (ready.probe, warmup). " +
			"handoff: the client's connection itself goes to a program of package worker, or one that " +
			"speaks protocol/handoff; the front does not see what it is answered. " +
			"reuseport: each worker accepts from a TCP socket of its own and no front is in between, " +
			"so there is no queue; for a pool without command that is all of one site.",
	},
	{
		Path: "pools.*.socket", Default: "path", Reload: Workers, Values: []string{"path", "inherit"},
		Doc: "path: the worker binds WEIR_SOCKET or PORT; inherit: it gets a listening socket as fd 3.",
	},
	{
		Path: "pools.*.start", Default: "always", Values: []string{"always", "on-demand", "manual"},
		Doc: "When the workers start: with the instance, with the first request, or by weir start POOL.",
	},
	{
		Path: "pools.*.concurrency", Default: "64", min: 1, max: slotsMax,
		Doc: "Requests a worker holds at once, over all loops; 1 for single-threaded programs.",
	},
	{
		Path: "pools.*.queue.length", Default: "1000", min: 1, max: queueMax,
		Doc: "Requests that may wait for a slot.",
	},
	{
		Path: "pools.*.queue.timeout", Default: "30s", allow: offOK,
		Doc: "How long a request waits for a slot; then 503 Timer_AppPool.",
	},
	{
		Path: "pools.*.queue.overload", Default: "respond", Values: []string{"respond", "reset"},
		Doc: "A request that finds the queue full gets 503 QueueFull, or its connection is reset.",
	},
	{
		Path: "pools.*.timeouts.connect", Default: "5s", allow: offOK,
		Doc: "Connecting to a worker; then another one, or 504 Timer_WorkerConnect.",
	},
	{
		Path: "pools.*.timeouts.first_byte", Default: "60s", allow: offOK,
		Doc: "From the last byte of the request to the first of the answer; then 504 Timer_Worker.",
	},
	{
		Path: "pools.*.timeouts.idle", Default: "60s", allow: offOK,
		Doc: "Between two bytes, either way; then 504 Timer_WorkerIdle.",
	},
	{
		Path: "pools.*.timeouts.total", Default: "off", allow: offOK,
		Doc: "The whole exchange with a worker, a tunnel excepted; then 504 Timer_WorkerTotal.",
	},
	{
		Path: "pools.*.timeouts.tunnel", Default: "1h", allow: offOK,
		Doc: "Once an Upgrade was answered by 101, or CONNECT by 2xx, the only clock: between two bytes, " +
			"either way; then the tunnel ends, Timer_Tunnel. Where one side has sent FIN, timeouts.idle if that is shorter, and at " +
			"most 2s for the client of a WebSocket.",
	},
	{
		Path: "pools.*.stop_timeout", Default: "30s", allow: offOK,
		Doc: "From SIGTERM to SIGKILL.",
	},
	{
		Path: "pools.*.output.format", Default: "prefixed", Values: []string{"prefixed", "raw", "json"},
		Doc: "Worker output in the log: POOL/N: LINE, as it came, or JSON objects merged in.",
	},
	{
		Path: "pools.*.output.lines", Default: "10000/s", allow: offOK,
		Doc: "Lines per second and worker; above, lines are dropped and counted.",
	},
}
