package config

// balanceKeys are about which worker a request goes to, and when.
var balanceKeys = []Key{
	{
		Path: "pools.*.balance", Default: "least-in-flight", expected: balanceExpected,
		Doc: "How a worker with a free slot is chosen. hash: requests with the same key go to the same " +
			"worker unless it has over 1.25 times the mean; sticky: a signed cookie names the worker.",
	},
	{
		Path: "pools.*.balance.hash", expected: hashExpected,
		Doc: "What requests must have in common to go to the same worker.",
	},
	{
		Path: "pools.*.queue.policy", Default: "fifo", Values: []string{"fifo", "lifo"},
		Doc: "Who is next. lifo: the newest, as soon as the oldest has waited for half of queue.timeout.",
	},
	{
		Path: "sites.*.apps.*.priority", Default: "normal", Values: []string{"high", "normal", "low"},
		Doc: "Place in the pool's queue: higher classes first, but for every eighth slot.",
	},
	{
		Path: "pools.*.limit.adaptive", Default: "off", Values: []string{"off", "shadow", "on"},
		Doc: "Find by latency how many requests the workers can do with at once; on: what is beyond waits " +
			"in the queue; shadow: it is reported only.",
	},
	{
		Path: "pools.*.limit.min", Default: "4", min: 1, max: slotsMax,
		Doc: "The limit never falls below this.",
	},
	{
		Path: "pools.*.limit.max", Default: "off", allow: offOK, min: 1, max: slotsMax,
		Doc: "The limit never rises above this; off: the slots of the workers.",
	},
	{
		Path: "pools.*.retry.rate", Default: "10/s", allow: offOK, min: 1, max: retryRateMax,
		Doc: "Requests sent once more after a worker took a byte of them, where that is safe.",
	},
	{
		Path: "pools.*.retry.share", Default: "20%", allow: offOK, min: 1, max: 100,
		Doc: "As many more as this share of the pool's requests.",
	},
	{
		Path: "pools.*.retry.max", Default: "2", allow: offOK, min: 1, max: retriesMax,
		Doc: "How often one request is; those of which no byte was taken do not count.",
	},
	{
		Path: "pools.*.circuit.failures", Default: "5", allow: offOK, min: 1, max: failuresMax,
		Doc: "A worker that fails so often in a row (refuses, ends before an answer, speaks no HTTP) gets " +
			"no requests for circuit.open, unless it is the last.",
	},
	{
		Path: "pools.*.circuit.open", Default: "5s",
		Doc: "Until a failing worker is tried with one request; doubles while that fails, to 5m.",
	},
}
