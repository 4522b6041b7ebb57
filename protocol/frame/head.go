package frame

import (
	"encoding/binary"
	"math"
)

// LengthUnknown is the length of a body that is not known, or absent.
const LengthUnknown = -1

// Flags of a request.
const (
	FlagBody     uint16 = 1 << iota // a body of unknown length follows
	FlagContinue                    // the client waits for 100 before it sends the body
	FlagOld                         // the client spoke HTTP/1.0
	FlagTrailers                    // the client takes trailers
	FlagUpgrade                     // the client offers protocols to switch to, in an Upgrade line
)

// Line is one line of a head: lengths of its name and its value in bytes.
type Line struct {
	Name  uint16
	Value uint32
}

// RequestHead is what a REQUEST says beside its text and lines.
type RequestHead struct {
	Flags  uint16
	Length int64 // of the body; LengthUnknown
	// Lengths in bytes. Target has Path before its "?".
	Method, Target, Path int
}

// OpenRequest appends what precedes a request's text, to be completed by CloseRequest. Nothing else
// may be appended in between but the text.
//
// Hot path: once per request. No allocation: TestAllocs.
func OpenRequest(dst []byte) []byte {
	var zero [HeaderSize + requestMetaSize]byte
	return append(dst, zero[:]...)
}

// CloseRequest completes the REQUEST that OpenRequest began at dst[at:]. It fails, with dst as it was
// at at, when the head is too large for a frame.
//
// Hot path: once per request. No allocation beyond dst: TestAllocs.
func CloseRequest(dst []byte, at int, stream uint32, end bool, h *RequestHead, lines []Line) ([]byte, error) {
	text := len(dst) - at - HeaderSize - requestMetaSize
	dst = appendOutline(dst, lines)
	length := len(dst) - at - HeaderSize
	if length > PayloadMax || len(lines) > LinesMax || h.Method > math.MaxUint16 {
		return dst[:at], ErrLength
	}
	putHeader(dst[at:], Request, end, stream, length)
	m := dst[at+HeaderSize:]
	binary.LittleEndian.PutUint16(m, h.Flags)
	binary.LittleEndian.PutUint16(m[2:], uint16(len(lines)))
	binary.LittleEndian.PutUint64(m[4:], uint64(h.Length))
	binary.LittleEndian.PutUint16(m[12:], uint16(h.Method))
	binary.LittleEndian.PutUint32(m[16:], uint32(h.Target))
	binary.LittleEndian.PutUint32(m[20:], uint32(h.Path))
	binary.LittleEndian.PutUint32(m[24:], uint32(text))
	return dst, nil
}

// ParseRequest reads a REQUEST's payload. text and lines are views of b; that they match is seen to by
// who goes through them ([Lines.Next]).
//
// Hot path: once per request. No allocation: TestAllocs.
func ParseRequest(b []byte) (h RequestHead, text []byte, lines Lines, err error) {
	if len(b) < requestMetaSize {
		return h, nil, lines, ErrLength
	}
	h = RequestHead{
		Flags: binary.LittleEndian.Uint16(b), Length: int64(binary.LittleEndian.Uint64(b[4:])),
		Method: int(binary.LittleEndian.Uint16(b[12:])), Target: int(binary.LittleEndian.Uint32(b[16:])),
		Path: int(binary.LittleEndian.Uint32(b[20:])),
	}
	size, count := binary.LittleEndian.Uint32(b[24:]), int(binary.LittleEndian.Uint16(b[2:]))
	if text, lines, err = split(b[requestMetaSize:], size, count); err != nil {
		return h, nil, lines, err
	}
	start := h.Method + 1 + h.Target + len(requestLineEnd)
	switch {
	case h.Length < LengthUnknown, h.Method == 0, h.Path > h.Target, start+2 > len(text):
		return h, nil, lines, ErrHead
	case text[h.Method] != ' ', string(text[start-len(requestLineEnd):start]) != requestLineEnd,
		h.Path < h.Target && text[h.Method+1+h.Path] != '?':
		return h, nil, lines, ErrHead
	}
	lines.at = start
	return h, text, lines, nil
}

const requestLineEnd = " HTTP/1.1\r\n"

// ResponseHead is what a RESPONSE says beside its text and lines.
type ResponseHead struct {
	Status int
	Length int64 // of the body; LengthUnknown
}

// OpenResponse and CloseResponse are OpenRequest and CloseRequest for a RESPONSE.
func OpenResponse(dst []byte) []byte {
	var zero [HeaderSize + responseMetaSize]byte
	return append(dst, zero[:]...)
}

// CloseResponse completes the RESPONSE that OpenResponse began at dst[at:].
//
// Hot path: once per response. No allocation beyond dst: TestAllocs.
func CloseResponse(dst []byte, at int, stream uint32, end bool, h *ResponseHead, lines []Line) ([]byte, error) {
	text := len(dst) - at - HeaderSize - responseMetaSize
	dst = appendOutline(dst, lines)
	length := len(dst) - at - HeaderSize
	if length > PayloadMax || len(lines) > LinesMax {
		return dst[:at], ErrLength
	}
	putHeader(dst[at:], Response, end, stream, length)
	m := dst[at+HeaderSize:]
	binary.LittleEndian.PutUint16(m, uint16(h.Status))
	binary.LittleEndian.PutUint16(m[2:], uint16(len(lines)))
	binary.LittleEndian.PutUint64(m[4:], uint64(h.Length))
	binary.LittleEndian.PutUint32(m[12:], uint32(text))
	return dst, nil
}

// ParseResponse reads a RESPONSE's payload, as ParseRequest does.
//
// Hot path: once per response. No allocation: TestAllocs.
func ParseResponse(b []byte) (h ResponseHead, text []byte, lines Lines, err error) {
	if len(b) < responseMetaSize {
		return h, nil, lines, ErrLength
	}
	h = ResponseHead{Status: int(binary.LittleEndian.Uint16(b)),
		Length: int64(binary.LittleEndian.Uint64(b[4:]))}
	switch {
	case h.Status < 100 || h.Status > 999:
		return h, nil, lines, ErrStatus
	case h.Length < LengthUnknown:
		return h, nil, lines, ErrHead
	}
	size, count := binary.LittleEndian.Uint32(b[12:]), int(binary.LittleEndian.Uint16(b[2:]))
	text, lines, err = split(b[responseMetaSize:], size, count)
	return h, text, lines, err
}

// AppendTrailers appends a TRAILERS with these lines of text.
func AppendTrailers(dst []byte, stream uint32, text []byte, lines []Line) ([]byte, error) {
	length := trailersMetaSize + len(text) + lineSize*len(lines)
	if length > PayloadMax || len(lines) > LinesMax {
		return dst, ErrLength
	}
	dst = AppendHeader(dst, Trailers, true, stream, length)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(lines)))
	dst = append(dst, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
	return appendOutline(append(dst, text...), lines), nil
}

// ParseTrailers reads a TRAILERS' payload.
func ParseTrailers(b []byte) (text []byte, lines Lines, err error) {
	if len(b) < trailersMetaSize {
		return nil, lines, ErrLength
	}
	size, count := binary.LittleEndian.Uint32(b[4:]), int(binary.LittleEndian.Uint16(b))
	return split(b[trailersMetaSize:], size, count)
}

func appendOutline(dst []byte, lines []Line) []byte {
	for _, l := range lines {
		dst = binary.LittleEndian.AppendUint16(dst, l.Name)
		dst = binary.LittleEndian.AppendUint32(dst, l.Value)
	}
	return dst
}

// split divides what follows a head's fixed part.
func split(b []byte, text uint32, count int) ([]byte, Lines, error) {
	if uint64(text)+uint64(count)*lineSize != uint64(len(b)) {
		return nil, Lines{}, ErrHead
	}
	return b[:text:text], Lines{text: b[:text:text], outline: b[text:]}, nil
}

// Lines goes through the lines of a head.
type Lines struct {
	text, outline []byte
	at            int // of the next line in text
}

// Len is how many lines are left.
func (l *Lines) Len() int { return len(l.outline) / lineSize }

// Next is the place of the next line in the text: its name is text[name:name+nameLen], its value
// text[value:value+valueLen]. ok is false after the last line, or with an error when outline and text
// do not match.
//
// Hot path: once per field. No allocation: TestAllocs.
func (l *Lines) Next() (name, nameLen, value, valueLen int, ok bool, err error) {
	if len(l.outline) < lineSize {
		return 0, 0, 0, 0, false, nil
	}
	nameLen = int(binary.LittleEndian.Uint16(l.outline))
	valueLen = int(binary.LittleEndian.Uint32(l.outline[2:]))
	name, value = l.at, l.at+nameLen+2
	end := value + valueLen + 2
	if nameLen == 0 || end > len(l.text) || l.text[value-2] != ':' || l.text[value-1] != ' ' ||
		l.text[end-2] != '\r' || l.text[end-1] != '\n' {
		return 0, 0, 0, 0, false, ErrHead
	}
	l.at, l.outline = end, l.outline[lineSize:]
	return name, nameLen, value, valueLen, true, nil
}

// Rest is what follows the last line in the text: an empty line in a request, else nothing.
func (l *Lines) Rest() []byte { return l.text[l.at:] }
