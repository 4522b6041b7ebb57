package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

// The two nibbles of byte 12 and of byte 13.
const (
	v2Version      = 0x20
	v2CommandLocal = 0x0
	v2CommandProxy = 0x1

	v2FamilyUnspec = 0x0
	v2FamilyIPv4   = 0x1
	v2FamilyIPv6   = 0x2
	v2FamilyUnix   = 0x3

	v2ProtocolUnspec = 0x0
	v2ProtocolStream = 0x1

	v2UnixBytes = 216 // two sun_path of 108 bytes
)

// parseV2 decodes a version 2 header, whose signature agrees so far. TLVs after the addresses are
// skipped.
//
// Section 2.2: signature[12], version and command, family and protocol, length (big endian, of what
// follows), source address, destination address, source port, destination port, TLVs.
func parseV2(b []byte) (Header, int, error) {
	const sig = len(v2Signature)
	if len(b) > sig && (b[sig]&0xf0 != v2Version || b[sig]&0x0f > v2CommandProxy) {
		return Header{}, 0, ErrVersion
	}
	if len(b) < v2HeaderBytes {
		return Header{}, 0, nil
	}
	size := int(binary.BigEndian.Uint16(b[sig+2:]))
	if size > v2PayloadBytesMax {
		return Header{}, 0, ErrLength
	}
	if len(b) < v2HeaderBytes+size {
		return Header{}, 0, nil
	}
	h := Header{Version: 2}
	payload := b[v2HeaderBytes : v2HeaderBytes+size]
	if b[sig]&0x0f == v2CommandLocal {
		h.Local = true // "the receiver must accept this connection as valid and must use the real
		// connection endpoints and discard the protocol block including the family which is ignored"
	} else if err := h.parseV2Addresses(b[sig+1]>>4, b[sig+1]&0x0f, payload); err != nil {
		return Header{}, 0, err
	}
	return h, v2HeaderBytes + size, nil
}

// parseV2Addresses decodes the addresses at the start of the payload.
func (h *Header) parseV2Addresses(family, protocol byte, payload []byte) error {
	if family > v2FamilyUnix || protocol > v2ProtocolStream+1 {
		return ErrMalformed
	}
	if family == v2FamilyUnspec || protocol == v2ProtocolUnspec {
		h.Local = true
		return nil
	}
	if protocol != v2ProtocolStream {
		return ErrFamily
	}
	if family == v2FamilyUnix {
		h.Local = true
		if len(payload) < v2UnixBytes {
			return ErrMalformed
		}
		return nil
	}
	ip := 4
	if family == v2FamilyIPv6 {
		ip = 16
	}
	if len(payload) < 2*ip+4 {
		return ErrMalformed
	}
	src, _ := netip.AddrFromSlice(payload[:ip])
	dst, _ := netip.AddrFromSlice(payload[ip : 2*ip])
	h.Source = netip.AddrPortFrom(src, binary.BigEndian.Uint16(payload[2*ip:]))
	h.Destination = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(payload[2*ip+2:]))
	return nil
}
