package weir

import "time"

// Every maximum and constant of the package.
const (
	gcPercent         = 400       // a front's heap is small beside its buffers, which are reused
	gcPercentCold     = 40        // a supervisor has time to collect: memory is what it must not take
	memoryBeside      = 256 << 20 // bytes beside twice the buffers, for a front's GOMEMLIMIT
	descriptorsBeside = 256       // of a front: files, logs, control channel, poller
	connsMin          = 64        // client connections, however few descriptors there are

	loadReportEvery   = 200 * time.Millisecond // how often the supervisor is told what pools do
	statusOutputLines = 10                     // of a failing worker's output, in weir status

	signalsQueued = 8 // that have not been obeyed yet

	suggestEditsMax = 2 // between a word and what it is taken for

	blockingIdleMax = 10 * time.Second // how long a goroutine for blocking work waits for more
	blockingDefault = 10_000           // of a Server
	blockingEndMax  = time.Second      // for handlers that do not mind the end of their exchange
	secretBytesMin  = 16               // of Server.Secret
	drainDefault    = 25 * time.Second // of Server.Run
	reloadTimeout   = 5 * time.Minute  // of a reload that a signal asked for
)

// Exit codes. design.md section 8.
const (
	exitOK         = 0
	exitFailed     = 1 // refused or failed
	exitUsage      = 2 // usage or configuration
	exitNoInstance = 3
)
