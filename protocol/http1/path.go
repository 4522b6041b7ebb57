package http1

import (
	"bytes"
	"unicode/utf8"
)

// DecodePath appends to dst the path raw ([Request.Path] of origin-form or absolute-form), decoded
// for routing and for files, and returns the longer slice. dst must not overlap raw.
//
//   - %XX is decoded once; the result must be UTF-8. "%u" and a bare "%" are errors.
//   - Control characters (U+0000-001F, U+007F-009F) are errors.
//   - "%2F" stays, as "%2F": a slash that was encoded separates no segments here, and whoever gets
//     the raw target can still read it either way without leaving the segment that we routed by.
//   - "." and ".." segments, also encoded ones, are removed as in RFC 3986 section 5.2.4; a ".."
//     that leads above the root is an error, not ignored. Empty segments stay.
//
// systems.md rows H29 and H30. No allocation if dst has room for len(raw) bytes.
func DecodePath(dst, raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '/' {
		return dst, ErrTarget
	}
	if PlainPath(raw) {
		return append(dst, raw...), nil
	}
	base := len(dst)
	out := dst
	for i := 0; i < len(raw); {
		segment := raw[i+1:]
		if n := bytes.IndexByte(segment, '/'); n >= 0 {
			segment = segment[:n]
		}
		i += 1 + len(segment)
		start := len(out)
		var err *ParseError
		if out, err = decodeSegment(append(out, '/'), segment); err != nil {
			return dst, err
		}
		switch string(out[start+1:]) {
		case ".":
			out = out[:start]
		case "..":
			if start == base {
				return dst, ErrPathRoot
			}
			out = out[:base+bytes.LastIndexByte(out[base:start], '/')]
		default:
			continue
		}
		if i == len(raw) {
			out = append(out, '/')
		}
	}
	return out, nil
}

// AppendPath appends the path raw, which DecodePath accepts, without its "." and ".." segments, encoded
// ones included, and returns the longer slice: the next hop cannot resolve them otherwise than we did.
// The rest stays as it was sent.
func AppendPath(dst, raw []byte) []byte {
	if bytes.IndexByte(raw, '%') < 0 && !bytes.Contains(raw, slashDot) {
		return append(dst, raw...)
	}
	base := len(dst)
	for i := 0; i < len(raw); {
		segment := raw[i+1:]
		if n := bytes.IndexByte(segment, '/'); n >= 0 {
			segment = segment[:n]
		}
		i += 1 + len(segment)
		switch dots(segment) {
		default:
			dst = append(append(dst, '/'), segment...)
			continue
		case 1:
		case 2:
			dst = dst[:base+max(bytes.LastIndexByte(dst[base:], '/'), 0)]
		}
		if i == len(raw) {
			dst = append(dst, '/')
		}
	}
	return dst
}

// dots is how many dots a segment consists of, encoded ones included; 0 when of anything else.
func dots(segment []byte) (n int) {
	for len(segment) > 0 {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && string(segment[:2]) == "%2" && segment[2]|0x20 == 'e':
			segment = segment[3:]
		default:
			return 0
		}
		n++
	}
	return n
}

// PlainPath says that raw decodes to itself: visible ASCII without escapes and dot segments.
func PlainPath(raw []byte) bool {
	end, query := scanTarget(raw, 0)
	return end == len(raw) && query < 0 && bytes.IndexByte(raw, '%') < 0 &&
		!bytes.Contains(raw, slashDot)
}

var slashDot = []byte("/.")

// decodeSegment appends one decoded path segment to dst.
func decodeSegment(dst, segment []byte) ([]byte, *ParseError) {
	start := len(dst)
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if c != '%' {
			dst = append(dst, c)
			continue
		}
		if i+2 >= len(segment) {
			return dst, ErrPathEscape
		}
		hi, lo := unhex(segment[i+1]), unhex(segment[i+2])
		if hi|lo > 15 {
			return dst, ErrPathEscape
		}
		i += 2
		if c = hi<<4 | lo; c == '/' {
			dst = append(dst, "%2F"...)
			continue
		}
		dst = append(dst, c)
	}
	return dst, checkText(dst[start:])
}

// checkText refuses what is not UTF-8 or holds a control character.
func checkText(b []byte) *ParseError {
	if !utf8.Valid(b) {
		return ErrPathUTF8
	}
	for i, c := range b {
		if c < ' ' || c == 0x7f || c == 0xc2 && b[i+1] < 0xa0 { // 0xc2 0x80 to 0x9f is U+0080 to 9F
			return ErrPathControl
		}
	}
	return nil
}

// unhex is the value of a hex digit, 255 of anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}
