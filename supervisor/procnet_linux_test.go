package supervisor

import (
	"net"
	"net/netip"
	"path/filepath"
	"testing"
)

func TestListenersAreFound(t *testing.T) {
	var want []netip.AddrPort
	for _, a := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0"} {
		l, err := net.Listen("tcp4", a)
		if err != nil {
			l, err = net.Listen("tcp6", a)
		}
		if err != nil {
			t.Skipf("listen on %s: %v", a, err)
		}
		defer l.Close() //nolint:errcheck // a test's listener
		want = append(want, l.Addr().(*net.TCPAddr).AddrPort())
	}
	path := filepath.Join(t.TempDir(), "s")
	u, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close() //nolint:errcheck // a test's listener
	got := map[netip.AddrPort]bool{}
	for _, l := range tcpListeners() {
		got[l.addr] = true
	}
	for _, a := range want {
		if a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()); !got[a] {
			t.Errorf("tcpListeners() = %v; want %s among them", got, a)
		}
	}
	found := false
	for _, p := range unixListeners() {
		found = found || p == path
	}
	if !found {
		t.Errorf("unixListeners() lacks %s", path)
	}
}
