package netpoll

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// peerAddr is a client's address in 20 bytes; the zero value is a Unix socket's.
type peerAddr struct {
	ip     [16]byte
	port   uint16
	family uint8 // 0, 4 or 6
}

func (p *peerAddr) addrPort() netip.AddrPort {
	switch p.family {
	case 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.ip[:4])), p.port)
	case 6:
		return netip.AddrPortFrom(netip.AddrFrom16(p.ip).Unmap(), p.port)
	}
	return netip.AddrPort{}
}

func (p *peerAddr) set(a netip.AddrPort) {
	*p = peerAddr{port: a.Port()}
	switch addr := a.Addr(); {
	case addr.Is4():
		v4 := addr.As4()
		copy(p.ip[:], v4[:])
		p.family = 4
	case addr.Is6():
		p.ip = addr.As16()
		p.family = 6
	}
}

// setRaw decodes the start of a kernel sockaddr: family and port in the kernel's layout.
func (p *peerAddr) setRaw(family uint16, b []byte) {
	*p = peerAddr{}
	switch family {
	case familyINET:
		p.port = binary.BigEndian.Uint16(b[2:])
		copy(p.ip[:4], b[4:8])
		p.family = 4
	case familyINET6:
		p.port = binary.BigEndian.Uint16(b[2:])
		copy(p.ip[:], b[8:24])
		p.family = 6
	}
}

func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
