package proxyproto

// Every maximum of this package.
const (
	v1BytesMax = 107 // of a version 1 header, CRLF included: section 2.1 of the specification
	// v2PayloadBytesMax is the longest version 2 payload, addresses and TLVs. The specification
	// permits 64 KiB; what proxies send (SSL details, a cloud's endpoint id) needs a few hundred.
	v2PayloadBytesMax = 4 << 10

	// AppendMax is the longest header that Append writes.
	AppendMax = v1BytesMax
	// BytesMax is the longest header: a reader needs no larger buffer.
	BytesMax = v2HeaderBytes + v2PayloadBytesMax
)
