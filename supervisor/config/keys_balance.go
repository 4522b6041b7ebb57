package config

// balanceKeys are about which worker a request goes to, and when.
var balanceKeys = []Key{
	{
		Path: "pools.*.balance", Default: "least-in-flight", expected: balanceExpected,
		Doc: "How a worker with a free slot is chosen. hash: requests with the same key go to the same " +
			"worker unless it has over 1.25 times the mean; sticky: a signed cookie names the worker.",
	},
}
