package config

import "time"

// Bounds of this package. A configuration beyond them is an error, never truncated.
const (
	fileBytesMax    = 1 << 20 // of a configuration file
	nodesMax        = 100_000 // YAML nodes visited, aliases expanded: an alias bomb ends here
	depthMax        = 32      // nesting, aliases expanded: a cycle ends here
	namedMax        = 4096    // sites, pools, listeners, apps of one site
	errorsMax       = 100     // reported; the rest is counted
	nameBytesMax    = 63      // of a site's or pool's name, which becomes part of a path
	unixPathMax     = 107     // bytes of a Unix socket's path (sun_path without its NUL)
	hostBytesMax    = 253
	labelBytesMax   = 63
	handoffHeadMax  = 64 << 10 // bytes of a head that is handed off: protocol/handoff's HeadMax
	tokenBytesMax   = 256      // of a field's or cookie's name
	suggestRunesMax = 64       // longer words get no "did you mean"

	loopsMax       = 1024
	frontsMax      = 64
	workersMax     = 4096      // of a pool
	slotsMax       = 1_000_000 // concurrency
	startsMax      = 10_000
	allWorkersMax  = 1_000_000
	statusMin      = 100 // of an HTTP answer
	statusMax      = 599
	queueMax       = 10_000_000
	backlogMax     = 65_535
	requestsMax    = 1_000_000_000_000 // recycle.requests
	recycleListMax = 100               // recycle.at, recycle.files
	sampleEveryMin = 100 * time.Millisecond
	connectionsMax = 100_000_000
	fieldsMax      = 10_000
	retryRateMax   = 1_000_000 // per second
	retriesMax     = 10        // of one request
	failuresMax    = 1000      // in a row, of circuit
	blockingMax    = 1_000_000
	headBytesMin   = 256
	headBytesMax   = 1 << 20
	buffersMin     = 1 << 20
	upstreamsMax   = 256 // of a pool
	checksMax      = 100 // in a row
	checkEveryMin  = 100 * time.Millisecond
	resolveMin     = time.Second
	spoolMemoryMax = 16 << 20 // of one body
	extensionsMax  = 16       // of scripts

	cpuMax          = 1023 // highest number of a processor, as cpu_set_t holds it
	cpuPercentMax   = 100 * 1024
	pidsMax         = 1 << 22 // the kernel's PID_MAX_LIMIT
	cgroupMemoryMin = 1 << 20 // below, not even the spawn helper starts
)
