package frame

// Version is the only version there is.
const Version = 1

// Maxima.
const (
	// PayloadMax is the longest payload.
	PayloadMax = 1<<20 - 1
	// Window is what this implementation takes of a body before it gives credit.
	Window = 64 << 10
	// EarlyWindow is what a receiver takes per stream before its HELLO has come; no window is smaller.
	EarlyWindow = 16 << 10
	// WindowMax is the largest window and the largest credit outstanding that a peer may give.
	WindowMax = 1<<31 - 1
	// LinesMax is the largest number of lines in a head.
	LinesMax = 1<<16 - 1
)

// Sizes in bytes.
const (
	HeaderSize       = 8
	helloSize        = 16
	requestMetaSize  = 28
	responseMetaSize = 16
	trailersMetaSize = 8
	lineSize         = 6 // of an outline
	lineExtra        = 4 // of a line of text: ": " and CRLF
)
