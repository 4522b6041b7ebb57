package http1

import (
	"encoding/binary"
	"math/bits"
)

// Eight bytes at a time in a 64-bit word. Each mask below has the high bit of exactly the bytes
// that match; no carry crosses bytes, since every sum is of 7-bit values.
const (
	swarOnes  = 0x0101010101010101
	swarHigh  = 0x8080808080808080
	swarLow7  = 0x7f7f7f7f7f7f7f7f
	swarCase  = 0x2020202020202020
	swarColon = ':' * swarOnes
)

// load64 returns the 8 bytes at b[i:], the first in the lowest bits.
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// loadPart returns up to 8 bytes at b[i:], zero beyond the end of b.
func loadPart(b []byte, i int) uint64 {
	if i+8 <= len(b) {
		return load64(b, i)
	}
	var w uint64
	for j := len(b) - 1; j >= i; j-- {
		w = w<<8 | uint64(b[j])
	}
	return w
}

// firstByte is the index of the lowest byte marked in m.
func firstByte(m uint64) int { return bits.TrailingZeros64(m) >> 3 }

// equalMask marks the bytes of w that are c, c being a 7-bit value in every byte.
func equalMask(w, c uint64) uint64 {
	y := w ^ c // c < 0x80: a byte of w over 0x7f stays over 0x7f
	return ^((y & swarLow7) + swarLow7) & ^y & swarHigh
}

// ctlMask marks control characters: below 0x20, and DEL. HTAB is among them.
func ctlMask(w uint64) uint64 {
	t := w & swarLow7
	return (^(t + 0x60*swarOnes) | (t + swarOnes)) & ^w & swarHigh
}

// targetMask marks what ends or splits a request target: bytes up to SP, DEL, non-ASCII, "#", "?".
func targetMask(w uint64) uint64 {
	t := w & swarLow7
	return (^(t + 0x5f*swarOnes) | (t + swarOnes) | w |
		^((t ^ '#'*swarOnes) + swarLow7) | ^((t ^ '?'*swarOnes) + swarLow7)) & swarHigh
}

// scanValue returns the index of the first control character but HTAB in b[i:], or len(b).
func scanValue(b []byte, i int) int {
	for i+8 <= len(b) {
		m := ctlMask(load64(b, i))
		if m == 0 {
			i += 8
			continue
		}
		i += firstByte(m)
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && (b[i] >= ' ' && b[i] != 0x7f || b[i] == '\t') {
		i++
	}
	return i
}

// scanTarget returns the index of the first byte in b[i:] that no request target has, or len(b),
// and that of the first "?" before it, or -1.
func scanTarget(b []byte, i int) (end, query int) {
	query = -1
	for i+8 <= len(b) {
		m := targetMask(load64(b, i))
		if m == 0 {
			i += 8
			continue
		}
		i += firstByte(m)
		if b[i] != '?' {
			return i, query
		}
		if query < 0 {
			query = i
		}
		i++
	}
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '?':
			if query < 0 {
				query = i
			}
		case c <= ' ' || c >= 0x7f || c == '#':
			return i, query
		}
	}
	return i, query
}

// between marks the bytes of t, all below 0x80, in [lo, hi].
func between(t uint64, lo, hi byte) uint64 {
	return (t + uint64(0x80-lo)*swarOnes) &^ (t + uint64(0x7f-hi)*swarOnes) & swarHigh
}

// hostMask marks bytes other than letters, digits, "-" and "."; the other two that a host may have
// are rare.
func hostMask(w uint64) uint64 {
	t := w & swarLow7
	good := between(t|swarCase, 'a', 'z') | between(t, '-', '.') | between(t, '0', '9')
	return (^good | w) & swarHigh
}

// hostEnd returns the index of the first byte that is no part of a host name, or len(b).
func hostEnd(b []byte) int {
	i := 0
	for i+8 <= len(b) {
		m := hostMask(load64(b, i))
		if m != 0 {
			i += firstByte(m)
			break
		}
		i += 8
	}
	for i < len(b) && classes[b[i]]&classHost != 0 {
		i++
	}
	return i
}

// Character classes, one bit each.
const (
	classToken = 1 << iota // RFC 9110 section 5.6.2
	classHost              // what this package allows in a host name
	classDigit
	classHex
	classQuoted // RFC 9110 section 5.6.4: qdtext
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		alpha := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if alpha || digit {
			t[c] |= classToken | classHost
		}
		if digit {
			t[c] |= classDigit | classHex
		}
		if 'a' <= c|0x20 && c|0x20 <= 'f' {
			t[c] |= classHex
		}
		if c == '\t' || c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			t[c] |= classQuoted
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= classToken
	}
	for _, c := range "-._~" {
		t[c] |= classHost
	}
	return t
}()

// all says whether every byte of b is in class.
func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// equalFold compares b with lower, which is lower-case ASCII.
func equalFold[T string | []byte](b T, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(lower) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
