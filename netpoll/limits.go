package netpoll

import "time"

// Every maximum of the package.
const (
	eventsMax       = 512       // kernel events taken per wait
	acceptsPerTurn  = 64        // per listener
	acceptStreak    = 8         // turns in a row that double what a listener accepts per turn
	readBudgetBytes = 256 << 10 // per connection and turn, then the ready list
	againsPerTurn   = 256       // deliveries of the same input per connection and turn
	postsPerTurn    = 1024      // posted functions run per turn
	drainAcceptsMax = 1 << 16   // accepted by Listener.Drain
	iovecsMax       = 16        // buffers per send
	passFDsMax      = 64        // descriptors per message
	packetsPerTurn  = 64        // taken from a link
	linkQueueMax    = 1 << 14   // packets without descriptor that wait on a link
	fileChunkBytes  = 1 << 20   // per sendfile call, and per read-ahead of cold pages
	scratchBytes    = 256 << 10 // the loop's shared buffer for bulk reads: what a Unix socket holds
	narrowBytes     = 64 << 10  // of it, for what is passed on to a peer that falls behind
	queuePieceBytes = 64 << 10  // of a long write that has to be queued
	lingerBytesMax  = 64 << 20  // discarded after an error response, then reading stops
	lingerMax       = 10 * time.Second
	finishEvery     = 5 * time.Second // how often a closing connection's rate is looked at

	plugSettle = 50 * time.Millisecond // handshakes under way at a socket that is to be closed

	// LingerTimeout is how long a lingering connection may be silent.
	LingerTimeout = 2 * time.Second

	// finishCreditBytes is how far a peer may be ahead of FinishRate: window updates come in pieces
	// of a segment, which is up to 64 KiB.
	finishCreditBytes = 64 << 10
	finishGraceBytes  = 8 << 10 // and how far it counts as ahead at first: a jumbo segment

	acceptBackoffMin = 10 * time.Millisecond
	acceptBackoffMax = time.Second
	coldRetry        = 10 * time.Millisecond  // cold pages when the pool for blocking work is full
	capRetry         = 100 * time.Millisecond // a close wakes sooner
	trimEvery        = time.Second            // free lists give surplus memory back this often

	// HighWatermark and LowWatermark bound a connection's outbound queue, in bytes: at or above high
	// the producer stops, below low it goes on.
	HighWatermark = 64 << 10
	LowWatermark  = 16 << 10

	// BuffersDefault bounds the bytes in buffers of one loop when Config.BufferBytes is 0.
	BuffersDefault = 256 << 20

	// PacketMax is the size of the longest packet of a link.
	PacketMax = 136 << 10

	rawWaitMS = 5 // bound of a wait that keeps its P; see wait_linux.go
)

// Buffer classes in bytes. A connection's inbound buffer grows class by class; reads into a fresh
// buffer take inClass.
var classBytes = [...]int{512, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}

// freeKeep is how many free buffers of each class a loop keeps through a trim.
var freeKeep = [len(classBytes)]int{64, 64, 32, 8, 2, 0}

const (
	inClass  = 2 // 16 KiB
	outClass = 2
	maxClass = len(classBytes) - 1
)
