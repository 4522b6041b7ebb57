package proxyproto

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// v2 builds a version 2 header.
func v2(verCmd, famProto byte, payload string) string {
	b := append([]byte(v2Signature), verCmd, famProto)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	return string(b) + payload
}

const (
	v4Block = "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x1f\x90"
	v6Block = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x50\x1f\x90"
)

var cases = []struct {
	desc, input string
	want        Header
	err         error
}{
	{"v1 TCP4", "PROXY TCP4 1.2.3.4 5.6.7.8 80 8080\r\n",
		Header{Source: ap("1.2.3.4:80"), Destination: ap("5.6.7.8:8080"), Version: 1}, nil},
	{"v1 TCP6", "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n",
		Header{Source: ap("[2001:db8::1]:0"), Destination: ap("[::1]:65535"), Version: 1}, nil},
	{"v1 UNKNOWN", "PROXY UNKNOWN\r\n", Header{Local: true, Version: 1}, nil},
	{"v1 UNKNOWN with rest", "PROXY UNKNOWN ::1 ::1 1 2\r\n", Header{Local: true, Version: 1}, nil},
	{"v1 at its longest", "PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n",
		Header{Local: true, Version: 1}, nil},
	{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n", Header{}, ErrLength},
	{"v1 bare LF", "PROXY TCP4 1.2.3.4 5.6.7.8 80 8080\n", Header{}, ErrMalformed},
	{"v1 UNKNOWNS", "PROXY UNKNOWNS\r\n", Header{}, ErrMalformed},
	{"v1 without words", "PROXY \r\n", Header{}, ErrMalformed},
	{"v1 other family", "PROXY UDP4 1.2.3.4 5.6.7.8 80 8080\r\n", Header{}, ErrMalformed},
	{"v1 IPv6 in TCP4", "PROXY TCP4 ::1 ::1 80 8080\r\n", Header{}, ErrMalformed},
	{"v1 IPv4 in TCP6", "PROXY TCP6 1.2.3.4 5.6.7.8 80 8080\r\n", Header{}, ErrMalformed},
	{"v1 zone", "PROXY TCP6 fe80::1%a ::1 80 8080\r\n", Header{}, ErrMalformed},
	{"v1 two spaces", "PROXY TCP4  1.2.3.4 5.6.7.8 80 8080\r\n", Header{}, ErrMalformed},
	{"v1 space at the end", "PROXY TCP4 1.2.3.4 5.6.7.8 80 8080 \r\n", Header{}, ErrMalformed},
	{"v1 four words", "PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n", Header{}, ErrMalformed},
	{"v1 port 65536", "PROXY TCP4 1.2.3.4 5.6.7.8 65536 1\r\n", Header{}, ErrMalformed},
	{"v1 port 080", "PROXY TCP4 1.2.3.4 5.6.7.8 080 1\r\n", Header{}, ErrMalformed},
	{"v1 port +80", "PROXY TCP4 1.2.3.4 5.6.7.8 +80 1\r\n", Header{}, ErrMalformed},
	{"v1 address with zeros", "PROXY TCP4 01.2.3.4 5.6.7.8 80 1\r\n", Header{}, ErrMalformed},
	{"v1 lower case", "proxy UNKNOWN\r\n", Header{}, ErrNone},

	{"v2 TCP4", v2(0x21, 0x11, v4Block),
		Header{Source: ap("1.2.3.4:80"), Destination: ap("5.6.7.8:8080"), Version: 2}, nil},
	{"v2 TCP6", v2(0x21, 0x21, v6Block),
		Header{Source: ap("[2001:db8::1]:80"), Destination: ap("[2001:db8::2]:8080"), Version: 2}, nil},
	{"v2 with TLVs", v2(0x21, 0x11, v4Block+"\x04\x00\x02ab"),
		Header{Source: ap("1.2.3.4:80"), Destination: ap("5.6.7.8:8080"), Version: 2}, nil},
	{"v2 at its longest", v2(0x21, 0x11, v4Block+strings.Repeat("x", v2PayloadBytesMax-12)),
		Header{Source: ap("1.2.3.4:80"), Destination: ap("5.6.7.8:8080"), Version: 2}, nil},
	{"v2 too long", v2(0x21, 0x11, v4Block+strings.Repeat("x", v2PayloadBytesMax-11)), Header{}, ErrLength},
	{"v2 LOCAL", v2(0x20, 0x00, ""), Header{Local: true, Version: 2}, nil},
	{"v2 LOCAL with junk", v2(0x20, 0xff, "junk"), Header{Local: true, Version: 2}, nil},
	{"v2 UNSPEC", v2(0x21, 0x00, "junk"), Header{Local: true, Version: 2}, nil},
	{"v2 unix", v2(0x21, 0x31, strings.Repeat("x", 216)), Header{Local: true, Version: 2}, nil},
	{"v2 unix, short", v2(0x21, 0x31, strings.Repeat("x", 215)), Header{}, ErrMalformed},
	{"v2 datagram", v2(0x21, 0x12, v4Block), Header{}, ErrFamily},
	{"v2 short block", v2(0x21, 0x11, v4Block[:11]), Header{}, ErrMalformed},
	{"v2 short block of IPv6", v2(0x21, 0x21, v4Block), Header{}, ErrMalformed},
	{"v2 family 4", v2(0x21, 0x41, v4Block), Header{}, ErrMalformed},
	{"v2 protocol 3", v2(0x21, 0x13, v4Block), Header{}, ErrMalformed},
	{"v2 version 1", v2(0x11, 0x11, v4Block), Header{}, ErrVersion},
	{"v2 version 3", v2(0x31, 0x11, v4Block), Header{}, ErrVersion},
	{"v2 command 2", v2(0x22, 0x11, v4Block), Header{}, ErrVersion},
	{"v2 signature off by one", "\r\n\r\n\x00\r\nQUIT\r!" + v4Block, Header{}, ErrNone},

	{"POST", "POST / HTTP/1.1\r\n", Header{}, ErrNone},
	{"PROPFIND", "PROPFIND / HTTP/1.1\r\n", Header{}, ErrNone},
	{"GET", "G", Header{}, ErrNone},
	{"empty line and a request", "\r\nGET / HTTP/1.1\r\n", Header{}, ErrNone},
}

// TestParse gives each case whole, with payload behind it, and every prefix of it.
func TestParse(t *testing.T) {
	for _, tc := range cases {
		for _, rest := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\n"} {
			h, n, err := Parse([]byte(tc.input + rest))
			want := len(tc.input)
			if tc.err != nil {
				want = 0
			}
			if h != tc.want || n != want || !errors.Is(err, tc.err) {
				t.Errorf("%s: Parse(%.120q) = %+v, %d, %v; want %+v, %d, %v", tc.desc, tc.input+rest, h, n,
					err, tc.want, want, tc.err)
			}
		}
		for i := range len(tc.input) {
			h, n, err := Parse([]byte(tc.input[:i]))
			if n != 0 || h != (Header{}) || err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%s: Parse(first %d bytes) = %+v, %d, %v; want nothing or %v", tc.desc, i, h, n, err,
					tc.err)
			}
		}
		if tc.err == nil && len(tc.input) > BytesMax {
			t.Errorf("%s: %d bytes; BytesMax is %d", tc.desc, len(tc.input), BytesMax)
		}
	}
}

// FuzzParse: no panic; 0 <= n <= len(b); an error or a part comes without header and bytes; what was
// accepted is accepted with any rest behind it, and no shorter part of it is.
func FuzzParse(f *testing.F) {
	for _, tc := range cases {
		f.Add([]byte(tc.input), uint16(len(tc.input)/2))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		h, n, err := Parse(b)
		if n < 0 || n > len(b) || n > BytesMax || (err != nil || n == 0) && (n != 0 || h != Header{}) {
			t.Fatalf("Parse(%q) = %+v, %d, %v", b, h, n, err)
		}
		c := min(int(cut), len(b))
		ph, pn, perr := Parse(b[:c])
		switch {
		case perr != nil && !errors.Is(err, perr):
			t.Fatalf("Parse(first %d of %q): %v; whole: %v", c, b, perr, err)
		case pn > 0 && (pn != n || ph != h):
			t.Fatalf("Parse(first %d of %q) = %+v, %d; whole: %+v, %d", c, b, ph, pn, h, n)
		case n > 0 && c < n && pn != 0:
			t.Fatalf("Parse(first %d of %q) = %d; whole: %d", c, b, pn, n)
		}
		if n > 0 && !h.Local && (!h.Source.IsValid() || !h.Destination.IsValid() ||
			h.Source.Addr().Is4() != h.Destination.Addr().Is4()) {
			t.Fatalf("Parse(%q) = %+v", b, h)
		}
	})
}
