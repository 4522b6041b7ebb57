package http1

import "iter"

// Protocols iterates over the protocols that the client offers to switch to and that it may be given,
// in its order. It yields nothing unless r.Upgrade, nor for a request with a body: until that has ended
// its bytes and those of another protocol could be taken for each other. Protocols that carry HTTP
// again (h2c, HTTP/2.0, TLS/1.0 …) are left out: requests inside would pass by every check made here.
//
// RFC 9110 section 7.8: a server may ignore Upgrade. Protocol = protocol-name [ "/" protocol-version ],
// both tokens; what is malformed is left out, too.
func (r *Request) Protocols() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !r.Upgrade || r.HasBody() || r.Verb == VerbHead || r.Verb == VerbConnect {
			return
		}
		for v := range r.Values(Upgrade) {
			for p := range protocols(v) {
				if !carriesHTTP(p) && !yield(p) {
					return
				}
			}
		}
	}
}

// Offers says whether the client may be given this protocol, or any for "".
func (r *Request) Offers(protocol string) bool {
	for p := range r.Protocols() {
		if protocol == "" || sameName(p, protocol) {
			return true
		}
	}
	return false
}

// AppendOffer appends what Protocols yields as the value of an Upgrade field.
func (r *Request) AppendOffer(dst []byte) []byte {
	from := len(dst)
	for p := range r.Protocols() {
		if len(dst) > from {
			dst = append(dst, ", "...)
		}
		dst = append(dst, p...)
	}
	return dst
}

// Protocol is the one protocol that a 101 response switches to; nil when it names none, or several
// layers of them.
func (r *Response) Protocol() []byte {
	if !r.Upgrade || r.repeated.has(Upgrade) {
		return nil
	}
	return OneProtocol(r.Get(Upgrade))
}

// OneProtocol is v if that is one well-formed protocol, else nil.
func OneProtocol(v []byte) []byte {
	if i := protocolEnd(v, 0); i == 0 || i < len(v) {
		return nil
	}
	return v
}

// protocols iterates over the well-formed elements of a list of protocols.
func protocols(v []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := 0; i < len(v); {
			i = skipSpace(v, i)
			end := protocolEnd(v, i)
			next := skipSpace(v, end)
			if end > i && (next == len(v) || v[next] == ',') && !yield(v[i:end:end]) {
				return
			}
			for i = next; i < len(v) && v[i] != ','; i++ {
			}
			i++
		}
	}
}

// protocolEnd is the end of the protocol at v[i:], i if there is none.
func protocolEnd(v []byte, i int) int {
	end := tokenEnd(v, i)
	if end == i || end == len(v) || v[end] != '/' {
		return end
	}
	version := tokenEnd(v, end+1)
	if version == end+1 {
		return i
	}
	return version
}

// carriesHTTP says whether requests follow in the protocol p.
func carriesHTTP(p []byte) bool {
	name := p[:tokenEnd(p, 0)]
	for _, n := range [...]string{"h2c", "h2", "h3", "http", "shttp", "tls", "ssl"} {
		if equalFold(name, n) {
			return true
		}
	}
	return false
}
