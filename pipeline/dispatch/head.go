package dispatch

import (
	"weir/netpoll"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// writeHead writes the request head as the worker gets it: never the client's bytes as they came,
// but what was understood of them. Origin-form target unless it is CONNECT, Host first, fields of this
// connection left out, one framing, who the request is from.
//
// Hot path: once per request. No allocation: TestProxyAllocs.
func (j *job) writeHead(conn *netpoll.Conn) {
	r := j.c.Request()
	id := j.requestID()
	room := r.Size() + 2*r.NumFields() + 3*len(r.Host()) + len(id) + len(j.c.PathBase()) +
		headRoomBytes
	dst := conn.Reserve(room)
	b := j.appendHead(dst, id)
	if cap(b) != cap(dst) { // the estimate was too low: append moved it
		conn.Write(b)
		return
	}
	conn.Commit(b)
}

// appendHead appends the whole head.
func (j *job) appendHead(dst []byte, id string) []byte {
	r := j.c.Request()
	dst = append(append(dst, r.Method()...), ' ')
	dst = j.appendTarget(dst)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = j.appendHost(dst)
	trusted := j.trusted()
	dst = j.appendFields(dst, trusted)
	dst = j.appendFraming(dst)
	dst = j.appendForwarded(dst, trusted)
	dst = j.s.line(dst, "X-Request-Id", id)
	return append(dst, "\r\n"...)
}

// appendTarget appends the target in origin-form, without dot segments; that of CONNECT is an authority.
func (j *job) appendTarget(dst []byte) []byte {
	r := j.c.Request()
	if j.connects() {
		return append(dst, r.Target()...)
	}
	dst = http1.AppendPath(dst, r.Path())
	if q := r.Query(); q != nil {
		dst = append(dst, '?')
		dst = append(dst, q...)
	}
	return dst
}

func (j *job) appendHost(dst []byte) []byte {
	host := j.c.Request().Host()
	if len(host) == 0 {
		return j.s.line(dst, "Host", "localhost") // HTTP/1.0 without Host; workers want one
	}
	return j.s.line(dst, "Host", view(host))
}

// line appends a field line; in mux mode it is noted for the outline.
func (s *shard) line(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	dst = append(append(dst, value...), "\r\n"...)
	if s.outlining {
		s.lines = append(s.lines, frame.Line{Name: uint16(len(name)), Value: uint32(len(value))})
	}
	return dst
}

// noteLine notes a line that was appended piece by piece from dst[at:] on, without its line end.
func (s *shard) noteLine(dst []byte, at, name int) {
	if s.outlining {
		s.lines = append(s.lines, frame.Line{Name: uint16(name), Value: uint32(len(dst) - at - name - 2)})
	}
}

// appendFields appends the client's fields that go on.
//
// RFC 9110 section 7.6.1: an intermediary removes what Connection lists, and Connection.
func (j *job) appendFields(dst []byte, trusted bool) []byte {
	r := j.c.Request()
	trace := !j.set.DistrustTrace && validTraceparent(r.Get(http1.Traceparent)) &&
		!r.Repeated(http1.Traceparent)
	for i := range r.NumFields() {
		switch k := r.KnownOf(i); k {
		case http1.Unknown:
			if r.ConnectionListed(i) || aliases(r.FieldName(i), trusted) {
				continue
			}
		case http1.Host, http1.ContentLength, http1.Expect, http1.XRequestID,
			http1.XForwardedFor, http1.XForwardedProto, http1.XForwardedHost, http1.Forwarded:
			continue // written anew
		case http1.XRealIP:
			if !trusted || r.ConnectionListed(i) {
				continue
			}
		case http1.Traceparent, http1.Tracestate:
			if !trace || r.ConnectionListed(i) {
				continue
			}
		case http1.ProxyAuthorization:
			// RFC 9110 section 11.7.2: who takes CONNECT is the proxy that it is for.
			if !j.connects() || r.ConnectionListed(i) {
				continue
			}
		default:
			if r.HopByHop(i) {
				continue
			}
		}
		dst = j.s.line(dst, view(r.FieldName(i)), view(r.FieldValue(i)))
	}
	return dst
}

// appendFraming appends what says how the body ends, and what concerns it.
func (j *job) appendFraming(dst []byte) []byte {
	r := j.c.Request()
	switch {
	case j.chunks():
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case j.bodyLength() >= 0:
		dst = http1.AppendContentLength(dst, j.bodyLength())
	case r.Verb == http1.VerbPost || r.Verb == http1.VerbPut || r.Verb == http1.VerbPatch:
		dst = append(dst, "Content-Length: 0\r\n"...) // RFC 9110 section 8.6
	}
	if r.ExpectContinue && !j.receiving {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	switch {
	case r.Upgrade && r.Offers(""):
		dst = append(r.AppendOffer(append(dst, "Upgrade: "...)), "\r\nConnection: Upgrade\r\n"...)
	case r.Has(http1.TE) && listsTrailers(r):
		// RFC 9110 section 10.1.4: TE is listed in Connection.
		dst = append(dst, "TE: trailers\r\nConnection: TE\r\n"...)
	}
	return dst
}

// listsTrailers says whether the client takes trailers.
func listsTrailers(r *http1.Request) bool {
	for v := range r.Values(http1.TE) {
		for len(v) > 0 {
			var item []byte
			if item, v = cutComma(v); foldIs(item, "trailers") {
				return true
			}
		}
	}
	return false
}

// cutComma returns the first element of a comma-separated list, trimmed, and the rest.
func cutComma(v []byte) (item, rest []byte) {
	item = v
	for i, c := range v {
		if c == ',' {
			item, rest = v[:i], v[i+1:]
			break
		}
	}
	for len(item) > 0 && (item[0] == ' ' || item[0] == '\t') {
		item = item[1:]
	}
	for n := len(item); n > 0 && (item[n-1] == ' ' || item[n-1] == '\t'); n = len(item) {
		item = item[:n-1]
	}
	return item, rest
}

// foldIs compares with a lower-case word.
func foldIs(b []byte, word string) bool {
	return len(b) == len(word) && foldPrefix(b, word)
}

// foldPrefix says whether b begins with a lower-case word, "-" also matching "_": CGI-style
// gateways (WSGI, Rack, PHP) show an application one variable for both.
func foldPrefix(b []byte, word string) bool {
	if len(b) < len(word) {
		return false
	}
	for i := range len(word) {
		c := b[i]
		if c-'A' < 26 {
			c |= 0x20
		} else if c == '_' {
			c = '-'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// aliases says whether a field that we do not know could pass for one that we write or rule: any
// X-Forwarded- field of a client that is not trusted, the one for the prefix of any client, and names
// of weight written with "_".
func aliases(name []byte, trusted bool) bool {
	underscore := false
	for _, c := range name {
		if c == '_' {
			underscore = true
			break
		}
	}
	if !underscore {
		return foldPrefix(name, "x-forwarded-") && (!trusted || foldIs(name, "x-forwarded-prefix"))
	}
	if foldPrefix(name, "x-forwarded-") {
		return true
	}
	for _, w := range [...]string{
		"content-length", "transfer-encoding", "x-request-id", "x-real-ip", "content-type",
		"proxy-authorization", "proxy-connection", "keep-alive",
	} {
		if foldIs(name, w) {
			return true
		}
	}
	return false
}
