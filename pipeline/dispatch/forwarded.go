package dispatch

import (
	"bytes"
	"net/netip"

	"weir/protocol/http1"
)

// trusted says whether what the client says about whom it speaks for is believed.
func (j *job) trusted() bool {
	if j.c.PeerTrusted() {
		return true
	}
	peer := j.c.Peer()
	return len(j.set.TrustedProxies) > 0 && peer.IsValid() && j.set.trusts(peer.Addr())
}

// scheme is the one by which the client asked, as far as we or a trusted proxy know.
func (j *job) scheme() string {
	if p := j.c.Request().Get(http1.XForwardedProto); len(p) > 0 && j.trusted() {
		switch {
		case foldIs(p, "https"):
			return "https"
		case foldIs(p, "http"):
			return "http"
		}
	}
	return j.c.Scheme()
}

// requestID is the exchange's id: that of a trusted proxy, if it sent a good one.
func (j *job) requestID() string {
	if r := j.c.Request(); r.Has(http1.XRequestID) && !r.Repeated(http1.XRequestID) && j.trusted() {
		j.c.SetRequestID(view(r.Get(http1.XRequestID))) // refused when it is no good
	}
	return j.c.RequestID()
}

// appendForwarded appends who the request is from: X-Forwarded-For, -Proto, -Host and -Prefix, and
// Forwarded (RFC 7239). What a trusted proxy said comes before.
func (j *job) appendForwarded(dst []byte, trusted bool) []byte {
	r, peer := j.c.Request(), j.c.Peer().Addr().Unmap()
	known := trusted && r.Has(http1.XForwardedFor)
	if known || peer.IsValid() {
		at := len(dst)
		dst = append(dst, "X-Forwarded-For: "...)
		if known {
			dst = appendList(dst, r, http1.XForwardedFor)
		}
		if peer.IsValid() {
			if known {
				dst = append(dst, ", "...)
			}
			dst = peer.AppendTo(dst)
		}
		j.s.noteLine(dst, at, len("X-Forwarded-For"))
		dst = append(dst, "\r\n"...)
	}
	proto, host := j.c.Scheme(), r.Host()
	if p := r.Get(http1.XForwardedProto); trusted && (foldIs(p, "http") || foldIs(p, "https")) {
		dst = j.s.line(dst, "X-Forwarded-Proto", view(p))
	} else {
		dst = j.s.line(dst, "X-Forwarded-Proto", proto)
	}
	if h := r.Get(http1.XForwardedHost); trusted && len(h) > 0 {
		dst = j.s.line(dst, "X-Forwarded-Host", view(h))
	} else if len(host) > 0 {
		dst = j.s.line(dst, "X-Forwarded-Host", view(host))
	}
	if base := j.c.PathBase(); base != "" {
		// What the app's prefix matched: of the decoded path, as the worker's own router sees it.
		dst = j.s.line(dst, "X-Forwarded-Prefix", base)
	}
	at := len(dst)
	dst = append(dst, "Forwarded: "...)
	if trusted && r.Has(http1.Forwarded) {
		dst = appendList(dst, r, http1.Forwarded)
		dst = append(dst, ", "...)
	}
	dst = appendElement(dst, peer, host, proto)
	j.s.noteLine(dst, at, len("Forwarded"))
	return append(dst, "\r\n"...)
}

// appendList appends the values of a list field as one.
func appendList(dst []byte, r *http1.Request, k http1.Known) []byte {
	first := true
	for v := range r.Values(k) {
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(dst, v...)
	}
	return dst
}

// appendElement appends one forwarded-element: for, host, proto. Values that are no token, as those
// with a colon, are quoted.
func appendElement(dst []byte, peer netip.Addr, host []byte, proto string) []byte {
	switch {
	case !peer.IsValid():
		dst = append(dst, "for=unknown"...)
	case peer.Is4():
		dst = peer.AppendTo(append(dst, "for="...))
	default:
		dst = peer.AppendTo(append(dst, `for="[`...))
		dst = append(dst, `]"`...)
	}
	if len(host) > 0 {
		if bytes.IndexByte(host, ':') >= 0 {
			dst = append(dst, `;host="`...)
			dst = append(append(dst, host...), '"')
		} else {
			dst = append(append(dst, ";host="...), host...)
		}
	}
	return append(append(dst, ";proto="...), proto...)
}

// validTraceparent checks W3C trace context, level 1: version, 32 and 16 lower-case hexadecimal
// digits that are not all zero, flags. Later versions may go on after another "-".
func validTraceparent(v []byte) bool {
	const size = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(v) < size || v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return false
	}
	version, trace, span := v[:2], v[3:35], v[36:52]
	if !lowerHex(version) || !lowerHex(trace) || !lowerHex(span) || !lowerHex(v[53:55]) {
		return false
	}
	if string(version) == "ff" || len(bytes.Trim(trace, "0")) == 0 ||
		len(bytes.Trim(span, "0")) == 0 {
		return false
	}
	return len(v) == size || string(version) != "00" && v[size] == '-'
}

func lowerHex(v []byte) bool {
	for _, c := range v {
		if c-'0' >= 10 && c-'a' >= 6 {
			return false
		}
	}
	return true
}
