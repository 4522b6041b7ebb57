package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Append appends the header of version 1 or 2 that says of a connection that it speaks for source,
// which has connected to destination. Where either is not valid it says that it speaks for nobody
// (UNKNOWN, LOCAL). At most [AppendMax] bytes; Parse reads them back.
func Append(dst []byte, version int, source, destination netip.AddrPort) []byte {
	source, destination = sameFamily(source, destination)
	if version == 1 {
		return appendV1(dst, source, destination)
	}
	return appendV2(dst, source, destination)
}

// sameFamily makes both addresses IPv4, or both IPv6; neither where one is not valid.
func sameFamily(a, b netip.AddrPort) (x, y netip.AddrPort) {
	if !a.IsValid() || !b.IsValid() {
		return netip.AddrPort{}, netip.AddrPort{}
	}
	p, q := a.Addr().Unmap().WithZone(""), b.Addr().Unmap().WithZone("")
	if p.Is4() != q.Is4() {
		p, q = netip.AddrFrom16(p.As16()), netip.AddrFrom16(q.As16())
	}
	return netip.AddrPortFrom(p, a.Port()), netip.AddrPortFrom(q, b.Port())
}

func appendV1(dst []byte, source, destination netip.AddrPort) []byte {
	dst = append(dst, v1Prefix...)
	switch {
	case !source.IsValid():
		return append(dst, "UNKNOWN\r\n"...)
	case source.Addr().Is4():
		dst = append(dst, "TCP4 "...)
	default:
		dst = append(dst, "TCP6 "...)
	}
	dst = append(source.Addr().AppendTo(dst), ' ')
	dst = append(destination.Addr().AppendTo(dst), ' ')
	dst = append(strconv.AppendUint(dst, uint64(source.Port()), 10), ' ')
	return append(strconv.AppendUint(dst, uint64(destination.Port()), 10), "\r\n"...)
}

func appendV2(dst []byte, source, destination netip.AddrPort) []byte {
	dst = append(dst, v2Signature...)
	if !source.IsValid() {
		return append(dst, v2Version|v2CommandLocal, v2FamilyUnspec<<4|v2ProtocolUnspec, 0, 0)
	}
	family, size := byte(v2FamilyIPv4), 12
	if source.Addr().Is6() {
		family, size = v2FamilyIPv6, 36
	}
	dst = append(dst, v2Version|v2CommandProxy, family<<4|v2ProtocolStream)
	dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	dst = append(append(dst, source.Addr().AsSlice()...), destination.Addr().AsSlice()...)
	dst = binary.BigEndian.AppendUint16(dst, source.Port())
	return binary.BigEndian.AppendUint16(dst, destination.Port())
}
