package config

// startKeys are of the start of workers.
var startKeys = []Key{
	{
		Path: "pools.*.ready.probe", Default: "connect",
		expected: "connect, notify, or {http: /healthz, status: 200}",
		Doc: "A worker is ready when its socket accepts, when it sends READY=1 to NOTIFY_SOCKET, or " +
			"when a GET is answered with the expected status.",
	},
	{
		Path: "pools.*.ready.probe.http", expected: "a path such as /healthz",
		Doc: "The GET that a ready worker answers.",
	},
	{
		Path: "pools.*.ready.probe.status", min: statusMin, max: statusMax,
		Doc: "The status of its answer, 200 if nothing is said.",
	},
	{
		Path: "pools.*.ready.timeout", Default: "90s", allow: offOK,
		Doc: "How long a worker may take until it is ready and warm; then it is killed, a failure.",
	},
	{
		Path: "pools.*.warmup", expected: "a list such as [{path: /, host: example.org, status: 200}]",
		Doc: "GETs that a ready worker must answer before it takes requests, one after the other; one " +
			"that fails is a failure to start.",
	},
	{
		Path: "pools.*.warmup[].path", expected: "a path such as /", Doc: "What is asked for.",
	},
	{
		Path: "pools.*.warmup[].host", Default: "localhost", expected: "a host such as example.org",
		Doc: "The Host of the request.",
	},
	{
		Path: "pools.*.warmup[].status", Default: "200", min: statusMin, max: statusMax,
		Doc: "The status that the answer must have.",
	},
	{
		Path: "pools.*.warmup[].timeout", Default: "30s", allow: offOK,
		Doc: "How long the answer may take.",
	},
	{
		Path: "pools.*.slow_start", Default: "off", allow: offOK,
		Doc: "How long a fresh worker takes to get its full share of requests.",
	},
	{
		Path: "limits.starts", Default: "auto", allow: autoOK, min: 1, max: startsMax,
		Doc: "Workers of all pools that may be starting at once; others wait for their turn. " +
			"auto: twice the CPU quota.",
	},
	{
		Path: "limits.workers", Default: "off", allow: offOK, min: 1, max: allWorkersMax,
		Doc: "Workers of all pools together beyond which none is started by load or on demand. What the " +
			"configuration asks for without load (a number, min) is started all the same, and counts.",
	},
}

// scaleKeys are of the number of workers.
var scaleKeys = []Key{
	{
		Path: "pools.*.workers", Default: "1", allow: autoOK, min: 1, max: workersMax,
		expected: "a number from 1 to 4096, or {min: 1, max: 8, spare: 0}",
		Doc:      "Worker processes, or the bounds between which they are scaled. auto: the CPU quota.",
	},
	{
		Path: "pools.*.workers.min", min: 0, max: workersMax,
		Doc: "Fewest workers. 0: none while nothing is asked of the pool; the next request waits for one.",
	},
	{
		Path: "pools.*.workers.max", allow: autoOK, min: 1, max: workersMax, Doc: "Most workers.",
	},
	{
		Path: "pools.*.workers.spare", min: 0, max: workersMax,
		Doc: "Ready workers without a request that are kept ahead of demand.",
	},
	{
		Path: "pools.*.scale.wait", Default: "100ms", allow: offOK,
		Doc: "A request that has waited longer in the queue asks for more workers.",
	},
	{
		Path: "pools.*.scale.busy", Default: "80%", min: 1, max: 100,
		Doc: "More of the slots in use than this asks for more workers.",
	},
	{
		Path: "pools.*.scale.step", Default: "1", min: 1, max: workersMax,
		Doc: "Workers added at a time; the next step waits until they are ready.",
	},
	{
		Path: "pools.*.scale.cooldown", Default: "10s",
		Doc: "A worker fewer after low load for so long; the one that was idle longest is drained.",
	},
	{
		Path: "pools.*.scale.memory", Default: "on", Values: onOff,
		Doc: "No worker is added that the available memory would not hold, going by the largest.",
	},
	{
		Path: "pools.*.idle.after", Default: "off", allow: offOK,
		Doc: "A worker that held and completed nothing for so long is idle.",
	},
	{
		Path: "pools.*.idle.action", Default: "terminate", Values: []string{"terminate", "suspend"},
		Doc: "terminate: idle workers end, down to workers.min, or to none with start: on-demand. " +
			"suspend: they are stopped and paged out until a request waits.",
	},
	{
		Path: "pools.*.idle.pressure", Default: "off", Values: onOff,
		Doc: "Divide idle.after by up to 32 while memory is scarce (PSI, or memory in use).",
	},
}
