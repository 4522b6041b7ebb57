package config

var recycleKeys = []Key{
	{
		Path: "pools.*.recycle.age", Default: "off", allow: offOK,
		Doc: "A worker that has run this long is replaced.",
	},
	{
		Path: "pools.*.recycle.jitter", Default: "10%", allow: offOK, min: 1, max: 50,
		Doc: "Spreads age and requests, worker by worker, by up to so much either way.",
	},
	{
		Path: "pools.*.recycle.requests", Default: "off", allow: offOK, min: 1, max: requestsMax,
		Doc: "A worker that has completed so many requests is replaced.",
	},
	{
		Path: "pools.*.recycle.memory", Default: "off", allow: offOK,
		Doc: "A worker whose process group has used more in recycle.samples samples in a row is " +
			"replaced.",
	},
	{
		Path: "pools.*.recycle.memory_max", Default: "off", allow: offOK,
		Doc: "A worker whose process group uses more leaves rotation at once; it finishes what it holds.",
	},
	{
		Path: "pools.*.recycle.memory_source", Default: "rss", Values: []string{"rss", "pss"},
		Doc: "What memory and memory_max count. pss: shared pages in proportion; costs more to read.",
	},
	{
		Path: "pools.*.recycle.samples", Default: "3", min: 1, max: 1000,
		Doc: "Samples in a row above recycle.memory.",
	},
	{
		Path: "pools.*.recycle.sample_every", Default: "5s", min: int64(sampleEveryMin),
		Doc: "How often memory is sampled; at least 100ms.",
	},
	{
		Path: "pools.*.recycle.errors", Default: "off", allow: offOK, min: 1, max: 100,
		Doc: "A worker is replaced that answered this share of a minute's requests (20 at least) " +
			"with 500 or above, or not at all.",
	},
	{
		Path: "pools.*.recycle.at", expected: `a list of times such as ["04:00", "Mon 03:30"]`,
		Doc: "Times at which all workers are replaced, one by one.",
	},
	{
		Path: "pools.*.recycle.time_zone", expected: "a time zone such as Europe/Berlin",
		Doc: "The zone of recycle.at; without it local time.",
	},
	{
		Path: "pools.*.recycle.files", expected: "a list of patterns such as [app/*.py]",
		Doc: "All workers are replaced, one by one, when a file that matches changes, appears or goes.",
	},
	{
		Path: "pools.*.recycle.overlap", Default: "true", Values: []string{"true", "false"},
		Doc: "true: the fresh worker is ready before the old one drains. false: the old one is gone " +
			"before the fresh one starts, and requests wait; for programs that cannot run twice.",
	},
	{
		Path: "pools.*.recycle.watch", Default: "off", allow: offOK,
		Doc: "How long the first fresh worker of a rolling recycle serves before the rest is replaced. " +
			"If it answers more requests with errors than the old ones, the recycle is rolled back.",
	},
}
