package http1

import "bytes"

// settleHost finds out whom the request is for.
//
// RFC 9112 section 3.2: a server MUST answer 400 to an HTTP/1.1 request without Host, and to any
// with more than one or an invalid one. systems.md row K29: an absolute-form target must agree with
// it.
func (r *Request) settleHost() *ParseError {
	if !r.present.has(Host) {
		if r.Minor == 1 {
			return ErrHostMissing
		}
		return r.settleAuthority(nil)
	}
	if r.repeated.has(Host) {
		return ErrHostRepeated
	}
	f := &r.fields[r.index[Host]]
	host := r.FieldValue(int(r.index[Host]))
	if !validHost(host) {
		return ErrHostInvalid
	}
	if r.Form == OriginForm || r.Form == AsteriskForm {
		r.authority = span{f.value, f.valueLen}
		return nil
	}
	return r.settleAuthority(host)
}

// settleAuthority checks the target's authority, if it has one, against the Host field, if any.
func (r *Request) settleAuthority(host []byte) *ParseError {
	if r.Form == OriginForm || r.Form == AsteriskForm {
		return nil
	}
	authority := r.authority.of(r.b)
	if !validHost(authority) {
		return ErrTarget
	}
	name, port := SplitHostPort(authority)
	if r.Form == AuthorityForm && port == nil {
		return ErrTargetForm // RFC 9112 section 3.2.3: CONNECT names the port
	}
	if host == nil {
		return nil
	}
	hostName, hostPort := SplitHostPort(host)
	if !sameName(name, hostName) || portNumber(port, r.defaultPort()) !=
		portNumber(hostPort, r.defaultPort()) {
		return ErrHostDiffers
	}
	return nil
}

// defaultPort is the port that an authority without one means; 0 for CONNECT, where none is
// implied.
func (r *Request) defaultPort() int {
	switch {
	case r.Form == AuthorityForm:
		return 0
	case r.https:
		return 443
	}
	return 80
}

func portNumber(port []byte, missing int) int {
	if port == nil {
		return missing
	}
	n, _ := parseLength(port)
	return int(n)
}

// SplitHostPort splits a valid host[:port]; the brackets of an IPv6 literal stay, port is nil if
// there is none.
func SplitHostPort(host []byte) (name, port []byte) {
	i := bytes.LastIndexByte(host, ':')
	if i < 0 || bytes.IndexByte(host[i:], ']') >= 0 {
		return host, nil
	}
	return host[:i], host[i+1:]
}

// validHost says whether v is host[:port]: letters, digits and "-._~", or an IPv6 address in
// brackets; then a port of 1 to 5 digits below 65536.
func validHost(v []byte) bool {
	if len(v) == 0 || len(v) > hostBytesMax {
		return false
	}
	i := 0
	if v[0] == '[' {
		end := bytes.IndexByte(v, ']')
		if end < 0 || !validIPv6(v[1:end]) {
			return false
		}
		i = end + 1
	} else {
		if i = hostEnd(v); i == 0 {
			return false
		}
	}
	return i == len(v) || v[i] == ':' && validPort(v[i+1:])
}

func validPort(v []byte) bool {
	if len(v) > 5 {
		return false
	}
	n, ok := parseLength(v)
	return ok && n < 1<<16
}

// validIPv6 checks an IPv6 address without zone: up to 8 groups of 1 to 4 hex digits, "::" once for
// any that are missing, and optionally an IPv4 address for the last two.
//
// RFC 3986 section 3.2.2.
func validIPv6(v []byte) bool {
	groups, gap, i := 0, false, 0
	for i < len(v) {
		if v[i] == ':' && i+1 < len(v) && v[i+1] == ':' {
			if gap {
				return false
			}
			gap = true
			if i += 2; i == len(v) {
				break
			}
		} else if groups > 0 {
			if v[i] != ':' {
				return false
			}
			i++
		}
		end := i
		for end < len(v) && classes[v[end]]&classHex != 0 {
			end++
		}
		if end < len(v) && v[end] == '.' {
			if !validIPv4(v[i:]) {
				return false
			}
			groups += 2
			break
		}
		if end == i || end-i > 4 {
			return false
		}
		groups++
		i = end
	}
	return groups == 8 && !gap || groups < 8 && gap
}

// validIPv4 checks four decimal octets without leading zeros.
func validIPv4(v []byte) bool {
	for n := range 4 {
		octet, rest, more := bytes.Cut(v, []byte("."))
		if more != (n < 3) || len(octet) > 3 || len(octet) > 1 && octet[0] == '0' {
			return false
		}
		if x, ok := parseLength(octet); !ok || x > 255 {
			return false
		}
		v = rest
	}
	return true
}
