package supervisor

import "time"

// Maxima of listeners, fronts and the control channel.
const (
	controlVersion = 1

	controlInlineMax  = 32 << 10 // a larger message body travels in a file passed by SCM_RIGHTS
	controlPacketMax  = 64 << 10 // what Recv offers to one packet: envelope and inline body
	controlPayloadMax = 16 << 20 // body in a file
	controlFDsMax     = 250      // per message; the kernel's own bound is 253 (SCM_MAX_FD)

	frontQueueMax  = 1 << 16          // messages that wait for one front to read
	frontWriteMax  = 10 * time.Second // a front that does not read for that long is replaced
	frontStatusMax = time.Second      // wait for a front's own status

	frontConfigureMax = 30 * time.Second       // from configure to the front's answer
	frontEarlyDeath   = 10 * time.Second       // a death this soon after spawn counts against the front
	frontBackoffMin   = 50 * time.Millisecond  // after the second early death in a row
	frontBackoffMax   = 5 * time.Second        // doubling ends here
	frontUpDeaths     = 5                      // early deaths in a row of fronts that accepted: no wait
	frontStartDeaths  = 3                      // deaths before the first ready end the supervisor
	frontKillGrace    = 500 * time.Millisecond // from shutdown message to SIGKILL
	frontDrainGrace   = time.Second            // beyond the drain deadline before SIGKILL

	frontsMax = 64
	// secretBytes is how many random bytes an instance's secret has.
	secretBytes = 32
	loopsMax    = controlFDsMax // one message carries the sockets of one listener

	counterNamesMax   = 4096
	counterLineBytes  = 128 // two cache lines: the adjacent-line prefetcher pairs them
	counterHeadBytes  = 128
	counterNameMaxLen = 128

	// Handshakes under way at a listener that is to be closed: each has at least plugSettle, those that
	// are seen to take longer plugSettleMax.
	plugSettle    = 50 * time.Millisecond
	plugSettleMax = time.Second

	emptyEvery = 10 * time.Millisecond  // looks at what waits at a socket that is given up
	emptyHelp  = 200 * time.Millisecond // then other workers are asked to accept it, too
	emptyMax   = 5 * time.Second        // then it is reset

	listenersMax       = 1024
	inheritedFDsMax    = listenersMax * 4
	inUseRetry         = 2 * time.Second // EADDRINUSE at start: a predecessor may be dying
	inUseRetryEvery    = 20 * time.Millisecond
	dirTakenRetry      = 250 * time.Millisecond // a locked runtime directory: its owner may be dying
	dirTakenRetryEvery = 10 * time.Millisecond
	ownerScanProcsMax  = 1 << 16 // processes looked at to name the owner of a port
	procTableBytesMax  = 16 << 20

	adminBacklog   = 64
	readyWarnAfter = 10 * time.Second // "waiting for ..."
	stopPoolsMin   = 3 * time.Second  // workers get at least this long to stop after a drain
)
