package supervisor

import (
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
	for _, l := range tcpSockets(tcpListen) {
		got[l.addr] = true
	}
	for _, a := range want {
		if a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()); !got[a] {
			t.Errorf("tcpSockets(tcpListen) = %v; want %s among them", got, a)
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

// A handshake that takes its time is waited for before its listener is closed, within bounds.
func TestHandshakeSettles(t *testing.T) {
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { // a handshake ends with the first byte
			if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60); err != nil {
				t.Error(err)
			}
		})
	}}
	tcp, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close() //nolint:errcheck // a test's listener
	ports := map[uint16]bool{uint16(tcp.Addr().(*net.TCPAddr).Port): true}
	settles := func() time.Duration {
		begun := time.Now()
		settleHandshakes(t.Context(), ports)
		return time.Since(begun)
	}
	if handshaking(ports) {
		t.Fatal("a handshake before anybody has come")
	}
	client, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // a test's client
	if !handshaking(ports) {
		t.Skip("this kernel shows no handshake under way")
	}
	if got := settles(); got < plugSettleMax {
		t.Errorf("an endless handshake was waited for %s; want %s", got, plugSettleMax)
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	served, err := tcp.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close() //nolint:errcheck // a test's server
	if got := settles(); handshaking(ports) || got >= plugSettleMax {
		t.Errorf("with no handshake left it took %s; want about %s", got, plugSettle)
	}
}
