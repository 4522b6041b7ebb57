package http1

// Every maximum of this package. The three that a configuration may change are in [Limits].
const (
	requestLineBytesDefault = 8 << 10
	headBytesDefault        = 32 << 10
	fieldsDefault           = 100

	// headBytesMax bounds Limits.HeadBytes: offsets are 32 bits wide, and no head needs more.
	headBytesMax = 16 << 20
	// fieldsMax bounds Limits.Fields: field indexes are 16 bits wide.
	fieldsMax = 1<<16 - 2

	fieldsRoomMin = 16 // first allocation, in fields of 16 bytes

	methodBytesMax    = 32  // the longest registered one is UPDATEREDIRECTREF, 17
	fieldNameBytesMax = 256 // no registered name has more than 40
	hostBytesMax      = 262 // 255 of a DNS name, a colon, 5 digits of port; rounded up

	contentLengthDigitsMax = 19 // of math.MaxInt64
	chunkSizeDigitsMax     = 15 // hexadecimal: sizes below 2^60 cannot overflow an int64

	chunkExtBytesMax      = 256     // of extensions of one chunk
	chunkExtTotalBytesMax = 8 << 10 // of extensions of one body
	trailerBytesMax       = 8 << 10 // of a trailer section, its empty line included
	trailerFieldsMax      = 32
)

// Limits bounds one head. The zero value, and a nil *Limits, mean the defaults.
type Limits struct {
	// RequestLineBytes is the longest request or status line without its CRLF (default 8 KiB).
	// Beyond it: [ErrURLLength], 414.
	RequestLineBytes int
	// HeadBytes is the longest head, start line and empty line included (default 32 KiB, at most
	// 16 MiB). Beyond it: [ErrHeadLength], 431.
	HeadBytes int
	// Fields is the largest number of field lines (default 100, at most 65534). Beyond it:
	// [ErrFieldCount], 431.
	Fields int
}

// resolved returns l with defaults and ceilings applied.
func (l *Limits) resolved() Limits {
	if l == nil {
		return Limits{requestLineBytesDefault, headBytesDefault, fieldsDefault}
	}
	r := *l
	if r.RequestLineBytes <= 0 {
		r.RequestLineBytes = requestLineBytesDefault
	}
	if r.HeadBytes <= 0 {
		r.HeadBytes = headBytesDefault
	}
	if r.Fields <= 0 {
		r.Fields = fieldsDefault
	}
	r.HeadBytes = min(r.HeadBytes, headBytesMax)
	r.Fields = min(r.Fields, fieldsMax)
	return r
}

// cap returns what of b a head may occupy: a line that ends beyond it is never looked at, so the
// answer does not depend on how much arrived at once.
func (l *Limits) cap(b []byte) []byte {
	if len(b) > l.HeadBytes {
		return b[:l.HeadBytes]
	}
	return b
}

// Resolved is l with defaults and ceilings applied.
func (l Limits) Resolved() Limits { return l.resolved() }
