package config

var healthKeys = []Key{
	{
		Path: "pools.*.ping.every", Default: "10s", allow: offOK,
		Doc: "A ready worker that finished no request for so long is asked whether it lives.",
	},
	{
		Path: "pools.*.ping.timeout", Default: "30s",
		Doc: "A worker that gives no sign of life for so long after a ping hangs: see hang.action. " +
			"With ping.watchdog, the longest time between two WATCHDOG=1, told at its start.",
	},
	{
		Path: "pools.*.ping.watchdog", Default: "off", Reload: Workers, Values: onOff,
		Doc: "Workers get WATCHDOG_USEC and say WATCHDOG=1 on NOTIFY_SOCKET by themselves.",
	},
	{
		Path: "pools.*.ping.http", expected: "a path such as /healthz",
		Doc: "A ping is a GET of this path from the worker. Without it, workers of the Go SDK are " +
			"pinged over their control socket, others not at all.",
	},
	{
		Path: "pools.*.ping.status", Default: "200", min: 100, max: 599,
		Doc: "The status that says that the worker is well.",
	},
	{
		Path: "pools.*.hang.after", Default: "60s", allow: offOK,
		Doc: "A worker that holds a request this long without a byte, and finished nothing else, hangs.",
	},
	{
		Path: "pools.*.hang.action", Default: "kill", Values: []string{"kill", "orphan", "log"},
		Doc: "A hung worker is ended, is replaced but left alone for hang.keep, or is logged only.",
	},
	{
		Path: "pools.*.hang.dump", Default: "off", Values: hangDumps,
		Doc: "The signal that a hung worker gets first, to say where it hangs (SIGQUIT for Go).",
	},
	{
		Path: "pools.*.hang.hook", expected: "a list such as [gcore, -o, /var/tmp/core, \"{pid}\"]",
		Doc: "Program that is run before a hung worker is ended, as Weir's own user, for at most 30s. " +
			"{pid}, {pool}, {worker} and {reason} are replaced.",
	},
	{
		Path: "pools.*.hang.keep", Default: "10m", allow: offOK,
		Doc: "How long an orphan is left alone before it is killed.",
	},
	{
		Path: "pools.*.rapid_fail.failures", Default: "5", allow: offOK, min: 1, max: 1000,
		Doc: "So many failures within rapid_fail.window, and no ready worker, fail the pool: 503.",
	},
	{
		Path: "pools.*.rapid_fail.window", Default: "5m",
		Doc: "The window of rapid_fail.failures.",
	},
	{
		Path: "pools.*.rapid_fail.then", Default: "retry",
		Values: []string{"retry", "stay-down", "exit"},
		Doc:    "A failed pool is tried again with back-off, stays down, or ends the instance.",
	},
	{
		Path: "pools.*.rapid_fail.answer", Default: "respond", Values: []string{"respond", "reset"},
		Doc: "Requests to a failed pool get 503 AppOffline, or their connection is reset.",
	},
	{
		Path: "pools.*.rapid_fail.hook", expected: "a list such as [/usr/local/bin/page, \"{pool}\"]",
		Doc: "Program that is run when the pool fails, as Weir's own user, for at most 30s. {pool}, " +
			"{worker} and {pid} (of the last that failed) and {reason} are replaced.",
	},
}
