package http1

import "bytes"

// Response is one response head of an upstream. Its slices are views of the buffer last given to
// Parse or Rebase. The zero value is ready; reuse it, Parse then does not allocate.
type Response struct {
	head

	Status        int // 100 to 999
	Minor         int // 0 or 1
	ContentLength int64
	Chunked       bool
	// KeepAlive: the upstream keeps the connection open after this response; meaningless where
	// BodyKind is BodyUntilClose or BodyTunnel.
	KeepAlive bool
	Upgrade   bool // 101 of HTTP/1.1 with Connection: upgrade and an Upgrade field

	size int
}

// Parse parses one response head at the start of b into r and returns its length in bytes. It has
// the contract of [Request.Parse]; errors have status 502 and KindResponse, and r holds nothing then.
//
// The reason phrase is checked and dropped. A response with both Content-Length and
// Transfer-Encoding, with a Transfer-Encoding other than chunked, or with one in HTTP/1.0 is an
// error: RFC 9112 section 6.3 leaves no safe reading of it.
//
// Hot path: once per response of a worker. No allocation: TestParseAllocs.
func (r *Response) Parse(b []byte, seen int, lim *Limits) (n int, err error) {
	l := lim.resolved()
	capped := l.cap(b)
	if r.resumes(seen) {
		if r.stillPartial(capped, seen, &l) {
			r.seen = len(b)
			return 0, nil
		}
		if n, perr := r.lines(capped, &l); n == 0 && perr == nil && len(capped) < l.HeadBytes {
			r.seen = len(b)
			return 0, nil
		}
	}
	r.restart()
	n, perr := r.parse(capped, &l)
	if perr != nil {
		r.Reset()
		return 0, responseError(perr)
	}
	r.seen = len(b)
	return n, nil
}

// parse parses b from its start.
func (r *Response) parse(b []byte, l *Limits) (int, *ParseError) {
	n, err := r.lines(b, l)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		if len(b) >= l.HeadBytes {
			return 0, ErrHeadLength
		}
		return 0, nil
	}
	r.b, r.size = b[:n:n], n
	if err := r.settle(); err != nil {
		return 0, err
	}
	return n, nil
}

func (r *Response) lines(b []byte, l *Limits) (int, *ParseError) {
	if !r.started {
		next, err := r.statusLine(b, l)
		if next == 0 || err != nil {
			return 0, err
		}
		r.line, r.started = next, true
	}
	return r.fieldLines(b, l.Fields)
}

// Rebase tells r that the bytes of its head now are at the start of b.
func (r *Response) Rebase(b []byte) { r.b = b[:r.size:r.size] }

// Reset forgets the head and its buffer, but keeps the memory for fields.
func (r *Response) Reset() {
	fields := r.fields[:0]
	*r = Response{}
	r.fields = fields
}

// Size is the length of the head in bytes.
func (r *Response) Size() int { return r.size }

// statusLine parses the status line at the start of b and returns its end, or (0, nil) if it is
// incomplete.
//
// RFC 9112 section 4: status-line = HTTP-version SP status-code SP [ reason-phrase ].
func (r *Response) statusLine(b []byte, l *Limits) (next int, err *ParseError) {
	const prefix, codeAt, codeEnd = "HTTP/1.", 9, 12
	if n := min(len(b), len(prefix)); string(b[:n]) != prefix[:n] {
		return 0, ErrStatusLine
	}
	lf := bytes.IndexByte(b, '\n')
	if line := lf; line < 0 || line-1 > l.RequestLineBytes {
		if line < 0 {
			line = len(b)
		}
		if line > l.RequestLineBytes+1 {
			return 0, ErrStatusLine
		}
		return 0, nil
	}
	if lf < codeEnd+1 || b[lf-1] != '\r' || classes[b[7]]&classDigit == 0 || b[8] != ' ' ||
		!all(b[codeAt:codeEnd], classDigit) || b[codeAt] == '0' ||
		scanValue(b, codeEnd) != lf-1 || lf-1 > codeEnd && b[codeEnd] != ' ' {
		return 0, ErrStatusLine
	}
	r.Status = int(b[codeAt]-'0')*100 + int(b[codeAt+1]-'0')*10 + int(b[codeAt+2]-'0')
	r.Minor = min(int(b[7]-'0'), 1)
	return lf + 1, nil
}

// settle reads what several fields say together.
func (r *Response) settle() *ParseError {
	r.KeepAlive, r.Upgrade = r.Minor == 1, false
	var err *ParseError
	if r.ContentLength, r.Chunked, err = r.framing(r.Minor); err != nil {
		return err
	}
	if r.present.has(Connection) {
		options, err := r.connection()
		if err != nil {
			return err
		}
		r.KeepAlive = options.persists(r.Minor)
		// RFC 9110 section 7.8: there is no switching in HTTP/1.0.
		r.Upgrade = r.Status == 101 && r.Minor == 1 && options&optionUpgrade != 0 && len(r.Get(Upgrade)) > 0
	}
	// RFC 9110 section 8.6, RFC 9112 section 6.1: neither field may be in a 1xx or 204. A sender
	// that thinks otherwise would have its body taken for the next response.
	if r.Chunked || r.ContentLength > 0 {
		switch {
		case r.Status < 200:
			return ErrInterimBody
		case r.Status == 204:
			r.KeepAlive = false
		}
	}
	return nil
}

// Body is how the body of a response ends.
type Body uint8

// Ends of a body.
const (
	BodyNone       Body = iota // there is none
	BodyLength                 // after a number of bytes
	BodyChunked                // by the last chunk
	BodyUntilClose             // when the connection closes
	BodyTunnel                 // the connection is no longer HTTP
)

// BodyKind says how the body ends that follows r, and its length if that is BodyLength. isHead and
// isConnect concern the method of the request.
//
// RFC 9112 section 6.3.
func (r *Response) BodyKind(isHead, isConnect bool) (kind Body, length int64) {
	switch {
	case r.Status == 101 || isConnect && r.Status/100 == 2:
		return BodyTunnel, 0
	case isHead || r.Status < 200 || r.Status == 204 || r.Status == 304:
		return BodyNone, 0
	case r.Chunked:
		return BodyChunked, 0
	case r.ContentLength == 0:
		return BodyNone, 0
	case r.ContentLength > 0:
		return BodyLength, r.ContentLength
	}
	return BodyUntilClose, 0
}
