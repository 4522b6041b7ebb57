package supervisor

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// ports hands out loopback ports for PORT. A port stays taken until it is released, so that no two
// workers of ours get the same.
type ports struct {
	mu    sync.Mutex
	taken map[int]struct{}
	local func() (low, high int) // the range of ephemeral ports, where anything may bind at any time
}

func newPorts() *ports { return &ports{taken: map[int]struct{}{}, local: localPortRange} }

// take finds a port from [portMin, portMax] outside the ephemeral range that nobody listens on. If the
// ephemeral range covers them all, any free one is taken: a worker that loses the race for it exits
// and gets another.
func (p *ports) take() (int, error) {
	low, high := p.local()
	if low <= portMin && portMax <= high {
		low, high = 0, -1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	span := portMax - portMin + 1
	start := rand.IntN(span)
	for i := range span {
		port := portMin + (start+i)%span
		if _, taken := p.taken[port]; taken || port >= low && port <= high || !portFree(port) {
			continue
		}
		p.taken[port] = struct{}{}
		return port, nil
	}
	return 0, errors.New("no free port in 20000-29999 for PORT")
}

func (p *ports) release(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, port)
}

// portFree binds the port on every loopback address that this host has, and lets go.
func portFree(port int) bool {
	for _, ip := range loopbacks {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port))))
		if err == nil {
			_ = l.Close() // nothing was accepted
			continue
		}
		if isAddrInUse(err) {
			return false
		}
	}
	return true
}

// loopbacks are the addresses at which a worker may serve PORT.
var loopbacks = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
