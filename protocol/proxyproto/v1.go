package proxyproto

import (
	"net/netip"
	"strings"
)

// parseV1Addresses decodes what follows "PROXY ": five words with one space between them.
func (h *Header) parseV1Addresses(line string) bool {
	var words [5]string
	for i := range words {
		word, rest, more := strings.Cut(line, " ")
		if more != (i < len(words)-1) {
			return false
		}
		words[i], line = word, rest
	}
	var ok bool
	if h.Source, ok = v1Address(words[0], words[1], words[3]); !ok {
		return false
	}
	h.Destination, ok = v1Address(words[0], words[2], words[4])
	return ok
}

// v1Address parses one address and its port, of the family that the header names.
func v1Address(family, ip, port string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	switch family {
	case "TCP4":
		if !addr.Is4() {
			return netip.AddrPort{}, false
		}
	case "TCP6":
		if !addr.Is6() {
			return netip.AddrPort{}, false
		}
	default:
		return netip.AddrPort{}, false
	}
	p, ok := v1Port(port)
	return netip.AddrPortFrom(addr, p), ok
}

// v1Port parses a decimal port without sign or leading zeros.
func v1Port(s string) (uint16, bool) {
	if len(s) == 0 || len(s) > 5 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return uint16(n), n < 1<<16
}
