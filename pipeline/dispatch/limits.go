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
	tunnelDefault       = time.Hour
	hangDefault         = 60 * time.Second
	replayRateDefault   = 10  // replays per second, and beside them
	replayShareDefault  = 0.2 // this share of the requests
	replaysDefault      = 2   // of a request of which the worker took a byte

	circuitFailuresDefault = 5
	circuitOpenDefault     = 5 * time.Second
)

// Maxima of this package.
const (
	concurrencyMax = 1 << 20 // slots of one worker

	replaysMax     = 10                    // of a request of which the worker took a byte
	replayWait     = 20 * time.Millisecond // before one on the worker that lost it, for want of another
	triesMax       = 10                    // connections a request is given that end before a byte is taken
	replayBurstMax = 1000                  // replays that may be saved up
	heldBodyMax    = 16 << 10              // bytes of request body kept for a replay; plus one piece as it came

	spoolPiece     = 64 << 10 // bytes that are written to a spool's file at once; twice that a body has in memory
	spoolHeldMax   = 64 << 20 // bytes that all bodies of a spool have in memory; beyond it they go to files
	spoolTellEvery = 10 * time.Second

	interimsMax = 256 // informational responses to one request

	smallBodyMax = 16 << 10             // a response no longer than this is forwarded when whole,
	smallWait    = 5 * time.Millisecond // or after this

	backlogWaitMin = time.Millisecond // between attempts at a full backlog; doubles
	backlogWaitMax = 50 * time.Millisecond
	refusedWaitMin = 10 * time.Millisecond // a worker that refused gets nothing for so long; doubles
	refusedWaitMax = time.Second

	continueWait = time.Second // for a worker's 100; then the body is sent without
	goneGrace    = time.Second // for what a dead worker's connections still hold
	streamIDMax  = 1 << 31     // then another connection is opened
	dataBytesMax = 128 << 10   // of one DATA frame

	socketEndWait = 2 * time.Second // between two bytes of a worker whose WebSocket's client has sent FIN

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

	circuitOpenMax   = 5 * time.Minute // unless Circuit.Open is longer
	circuitDoublings = 10

	normalEvery   = 8                      // of so many slots one is not of the highest class
	lowEvery      = 64                     // and of so many one of the lowest
	drainWaitMin  = 100 * time.Millisecond // before the queue's rate is known
	drainWindow   = 2 * time.Second        // over which it is measured
	retryAfterMin = 1                      // seconds
	retryAfterMax = 60

	limitMinDefault = 4                      // requests in flight
	limitTolerance  = 1.5                    // times the least latency are no sign of overload
	limitFallMax    = 0.5                    // what is left of the limit after a window, at least
	limitSampleTime = 50 * time.Millisecond  // of one loop, before it is told to the others
	limitWindow     = 250 * time.Millisecond // between changes of the limit
	limitSamplesMin = 10                     // in a window
	limitMemory     = 30 * time.Second       // twice that long the least latency is remembered

	random2ThrowsMax = 8   // at workers, until two of them can take the request
	hashLoadShare    = 125 // percent of the mean load that a hashed worker may have
	secretBytes      = 32  // of the key of sticky cookies
	cookieMACBytes   = 16
	base36UintMax    = 13 // digits

	retryAfterBusy    = "1"  // seconds, with 504: a backlog is full
	retryAfterOffline = "10" // with 503: the pool takes no requests
)

// responseLimits bound a worker's response head.
var responseLimits = http1.Limits{HeadBytes: 64 << 10, Fields: 200}
