package http1

import "bytes"

// Words of the fast paths, as load64 sees them.
var (
	wordVersion11 = load64([]byte("HTTP/1.1"), 0)
	wordVersion10 = load64([]byte("HTTP/1.0"), 0)
)

// requestLine parses the request line at b[r.line:] and returns the start of the next line, or
// (0, nil) if it is incomplete.
//
// RFC 9112 section 3: request-line = method SP request-target SP HTTP-version.
func (r *Request) requestLine(b []byte, l *Limits) (next int, err *ParseError) {
	i, ok := 0, true
	if len(b) > 0 && b[0] == '\r' {
		// RFC 9112 section 2.2: "ignore at least one empty line (CRLF) received prior to the
		// request-line"; some clients end a POST body with one.
		if i, ok = 2, len(b) > 2; !ok {
			return 0, badEmptyLine(b)
		}
		if b[1] != '\n' {
			return 0, ErrBareCR
		}
	}
	r.line = i
	m, err := r.parseMethod(b, i)
	if m == 0 {
		return 0, err
	}
	r.method = spanOf(i, m)
	end, query := scanTarget(b, m+1)
	next = end + len(" HTTP/1.1\r\n")
	if next > len(b) || b[end] != ' ' || b[next-2] != '\r' || b[next-1] != '\n' ||
		next-2-i > l.RequestLineBytes {
		return 0, badRequestLine(b, i, l)
	}
	switch load64(b, end+1) {
	case wordVersion11:
		r.Minor = 1
	case wordVersion10:
		r.Minor = 0
	default:
		if !oddVersion(b[end+1 : next-2]) {
			return 0, badRequestLine(b, i, l)
		}
		r.Minor = 1
	}
	r.target = spanOf(m+1, end)
	if !r.splitTarget(b, m+1, end, query) {
		return 0, r.badForm(b[m+1 : end])
	}
	return next, nil
}

// badEmptyLine says what is wrong with b = CR or CR and one byte, or nil if that is LF or yet to
// come.
func badEmptyLine(b []byte) *ParseError {
	if len(b) == 2 && b[1] != '\n' {
		return ErrBareCR
	}
	return nil
}

// oddVersion says whether v is HTTP/1.2 to HTTP/1.9: a later minor version of the same protocol is
// served as the highest that we know. RFC 9110 section 2.5.
func oddVersion(v []byte) bool {
	return len(v) == 8 && string(v[:7]) == "HTTP/1." && '2' <= v[7] && v[7] <= '9'
}

// parseMethod parses the method at b[i:] up to its SP and returns the index of that, or (0, nil) if
// it is incomplete. Bytes that cannot be a method are an error at once: a TLS client would wait for
// our answer, and no LF may ever come.
func (r *Request) parseMethod(b []byte, i int) (sp int, err *ParseError) {
	w := loadPart(b, i)
	if uint32(w) == 'G'|'E'<<8|'T'<<16|' '<<24 {
		r.Verb = VerbGet
		return i + 3, nil
	}
	for j := i; j < len(b); j++ {
		if classes[b[j]]&classToken != 0 {
			if j-i >= methodBytesMax {
				return 0, ErrMethodLength
			}
			continue
		}
		if b[j] == ' ' && j > i {
			r.Verb = verbOf(b[i:j])
			return j, nil
		}
		return 0, badMethod(b, i, j)
	}
	return 0, nil
}

// badMethod says what a first line is whose byte j belongs in no method.
func badMethod(b []byte, i, j int) *ParseError {
	const handshake = 0x16 // the TLS record type of a ClientHello
	switch {
	case j == i && b[j] == handshake:
		return ErrTLS
	case j == i && b[j] == '\r':
		return ErrEmptyLines
	case b[j] == '\n':
		return ErrBareLF
	case b[j] == '\r':
		return ErrRequestLine
	}
	return ErrMethod
}

func verbOf(method []byte) Verb {
	switch string(method) {
	case "GET":
		return VerbGet
	case "HEAD":
		return VerbHead
	case "POST":
		return VerbPost
	case "PUT":
		return VerbPut
	case "DELETE":
		return VerbDelete
	case "CONNECT":
		return VerbConnect
	case "OPTIONS":
		return VerbOptions
	case "TRACE":
		return VerbTrace
	case "PATCH":
		return VerbPatch
	}
	return VerbOther
}

// badRequestLine says what is wrong with a request line whose method is good, or nil if it may only
// be incomplete.
func badRequestLine(b []byte, i int, l *Limits) *ParseError {
	n := bytes.IndexByte(b[i:], '\n')
	if n < 0 {
		// The last byte may be the CR of a line that is just short enough.
		if n = len(b) - i; n > l.RequestLineBytes+1 ||
			n > l.RequestLineBytes && b[len(b)-1] != '\r' {
			return ErrURLLength
		}
		return nil
	}
	line := b[i : i+n]
	if n == 0 || line[n-1] != '\r' {
		if n > l.RequestLineBytes {
			return ErrURLLength
		}
		return ErrBareLF
	}
	line = line[:n-1]
	if len(line) > l.RequestLineBytes {
		return ErrURLLength
	}
	if string(line) == "PRI * HTTP/2.0" {
		return ErrHTTP2 // RFC 9113 section 3.4
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return ErrBareCR
	}
	return badTargetOrVersion(line[bytes.IndexByte(line, ' ')+1:])
}

// badTargetOrVersion says what is wrong with the part of a request line after the method.
func badTargetOrVersion(rest []byte) *ParseError {
	target, version, ok := bytes.Cut(rest, []byte(" "))
	if end, _ := scanTarget(target, 0); end < len(target) || end == 0 {
		return ErrTarget
	}
	if !ok {
		return ErrRequestLine // HTTP/0.9 has no version
	}
	if len(version) == 8 && string(version[:5]) == "HTTP/" && version[6] == '.' &&
		all(version[5:6], classDigit) && all(version[7:8], classDigit) && version[5] != '1' {
		return ErrVersion
	}
	return ErrRequestLine
}

// splitTarget finds form, path, query and authority of the target b[start:end]; query is the index
// of its first "?" or -1. The authority is checked by [Request.settle].
//
// RFC 9112 section 3.2.
func (r *Request) splitTarget(b []byte, start, end, query int) bool {
	r.query, r.authority = span{}, span{}
	pathEnd := end
	if query >= 0 {
		pathEnd = query
		r.query = spanOf(query+1, end)
	}
	if start < end && b[start] == '/' && r.Verb != VerbConnect {
		r.Form = OriginForm
		r.path = spanOf(start, pathEnd)
		return true
	}
	target := b[start:end]
	switch {
	case r.Verb == VerbConnect:
		r.Form, r.path, r.query = AuthorityForm, span{}, span{}
		r.authority = spanOf(start, end)
		return len(target) > 0 && query < 0 && bytes.IndexByte(target, '/') < 0
	case len(target) == 1 && target[0] == '*':
		r.Form, r.path = AsteriskForm, spanOf(start, end)
		return r.Verb == VerbOptions
	}
	r.Form = AbsoluteForm
	return r.splitAbsolute(b, start, pathEnd)
}

// splitAbsolute splits http[s]://authority/path, query cut off.
func (r *Request) splitAbsolute(b []byte, start, end int) bool {
	colon := bytes.IndexByte(b[start:end], ':')
	if colon < 0 {
		return false
	}
	switch scheme := b[start : start+colon]; {
	case equalFold(scheme, "http"):
		r.https = false
	case equalFold(scheme, "https"):
		r.https = true
	default:
		return false
	}
	start += colon + len("://")
	if start >= end || string(b[start-2:start]) != "//" {
		return false
	}
	authorityEnd := end
	if n := bytes.IndexByte(b[start:end], '/'); n >= 0 {
		authorityEnd = start + n
	}
	r.authority = spanOf(start, authorityEnd)
	r.path = spanOf(authorityEnd, end)
	return true
}

// badForm is the error of a target that splitTarget refused.
func (r *Request) badForm(target []byte) *ParseError {
	if r.Verb == VerbConnect || string(target) == "*" {
		return ErrTargetForm
	}
	return ErrTarget
}
