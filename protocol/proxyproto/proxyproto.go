// Package proxyproto decodes the PROXY protocol header, versions 1 and 2, by which a proxy tells at
// the start of a connection whom it speaks for. It is pure: bytes in, a value out. Whether the peer
// may be believed is the caller's decision, and so is how long to wait for the header.
//
// Specification: "The PROXY protocol, versions 1 & 2",
// haproxy.org/download/3.0/doc/proxy-protocol.txt.
package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
)

// Header is one decoded PROXY header.
type Header struct {
	// Source and Destination are the client's address and the one it connected to; invalid if Local.
	Source, Destination netip.AddrPort
	// Local: the header names no IP addresses (v1 UNKNOWN, v2 LOCAL, UNSPEC or AF_UNIX); those of the
	// connection itself apply.
	Local bool
	// Version is 1 or 2.
	Version int
}

// Errors of Parse. They are static and hold no peer bytes.
var (
	// ErrNone: the bytes begin no PROXY header of either version. It comes with the first byte that
	// differs, so where the header is optional they can be taken for the payload.
	ErrNone      = errors.New("proxyproto: parse header: no PROXY header")
	ErrMalformed = errors.New("proxyproto: parse header: malformed")
	ErrLength    = errors.New("proxyproto: parse header: too long")
	ErrVersion   = errors.New("proxyproto: parse header: unknown version or command")
	ErrFamily    = errors.New("proxyproto: parse header: not a stream protocol")
)

const (
	v1Prefix    = "PROXY "
	v2Signature = "\r\n\r\n\x00\r\nQUIT\n"

	v2HeaderBytes = 16 // signature, version and command, family, length
)

// Parse decodes the header at the start of b and returns its length in bytes.
//
// If b holds only part of a header, Parse returns n = 0 and no error: read more and call it again;
// a header of more than [BytesMax] bytes is an error as soon as that is certain. An error comes
// with n = 0.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case len(b) == 0:
		return Header{}, 0, nil
	case hasPrefix(b, v1Prefix):
		return parseV1(b)
	case hasPrefix(b, v2Signature):
		return parseV2(b)
	}
	return Header{}, 0, ErrNone
}

// hasPrefix says whether b and prefix agree as far as both go.
func hasPrefix(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// parseV1 decodes a version 1 header, whose prefix agrees so far.
//
// Section 2.1: PROXY SP (TCP4 / TCP6) SP source SP destination SP source-port SP destination-port
// CRLF, or PROXY SP UNKNOWN and anything up to CRLF.
func parseV1(b []byte) (Header, int, error) {
	lf := bytes.IndexByte(b[:min(len(b), v1BytesMax)], '\n')
	switch {
	case lf < 0 && len(b) >= v1BytesMax:
		return Header{}, 0, ErrLength
	case lf < 0:
		return Header{}, 0, nil
	case lf < len(v1Prefix) || b[lf-1] != '\r':
		return Header{}, 0, ErrMalformed
	}
	h := Header{Version: 1}
	line := string(b[len(v1Prefix) : lf-1])
	if line == "UNKNOWN" || len(line) > 8 && line[:8] == "UNKNOWN " {
		h.Local = true
		return h, lf + 1, nil
	}
	if !h.parseV1Addresses(line) {
		return Header{}, 0, ErrMalformed
	}
	return h, lf + 1, nil
}
