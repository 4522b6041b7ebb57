package admin

import "time"

const (
	headerTimeout   = 10 * time.Second
	bodyTimeout     = 5 * time.Second
	idleTimeout     = time.Minute
	headBytesMax    = 16 << 10
	bodyBytesMax    = 64 << 10 // of a request; none needs one
	answerBytesMax  = 32 << 20 // of an answer, read by the client
	dialTimeout     = time.Second
	instancesMax    = 256 // looked at by Find
	closeGrace      = time.Second
	lockBytesMax    = 32 // a pid
	statusWriteSlow = 30 * time.Second
)

// RequestsMax is how many requests under way are shown at a time: the oldest.
const RequestsMax = 1000
