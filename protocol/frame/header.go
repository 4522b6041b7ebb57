package frame

import "encoding/binary"

// Kind is what a frame is.
type Kind uint8

// Kinds; the package comment has their payloads.
const (
	Hello Kind = iota + 1
	Request
	Response
	Data
	Trailers
	Cancel
	Credit
	Ping
	Pong
	Drain
	kindEnd
)

var kindNames = [kindEnd]string{"", "HELLO", "REQUEST", "RESPONSE", "DATA", "TRAILERS", "CANCEL",
	"CREDIT", "PING", "PONG", "DRAIN"}

// String is the kind's name.
func (k Kind) String() string {
	if k == 0 || k >= kindEnd {
		return "unknown"
	}
	return kindNames[k]
}

const endBit = 0x80

// Header is the start of a frame.
type Header struct {
	Kind   Kind
	End    bool // the last frame of this side on the stream
	Stream uint32
	Length int // of the payload in bytes
}

// rule says where a kind may occur and how long its payload is.
type rule struct {
	connection bool // on stream 0, else never there
	end        int8 // 1 always, 0 maybe, -1 never
	min, max   int
}

var rules = [kindEnd]rule{
	Hello:    {true, -1, helloSize, helloSize},
	Request:  {false, 0, requestMetaSize, PayloadMax},
	Response: {false, 0, responseMetaSize, PayloadMax},
	Data:     {false, 0, 0, PayloadMax},
	Trailers: {false, 1, trailersMetaSize, PayloadMax},
	Cancel:   {false, 1, 1, 1},
	Credit:   {false, -1, 4, 4},
	Ping:     {true, -1, 8, 8},
	Pong:     {true, -1, 8, 8},
	Drain:    {true, -1, 4, 4},
}

// ParseHeader reads the header at the start of b. ok is false when b is shorter than a header.
//
// Hot path: once per frame. No allocation: TestAllocs.
func ParseHeader(b []byte) (h Header, ok bool, err error) {
	if len(b) < HeaderSize {
		return h, false, nil
	}
	word := binary.LittleEndian.Uint32(b)
	kind := uint8(word >> 24)
	h.Length = int(word & 0xffffff)
	h.Kind, h.End = Kind(kind&^endBit), kind&endBit != 0
	h.Stream = binary.LittleEndian.Uint32(b[4:])
	if h.Kind == 0 || h.Kind >= kindEnd {
		return Header{}, false, ErrKind
	}
	r := &rules[h.Kind]
	switch {
	case r.connection != (h.Stream == 0):
		return Header{}, false, ErrStream
	case r.end > 0 && !h.End || r.end < 0 && h.End:
		return Header{}, false, ErrEnd
	case h.Length < r.min || h.Length > r.max:
		return Header{}, false, ErrLength
	}
	return h, true, nil
}

// AppendHeader appends a header. The payload, of length bytes, is to follow.
//
// Hot path: once per frame. No allocation: TestAllocs.
func AppendHeader(dst []byte, k Kind, end bool, stream uint32, length int) []byte {
	kind := uint32(k)
	if end {
		kind |= endBit
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(length)|kind<<24)
	return binary.LittleEndian.AppendUint32(dst, stream)
}

// putHeader writes a header to b, when the length of what follows is known.
func putHeader(b []byte, k Kind, end bool, stream uint32, length int) {
	kind := uint32(k)
	if end {
		kind |= endBit
	}
	binary.LittleEndian.PutUint32(b, uint32(length)|kind<<24)
	binary.LittleEndian.PutUint32(b[4:], stream)
}
