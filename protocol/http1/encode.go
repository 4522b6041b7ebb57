package http1

import "strconv"

// text is what encoders take: a view or a constant, without conversion.
type text interface{ string | []byte }

// CRLF ends every line; alone it ends a head or a trailer section.
const CRLF = "\r\n"

// AppendStatusLine appends an HTTP/1.1 status line with the usual reason phrase. status has three
// digits; any other is a bug of the caller and panics.
func AppendStatusLine(dst []byte, status int) []byte {
	if status < 100 || status > 999 {
		panic("http1: status line: status " + strconv.Itoa(status) + " has not three digits")
	}
	if i := status - 100; i < len(statusLines) && statusLines[i] != "" {
		return append(dst, statusLines[i]...)
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	return append(dst, " \r\n"...) // the reason phrase may be empty, its SP may not be missing
}

// AppendRequestLine appends an HTTP/1.1 request line. method and target must come from a parsed
// Request, or be constants: they are checked like a field value, which excludes splitting, and must
// hold no space. On error dst is returned as it was.
func AppendRequestLine[M, T text](dst []byte, method M, target T) ([]byte, error) {
	start := len(dst)
	dst = append(dst, method...)
	if len(method) == 0 || !all(dst[start:], classToken) {
		return dst[:start], ErrMethod
	}
	dst = append(dst, ' ')
	at := len(dst)
	dst = append(dst, target...)
	if end, _ := scanTarget(dst, at); end != len(dst) || end == at {
		return dst[:start], ErrTarget
	}
	return append(dst, " HTTP/1.1\r\n"...), nil
}

// AppendField appends one field line. If name is no token or value holds a control character, dst
// is returned as it was, with ErrEncodeName or ErrEncodeValue: neither a line end nor a NUL that
// came in with somebody's data gets out (response splitting).
//
// Hot path: per field of a response. No allocation: TestEncodeAllocs.
func AppendField[N, V text](dst []byte, name N, value V) ([]byte, error) {
	start := len(dst)
	dst = append(dst, name...)
	if len(name) == 0 || !all(dst[start:], classToken) {
		return dst[:start], ErrEncodeName
	}
	return appendValue(dst, start, value)
}

// AppendKnown appends one field line of a known field, whose name needs no check.
func AppendKnown[V text](dst []byte, k Known, value V) ([]byte, error) {
	start := len(dst)
	if k == Unknown {
		return dst, ErrEncodeName
	}
	return appendValue(append(dst, knownNames[k]...), start, value)
}

// appendValue appends colon, value and line end; on error it cuts dst to start.
func appendValue[V text](dst []byte, start int, value V) ([]byte, error) {
	dst = append(dst, ':', ' ')
	at := len(dst)
	dst = append(dst, value...)
	if scanValue(dst, at) != len(dst) {
		return dst[:start], ErrEncodeValue
	}
	return append(dst, CRLF...), nil
}

// ValidField says whether AppendField takes name and value.
func ValidField[N, V text](name N, value V) bool {
	if len(name) == 0 {
		return false
	}
	for i := range len(name) {
		if classes[name[i]]&classToken == 0 {
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// AppendContentLength appends a Content-Length field line; n must not be negative.
func AppendContentLength(dst []byte, n int64) []byte {
	if n < 0 {
		panic("http1: content-length: negative")
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, CRLF...)
}

// AppendChunkHeader appends what precedes size bytes of chunk data, after which the caller appends
// CRLF. size must be positive: a chunk of 0 bytes ends the body.
func AppendChunkHeader(dst []byte, size int64) []byte {
	if size <= 0 {
		panic("http1: chunk header: size is not positive")
	}
	dst = strconv.AppendInt(dst, size, 16)
	return append(dst, CRLF...)
}

// AppendChunk appends data as one chunk; nothing if it is empty.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkHeader(dst, int64(len(data)))
	dst = append(dst, data...)
	return append(dst, CRLF...)
}

// AppendLastChunk appends the end of a chunked body without trailers.
func AppendLastChunk(dst []byte) []byte { return append(dst, "0\r\n\r\n"...) }

// AppendTrailerStart appends the last chunk; trailer fields and CRLF must follow.
func AppendTrailerStart(dst []byte) []byte { return append(dst, "0\r\n"...) }

// TrailerAllowed says whether a field may be sent in a trailer section.
func TrailerAllowed(k Known) bool { return !(trailerRefused | trailerDropped).has(k) }
