package proxyproto

import (
	"net/netip"
	"testing"
)

// What Append writes, Parse reads back.
func TestAppend(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:1234"), netip.MustParseAddrPort("[2001:db8::1]:80")
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.9]:65535")
	wide := netip.MustParseAddrPort("[::ffff:192.0.2.1]:1234")
	for _, tt := range []struct {
		desc                       string
		from, to, wantFrom, wantTo netip.AddrPort
	}{
		{"IPv4", v4, netip.MustParseAddrPort("192.0.2.2:0"), v4, netip.MustParseAddrPort("192.0.2.2:0")},
		{"IPv6", v6, v6, v6, v6},
		{"mapped", mapped, v4, netip.MustParseAddrPort("192.0.2.9:65535"), v4},
		{"mixed", v4, v6, wide, v6},
		{"no source", netip.AddrPort{}, v4, netip.AddrPort{}, netip.AddrPort{}},
		{"no destination", v4, netip.AddrPort{}, netip.AddrPort{}, netip.AddrPort{}},
	} {
		for version := 1; version <= 2; version++ {
			b := Append(nil, version, tt.from, tt.to)
			h, n, err := Parse(append(b, "GET"...))
			want := Header{Source: tt.wantFrom, Destination: tt.wantTo, Local: !tt.wantFrom.IsValid(), Version: version}
			if err != nil || n != len(b) || len(b) > AppendMax || h != want {
				t.Errorf("%s, version %d: Parse(%q) = %+v, %d, %v; want %+v, %d", tt.desc, version, b, h, n, err,
					want, len(b))
			}
		}
	}
}
