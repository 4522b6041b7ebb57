package dispatch

import (
	"time"

	"weir/protocol/http1"
)

// Defaults of Options.
const (
	queueLengthDefault  = 1000
	queueTimeoutDefault = 30 * time.Second
	readyTimeoutDefault = 90 * time.Second
	connectDefault      = 5 * time.Second
	firstByteDefault    = 60 * time.Second
	idleDefault         = 60 * time.Second
	hangDefault         = 60 * time.Second
	replayRateDefault   = 10  // replays per second, and beside them
	replayShareDefault  = 0.2 // this share of the requests
)

// Maxima of this package.
const (
	concurrencyMax = 1 << 20 // slots of one worker

	replaysMax     = 2                     // of a request of which the worker took a byte
	replayWait     = 20 * time.Millisecond // before one on the worker that lost it, for want of another
	triesMax       = 10                    // connections a request is given that end before a byte is taken
	replayBurstMax = 1000                  // replays that may be saved up
	heldBodyMax    = 16 << 10              // bytes of request body kept for a replay; plus one piece as it came

	interimsMax = 256 // informational responses to one request

	smallBodyMax = 16 << 10             // a response no longer than this is forwarded when whole,
	smallWait    = 5 * time.Millisecond // or after this

	backlogWaitMin = time.Millisecond // between attempts at a full backlog; doubles
	backlogWaitMax = 50 * time.Millisecond
	refusedWaitMin = 10 * time.Millisecond // a worker that refused gets nothing for so long; doubles
	refusedWaitMax = time.Second

	continueWait       = time.Second      // for a worker's 100; then the body is sent without
	goneGrace          = time.Second      // for what a dead worker's connections still hold
	idleKeep           = 60 * time.Second // an idle connection is closed
	sendCheck          = time.Second      // progress of a request that is being sent is looked at so often
	auditEvery         = time.Second      // free slots are counted over
	auditStrikes       = 3                // times in a row that the same is found before it is corrected
	auditQuiet         = 3                // times without a request before counting rests
	throughMin         = 4 << 10          // body pieces from here on are sent without a copy
	reportRequestsMax  = 32               // requests that are named when their worker is given up
	reportPathBytesMax = 200              // of each one's path
	jobsFreeMax        = 256              // of a shard's free list
	headRoomBytes      = 512              // what a forwarded head may have beyond the client's

	retryAfterBusy    = "1"  // seconds, with 503: the queue moves
	retryAfterOffline = "10" // the pool does not
)

// responseLimits bound a worker's response head.
var responseLimits = http1.Limits{HeadBytes: 64 << 10, Fields: 200}
