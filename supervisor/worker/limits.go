package worker

import "time"

// Maxima of a worker. The front in front of it has limits of its own, which are meant to be the
// narrower ones.
const (
	headBytesMax  = 1 << 20  // a request head, which the front has checked
	fieldsMax     = 4096     // fields of it
	readBuffer    = 64 << 10 // per connection; fasthttp wants a whole head to fit in it
	prefetchBytes = 64 << 10 // of a request body before its handler runs

	outHigh   = 64 << 10 // queued response bytes from which on SendBody says there is no room
	outLow    = 16 << 10 // and below which there is again
	bodyChunk = 32 << 10 // of a request body, per delivery

	netipBytesMax = 64 // of an address in X-Forwarded-For

	// mux mode. A stream's window is frame.Window.
	linkBacklog    = 128              // links that wait to be accepted, in handoff mode
	muxLoops       = 1                // event loops of a worker
	streamsFree    = 256              // streams kept for reuse, per loop
	pendingKept    = 16 << 10         // bytes of a stream's body buffer that are kept with it
	frameRoom      = 64               // what the small frames need at most
	headRoom       = 128              // of a RESPONSE beside its fields
	dataBytesMax   = 128 << 10        // of one DATA frame
	throughMin     = 4 << 10          // body pieces from here on are sent without a copy
	fileChunk      = 64 << 10         // of a file, read at once
	controlSendMax = time.Second      // for a supervisor that does not read
	watchdogMin    = time.Millisecond // between two WATCHDOG=1

	hangupCheckEvery = 50 * time.Millisecond // while an exchange waits: is the client still there?
)
