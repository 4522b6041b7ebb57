package handoff

// Every maximum of the format.
const (
	// BytesMax is how much read ahead travels with a connection.
	BytesMax = 128 << 10
	// LocalMax, PrefixMax and OthersMax are bytes of the fields of these names. A listener's address
	// is shorter; a front whose routes need more gives connections without flag 4.
	LocalMax  = 256
	PrefixMax = 1 << 10
	OthersMax = 2 << 10
	// MessageMax is the size of the longest message.
	MessageMax = HeaderSize + connectionSize + LocalMax + PrefixMax + OthersMax + BytesMax
	// HeadMax is the largest head limit of a route that hands connections off: what is read to find
	// the end of such a head, and what lies behind it, fits in a message.
	HeadMax = 64 << 10

	// VersionMin and VersionMax are the versions that this package speaks.
	VersionMin, VersionMax = 1, 1

	// HeaderSize is the size of what every message begins with.
	HeaderSize = 12

	helloSize      = 8
	closedSize     = 8
	connectionSize = 8 + 20 + 20 + 20 + 10
)
