package http1

// Form is which of the four forms a request target has.
//
// RFC 9112 section 3.2.
type Form uint8

// Forms of a request target.
const (
	OriginForm    Form = iota // /path?query
	AbsoluteForm              // http://host/path?query
	AuthorityForm             // host:port, of CONNECT only
	AsteriskForm              // *, of OPTIONS only
)

// Verb is the request method as a number.
type Verb uint8

// The methods of RFC 9110 section 9 and RFC 5789.
const (
	VerbOther Verb = iota
	VerbGet
	VerbHead
	VerbPost
	VerbPut
	VerbDelete
	VerbConnect
	VerbOptions
	VerbTrace
	VerbPatch
)

// Idempotent says whether a repeated request has the effect of one. RFC 9110 section 9.2.2.
func (v Verb) Idempotent() bool {
	switch v {
	case VerbGet, VerbHead, VerbPut, VerbDelete, VerbOptions, VerbTrace:
		return true
	}
	return false
}

// Request is one parsed request head. Its slices are views of the buffer last given to Parse or
// Rebase. The zero value is ready; reuse it, Parse then does not allocate.
type Request struct {
	head

	Verb  Verb
	Form  Form
	Minor int // 0 or 1; HTTP/1.2 to 1.9 are served as 1.1
	// ContentLength is that of the body in bytes, -1 if not given. A request with neither
	// Content-Length nor Chunked has no body.
	ContentLength int64
	Chunked       bool // the body is in chunks
	KeepAlive     bool // the connection persists as far as the client is concerned
	// ExpectContinue: the client waits for 100 before it sends the body. False without a body.
	ExpectContinue bool
	Upgrade        bool // HTTP/1.1 with Connection: upgrade and an Upgrade field

	method, target, path, query, authority span
	https                                  bool // scheme of an absolute-form target
	plain                                  plainness
	size                                   int // bytes of the head
}

// plainness is whether the path decodes to itself, once somebody has asked.
type plainness uint8

const (
	plainUnknown plainness = iota
	plainYes
	plainNo
)

// span is a part of the head, [off, off+len).
type span struct{ off, len uint32 }

func spanOf(start, end int) span { return span{uint32(start), uint32(end - start)} }

func (s span) of(b []byte) []byte { return b[s.off : s.off+s.len : s.off+s.len] }

var slash = []byte("/")

// Parse parses one request head at the start of b into r and returns its length in bytes.
//
// r's slices alias b; they are valid until b is released or written ([Request.Rebase] moves them).
// Parse does not allocate once r has grown to the number of fields that come.
//
// If b holds only part of a head, Parse returns (0, nil): read more, and call it again with all
// bytes and seen = len(b) of this call; 0 the first time. With the same r, a head that comes byte
// by byte is then read about twice in all; with another r each call starts over, the answer is the
// same.
//
// A malformed head returns (0, err), err being one of the Err values of this package; each maps to
// a status code by [StatusOf] and to a [Kind]. r then holds the request line if that was well-formed,
// for the answer and the log, else nothing; it has no fields, no authority and no body.
//
// RFC 9112 sections 2 to 6; the package comment lists where this is stricter.
//
// Hot path: once per request. No allocation: TestParseAllocs.
func (r *Request) Parse(b []byte, seen int, lim *Limits) (n int, err error) {
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
		r.keepLine(capped)
		return 0, perr
	}
	r.seen = len(b)
	return n, nil
}

// keepLine forgets a malformed head in b but for its request line, if that was good. Nothing of an
// earlier head may stay: its bytes belong to somebody else by now.
func (r *Request) keepLine(b []byte) {
	if !r.started {
		r.Reset()
		return
	}
	line := Request{Verb: r.Verb, Form: r.Form, Minor: r.Minor, ContentLength: -1,
		method: r.method, target: r.target, path: r.path, query: r.query, https: r.https}
	// r.line has moved on to the field that was refused; the line ends behind its version.
	line.size = int(r.target.off+r.target.len) + len(" HTTP/1.1\r\n")
	line.b, line.fields = b[:line.size:line.size], r.fields[:0]
	*r = line
}

// parse parses b from its start.
func (r *Request) parse(b []byte, l *Limits) (int, *ParseError) {
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
	r.b, r.size, r.plain = b[:n:n], n, plainUnknown
	if err := r.settle(); err != nil {
		return 0, err
	}
	return n, nil
}

// lines parses from the first line that is not parsed yet; (0, nil) if the head is incomplete.
func (r *Request) lines(b []byte, l *Limits) (int, *ParseError) {
	if !r.started {
		next, err := r.requestLine(b, l)
		if next == 0 || err != nil {
			return 0, err
		}
		r.line, r.started = next, true
	}
	return r.fieldLines(b, l.Fields)
}

// Rebase tells r that the bytes of its head now are at the start of b.
func (r *Request) Rebase(b []byte) { r.b = b[:r.size:r.size] }

// Reset forgets the head and its buffer, but keeps the memory for fields.
func (r *Request) Reset() {
	fields := r.fields[:0]
	*r = Request{}
	r.fields = fields
}

// Size is the length of the head in bytes.
func (r *Request) Size() int { return r.size }

// Bytes is the head as received.
func (r *Request) Bytes() []byte { return r.b }

// Method is the method as received; it is case-sensitive.
func (r *Request) Method() []byte { return r.method.of(r.b) }

// Target is the request target as received.
func (r *Request) Target() []byte { return r.target.of(r.b) }

// Path is the target's path as received, undecoded, without query: "/" where an absolute-form
// target has none, "*" for asterisk-form, empty for authority-form.
func (r *Request) Path() []byte {
	if r.path.len == 0 && r.Form == AbsoluteForm {
		return slash
	}
	return r.path.of(r.b)
}

// PathPlain says that Path decodes to itself ([PlainPath]). The answer outlives Rebase.
func (r *Request) PathPlain() bool {
	if r.plain == plainUnknown {
		r.plain = plainNo
		if PlainPath(r.Path()) {
			r.plain = plainYes
		}
	}
	return r.plain == plainYes
}

// Query is what follows the first "?" of the target, as received; nil if there is no "?".
func (r *Request) Query() []byte {
	if r.query.off == 0 {
		return nil
	}
	return r.query.of(r.b)
}

// Host is host[:port] that the request is for: the target's authority if it has one, else the Host
// field; empty only in HTTP/1.0.
func (r *Request) Host() []byte { return r.authority.of(r.b) }

// Scheme is "http" or "https" of an absolute-form target, else "".
func (r *Request) Scheme() string {
	switch {
	case r.Form != AbsoluteForm:
		return ""
	case r.https:
		return "https"
	}
	return "http"
}

// HasBody says whether a body follows; its length may still be 0 if it is chunked.
func (r *Request) HasBody() bool { return r.Chunked || r.ContentLength > 0 }

// Within checks a parsed head against limits that are tighter than those it was parsed with, those
// of its route for example.
func (r *Request) Within(lim *Limits) error {
	l := lim.resolved()
	switch {
	case r.requestLineLen() > l.RequestLineBytes:
		return ErrURLLength
	case r.size > l.HeadBytes:
		return ErrHeadLength
	case len(r.fields) > l.Fields:
		return ErrFieldCount
	}
	return nil
}

// requestLineLen is the length of the request line: the version after the target has 9 bytes.
func (r *Request) requestLineLen() int {
	return int(r.target.off+r.target.len-r.method.off) + len(" HTTP/1.1")
}
