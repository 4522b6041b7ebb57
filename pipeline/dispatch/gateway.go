package dispatch

import (
	"bytes"
	"strconv"
	"strings"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/cgi"
	"weir/protocol/fastcgi"
	"weir/protocol/frame"
	"weir/protocol/http1"
	"weir/protocol/uwsgi"
)

// Protocol is what a worker speaks on the connections to it.
type Protocol uint8

// Protocols.
const (
	HTTP Protocol = iota // HTTP/1.1
	// FastCGI: one request at a time on a connection, which is kept. CGI variables say what is asked.
	FastCGI
	// UWSGI: CGI variables in a packet of the uwsgi protocol; the answer is HTTP, and ends with the
	// connection.
	UWSGI
)

// gateway writes CGI variables; it is a shard's scratch.
type gateway struct {
	protocol Protocol
	params   fastcgi.Params
	text     []byte // the lines of fields, then a head that comes back
}

// refuseForGateway answers what no CGI program can be asked. true: j is over.
//
// RFC 9110 section 7.8: a server may ignore Upgrade; a WebSocket client could do nothing with that.
func (j *job) refuseForGateway(sp *Spool) bool {
	r := j.c.Request()
	switch {
	case r.Upgrade && r.Offers("websocket"):
		j.fail(501, pipeline.ReasonVerb, "")
	case r.Chunked && sp == nil: // CONTENT_LENGTH is what programs go by
		j.fail(411, pipeline.TransferEncoding, "")
	default:
		return false
	}
	return true
}

// writeVariables writes the request as CGI variables (RFC 3875 section 4.1); its body follows. false:
// they are too large, and j has been answered.
//
// Hot path: once per request. No allocation: TestGatewayAllocs.
func (j *job) writeVariables(conn *netpoll.Conn) bool {
	g, r := &j.s.gateway, j.c.Request()
	g.protocol = j.lane.w.protocol
	j.outlineFields()
	room := 3*r.Size() + 2*len(g.text) + variablesRoom
	if j.script.of != nil {
		room += len(j.script.of.Root) + 2*len(j.script.name)
	}
	dst := conn.Reserve(room)
	b := dst
	if g.protocol == FastCGI {
		b = g.params.Open(fastcgi.AppendBegin(b))
	} else {
		b = uwsgi.Open(b)
	}
	b = j.appendVariables(b)
	b = g.appendFields(b, j.s.lines)
	var err error
	if g.protocol == FastCGI {
		if b, err = g.params.Close(b); err == nil && !r.HasBody() {
			b = fastcgi.AppendStdin(b, 0)
		}
	} else {
		b, err = uwsgi.Close(b, 0)
	}
	if err != nil {
		j.fail(431, pipeline.ReasonRequestLength, "")
		return false
	}
	if cap(b) != cap(dst) { // the estimate was too low: append moved it
		conn.Write(b)
	} else {
		conn.Commit(b)
	}
	return true
}

// outlineFields leaves the fields that the worker gets as lines in gateway.text and shard.lines.
func (j *job) outlineFields() {
	s := j.s
	id := j.requestID()
	s.lines, s.outlining = s.lines[:0], true
	b := j.appendHost(s.gateway.text[:0])
	trusted := j.trusted()
	b = j.appendFields(b, trusted)
	b = j.appendForwarded(b, trusted)
	b = s.line(b, "X-Request-Id", id)
	s.gateway.text, s.outlining = b, false
}

// open begins a variable whose name is given, and whose value of that length is to be appended next.
func (g *gateway) open(dst []byte, name string, value int) []byte {
	return g.value(append(g.name(dst, len(name), value), name...), value)
}

// name begins a variable: its name is to be appended, then that of value, then its value.
func (g *gateway) name(dst []byte, name, value int) []byte {
	if g.protocol == FastCGI {
		return g.params.Pair(dst, name, value)
	}
	return uwsgi.Variable(dst, name)
}

func (g *gateway) value(dst []byte, value int) []byte {
	if g.protocol == FastCGI {
		return dst
	}
	return uwsgi.Value(dst, value)
}

func (g *gateway) put(dst []byte, name, value string) []byte {
	return append(g.open(dst, name, len(value)), value...)
}

// putInt puts a number that is not negative.
func (g *gateway) putInt(dst []byte, name string, n int64) []byte {
	var digits [20]byte
	b := strconv.AppendInt(digits[:0], n, 10)
	return append(g.open(dst, name, len(b)), b...)
}

// appendVariables appends all but those of fields.
func (j *job) appendVariables(dst []byte) []byte {
	g, r := &j.s.gateway, j.c.Request()
	dst = g.put(dst, "GATEWAY_INTERFACE", "CGI/1.1")
	dst = g.put(dst, "SERVER_SOFTWARE", "Weir")
	version := "HTTP/1.1"
	if r.Minor == 0 {
		version = "HTTP/1.0"
	}
	dst = g.put(dst, "SERVER_PROTOCOL", version)
	dst = g.put(dst, "REQUEST_METHOD", view(r.Method()))
	dst = j.appendURI(dst)
	dst = g.put(dst, "QUERY_STRING", view(r.Query()))
	dst = j.appendScript(dst)
	dst = j.appendEnds(dst)
	if n := j.bodyLength(); n >= 0 {
		dst = g.putInt(dst, "CONTENT_LENGTH", n)
	}
	if s := j.scheme(); s == "https" {
		dst = g.put(g.put(dst, "REQUEST_SCHEME", s), "HTTPS", "on")
	} else {
		dst = g.put(dst, "REQUEST_SCHEME", s)
	}
	return dst
}

// appendURI appends REQUEST_URI, which has its dot segments resolved, as HTTP workers get it.
func (j *job) appendURI(dst []byte) []byte {
	g := &j.s.gateway
	at := len(g.text)
	g.text = j.appendTarget(g.text)
	uri := g.text[at:]
	dst = append(g.open(dst, "REQUEST_URI", len(uri)), uri...)
	g.text = g.text[:at]
	return dst
}

// appendScript appends what is to run. Where the pool has no scripts, its program is mounted where the
// app is.
func (j *job) appendScript(dst []byte) []byte {
	g, s := &j.s.gateway, &j.script
	if s.of == nil {
		return g.put(g.put(dst, "SCRIPT_NAME", j.c.PathBase()), "PATH_INFO", j.c.Path())
	}
	root, base := s.of.Root, j.c.PathBase()
	dst = g.put(dst, "DOCUMENT_ROOT", root)
	dst = append(append(g.open(dst, "SCRIPT_FILENAME", len(root)+len(s.name)), root...), s.name...)
	dst = append(append(g.open(dst, "SCRIPT_NAME", len(base)+len(s.name)), base...), s.name...)
	dst = g.put(dst, "PATH_INFO", s.info)
	return g.put(dst, "REDIRECT_STATUS", "200") // php-cgi runs nothing that was not asked for by a server
}

// appendEnds appends who asks whom: our own address as far as the listener has one.
func (j *job) appendEnds(dst []byte) []byte {
	g := &j.s.gateway
	var text [48]byte
	if peer := j.c.Peer(); peer.IsValid() {
		b := peer.Addr().Unmap().AppendTo(text[:0])
		dst = append(g.open(dst, "REMOTE_ADDR", len(b)), b...)
		dst = g.putInt(dst, "REMOTE_PORT", int64(peer.Port()))
	} else {
		dst = g.put(dst, "REMOTE_ADDR", "unix:")
	}
	name, addr, port := hostName(j.c.Request().Host()), "", ""
	if local := j.c.Local(); !strings.HasPrefix(local, "unix:") {
		colon := strings.LastIndexByte(local, ':')
		addr, port = local[:max(colon, 0)], local[colon+1:]
	}
	if addr != "" && addr != "[::]" && addr != "0.0.0.0" {
		dst = g.put(dst, "SERVER_ADDR", strings.Trim(addr, "[]"))
	} else {
		addr = "localhost"
	}
	switch {
	case port == "0": // any: the kernel chose
		dst = g.putInt(dst, "SERVER_PORT", int64(j.x.LocalAddr().Port()))
	case port != "":
		dst = g.put(dst, "SERVER_PORT", port)
	case j.scheme() == "https":
		dst = g.put(dst, "SERVER_PORT", "443")
	default:
		dst = g.put(dst, "SERVER_PORT", "80")
	}
	if len(name) == 0 {
		return g.put(dst, "SERVER_NAME", addr)
	}
	return append(g.open(dst, "SERVER_NAME", len(name)), name...)
}

// hostName is host of host[:port].
func hostName(b []byte) []byte {
	if n := bytes.LastIndexByte(b, ':'); n >= 0 && n > bytes.LastIndexByte(b, ']') {
		return b[:n]
	}
	return b
}

// appendFields appends a variable for each field; those of one name make one value.
func (g *gateway) appendFields(dst []byte, lines []frame.Line) []byte {
	at := 0
	for i, l := range lines {
		if name := g.text[at : at+int(l.Name)]; !g.has(lines[:i], name) {
			dst = g.appendField(dst, lines[i:], at, name)
		}
		at += lineSize(l)
	}
	return dst
}

// lineSize is the size of a line with its colon and end.
func lineSize(l frame.Line) int { return int(l.Name) + len(": ") + int(l.Value) + len(http1.CRLF) }

// is says whether the line l at at has that name.
func (g *gateway) is(l frame.Line, at int, name []byte) bool {
	return int(l.Name) == len(name) && foldEqual(g.text[at:at+int(l.Name)], name)
}

// has says whether one of lines, the first ones, has that name.
func (g *gateway) has(lines []frame.Line, name []byte) bool {
	at := 0
	for _, l := range lines {
		if g.is(l, at, name) {
			return true
		}
		at += lineSize(l)
	}
	return false
}

// appendField appends the variable of the first of lines, which lies at at, and of all that share its
// name.
//
// RFC 3875 section 4.1.18: several fields of a name are one with the same meaning. For Cookie that is
// the separator of RFC 6265 section 4.2.1.
func (g *gateway) appendField(dst []byte, lines []frame.Line, at int, name []byte) []byte {
	separator, variable := ", ", cgi.VariableSize(view(name))
	contentType := foldIs(name, "content-type")
	switch {
	case variable == 0:
		return dst
	case foldIs(name, "cookie"):
		separator = "; "
	case contentType:
		variable = len("CONTENT_TYPE")
	}
	size, from := -len(separator), at
	for _, l := range lines {
		if g.is(l, from, name) {
			size += len(separator) + int(l.Value)
		}
		from += lineSize(l)
	}
	dst = g.name(dst, variable, size)
	if contentType {
		dst = append(dst, "CONTENT_TYPE"...)
	} else {
		dst = cgi.AppendVariable(dst, view(name))
	}
	dst = g.value(dst, size)
	for i, l := range lines {
		if g.is(l, at, name) {
			if i > 0 {
				dst = append(dst, separator...)
			}
			dst = append(dst, g.text[at+int(l.Name)+len(": "):][:l.Value]...)
		}
		at += lineSize(l)
	}
	return dst
}

// foldEqual compares two names of one length without regard to the case of letters.
func foldEqual(b, name []byte) bool {
	for i, c := range b {
		d := name[i]
		if c == d {
			continue
		}
		if c |= 0x20; c != d|0x20 || c-'a' >= 26 {
			return false
		}
	}
	return true
}
