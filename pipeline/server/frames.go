package server

import "encoding/binary"

// frames follows the headers of WebSocket frames in a stream, whatever pieces that comes in, to know
// where one ends and whether a Close frame has gone. It checks nothing: the two ends do.
//
// RFC 6455 section 5.2.
type frames struct {
	head   [14]byte
	n      int    // bytes of the header that are here; 0 behind its last byte
	left   uint64 // bytes of payload to come
	closed bool   // a Close frame was begun
}

const (
	opcodeBits  = 0x0f
	opcodeClose = 8
	maskBit     = 0x80
	lengthBits  = 0x7f
	length16    = 126 // two bytes of length follow
	length64    = 127 // eight
)

// between says whether the last frame was whole.
func (f *frames) between() bool { return f.n == 0 && f.left == 0 }

// advance goes on through b. With first it stops where the first frame ends: at is that place in b, and
// ends is true. A Close frame ends nothing: nothing may come behind it.
func (f *frames) advance(b []byte, first bool) (at int, ends bool) {
	for at < len(b) {
		if f.left > 0 {
			n := min(f.left, uint64(len(b)-at))
			f.left -= n
			at += int(n)
		} else {
			f.head[f.n] = b[at]
			f.n++
			at++
			if f.n < f.size() {
				continue
			}
			f.begin()
		}
		if first && f.between() && !f.closed {
			return at, true
		}
	}
	return at, false
}

// size is how long the header is, as far as it can be told.
func (f *frames) size() int {
	n := 2
	if f.n < 2 {
		return n
	}
	switch f.head[1] & lengthBits {
	case length16:
		n += 2
	case length64:
		n += 8
	}
	if f.head[1]&maskBit != 0 {
		n += 4
	}
	return n
}

// begin takes a whole header.
func (f *frames) begin() {
	f.n = 0
	switch n := f.head[1] & lengthBits; n {
	case length16:
		f.left = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case length64:
		f.left = binary.BigEndian.Uint64(f.head[2:])
	default:
		f.left = uint64(n)
	}
	f.closed = f.closed || f.head[0]&opcodeBits == opcodeClose
}
