package worker

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"

	"weir/pipeline"
	"weir/protocol/http1"
)

var headLimits = http1.Limits{RequestLineBytes: headBytesMax, HeadBytes: headBytesMax, Fields: fieldsMax}

// appendHead appends the head that fasthttp has read, so that the handler sees what it would see in a
// front. Framing is said anew: fasthttp keeps it apart from the other fields.
func appendHead(dst []byte, h *fasthttp.RequestHeader) []byte {
	dst = append(append(dst, h.Method()...), ' ')
	dst = append(append(dst, h.RequestURI()...), ' ')
	dst = append(append(dst, h.Protocol()...), "\r\n"...)
	for name, value := range h.All() {
		if isFraming(name) {
			continue
		}
		dst = append(append(dst, name...), ": "...)
		dst = append(append(dst, value...), "\r\n"...)
	}
	switch n := h.ContentLength(); {
	case n > 0:
		dst = append(dst, "Content-Length: "...)
		dst = append(fasthttp.AppendUint(dst, n), "\r\n"...)
	case n == -1:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func isFraming(name []byte) bool {
	return strings.EqualFold(string(name), fasthttp.HeaderContentLength) ||
		strings.EqualFold(string(name), fasthttp.HeaderTransferEncoding)
}

// originOf is the client as the front knows it: the last entry of X-Forwarded-For is the front's own.
func originOf(r *http1.Request, local string) pipeline.Origin {
	return pipeline.Origin{Peer: peerOf(r), Local: local, Scheme: schemeOf(r)}
}

func schemeOf(r *http1.Request) string {
	if string(r.Get(http1.XForwardedProto)) == "https" {
		return "https"
	}
	return "http"
}

// peerOf is the last entry of X-Forwarded-For; not valid for a client on a Unix socket.
func peerOf(r *http1.Request) netip.AddrPort {
	list := r.Get(http1.XForwardedFor)
	last := bytes.TrimSpace(list[bytes.LastIndexByte(list, ',')+1:])
	var ip netip.Addr
	if len(last) <= netipBytesMax && ip.UnmarshalText(bytes.Trim(last, "[]")) == nil {
		return netip.AddrPortFrom(ip, 0)
	}
	return netip.AddrPort{}
}

// prefixOf is the length of the app's prefix, which the front names, at the start of path: the same
// handler sees the same Path and PathBase whether it is hosted in the front or here.
func prefixOf(r *http1.Request, path string) int {
	b := r.Lookup("X-Forwarded-Prefix")
	if len(b) == 0 {
		return 0
	}
	prefix := string(b)
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok || prefix == "" || rest != "" && rest[0] != '/' {
		return 0
	}
	return len(prefix)
}
