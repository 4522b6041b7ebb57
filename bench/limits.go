package main

import "time"

const (
	readyWaitMax   = 15 * time.Second       // from exec to the first 200
	readyPoll      = 500 * time.Microsecond // between attempts; also cold-start's resolution
	exchangeMax    = 5 * time.Second        // one probe or idle request
	buildMax       = 5 * time.Minute        // one go build
	fragmentPause  = 20 * time.Millisecond  // between the pieces of a fragmented request
	warmUp         = time.Second            // wrk's shortest run
	settlePoll     = 250 * time.Millisecond // between two looks at a server's memory
	settleSamples  = 4                      // looks without growth that count as settled
	settleBytes    = 16 << 10               // what counts as growth
	answerBytesMax = 64 << 10               // one head of an answer
	bodyBytesMax   = 2 << 20                // one body of an answer
	roundsMax      = 100
	durationMax    = 10 * time.Minute

	idleFew, idleMany = 2000, 10000 // connections between which memory per connection is taken
	idleSpareFiles    = 200         // open files of the bench itself

	slowDefault   = 10000
	slowMax       = 50000
	slowByteEvery = 10 * time.Second      // per slow client
	slowFeedEvery = 10 * time.Millisecond // some of them get a byte
	slowRoundMax  = 20 * time.Second      // the header clock ends slow clients after 30 s
	slowClockMax  = 45 * time.Second      // and must have ended all by then
	slowRatioMax  = 1.5                   // of the others' p99
)
