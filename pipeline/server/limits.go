package server

import "time"

// Every maximum of the package. What a user may set is in Limits and Timeouts.
const (
	discardBytesMax    = 256 << 10       // of a request body that no handler wanted; then close
	rateGraceDefault   = 5 * time.Second // also the window in which minimum rates are judged
	hostBytesMax       = 255             // of a Host that can match a binding
	keepExchanges      = 256             // free exchanges kept per loop
	headOverheadBytes  = 320             // of a response head beside its fields
	chunkHeadBytes     = 20              // longest chunk size line
	discardTimeout     = 5 * time.Second // and for so long
	writeThroughBytes  = 8 << 10         // body pieces from this size are sent without a copy
	logBufferBytes     = 64 << 10        // of access log lines per loop and batch
	logBatchesMax      = 16              // batches waiting for the writer; beyond, lines are dropped
	logFlushEvery      = 250 * time.Millisecond
	logCloseMax        = time.Second // wait for a writer that blocks, at the end of a log
	logURLBytesMax     = 4096        // of a request target in a log line
	proxyHeaderTimeout = 5 * time.Second
	drainIdleGrace     = time.Second            // idle connections stay this long once draining began
	memoBytesMax       = 512                    // of a head that is compared with the next one
	stallMin           = 500 * time.Millisecond // a turn of a loop that is worth a warning
	stallCheckEvery    = 100 * time.Millisecond // looks at the lag of loops
	lagWindowSeconds   = 10                     // in which the largest lag is kept
	guestIdle          = time.Second            // between requests a worker keeps a front's connection so long
	guestRetry         = 20 * time.Millisecond  // between attempts to give one back whose client is slow
	partialRetryBytes  = 256                    // a head without line end is parsed again after so much growth
)
