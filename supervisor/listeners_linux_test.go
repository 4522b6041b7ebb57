package supervisor

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"weir/supervisor/config"
)

func TestInUseNamesOwner(t *testing.T) {
	l := mustListen(t, config.Listener{Address: "127.0.0.1:0"}, 2)
	_, err := listen(config.Listener{Address: l.actual}, 1, nil)
	want := fmt.Sprintf("bind %s: address already in use by pid %d (%s)", l.actual, os.Getpid(),
		programOf(os.Getpid()))
	if err == nil || err.Error() != want {
		t.Errorf("listen = %v; want %s", err, want)
	}
	path := t.TempDir() + "/s"
	mustListen(t, config.Listener{Address: "unix:" + path}, 1)
	_, err = listen(config.Listener{Address: "unix:" + path}, 1, nil)
	if want := fmt.Sprintf("by pid %d (", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("listen = %v; want %q in it", err, want)
	}
}

func TestParseProcAddress(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"0100007F:1F90", "127.0.0.1:8080"},
		{"00000000:0050", "0.0.0.0:80"},
		{"00000000000000000000000001000000:1F90", "[::1]:8080"},
		{"0000000000000000FFFF00000100007F:1F90", "127.0.0.1:8080"},
	} {
		got, ok := parseProcAddress(tc.in)
		if !ok || got != netip.MustParseAddrPort(tc.want) {
			t.Errorf("parseProcAddress(%q) = %v, %v; want %s", tc.in, got, ok, tc.want)
		}
	}
	for _, in := range []string{"", "zz:1", "01:1F90", "0100007F", "0100007F:12345"} {
		if got, ok := parseProcAddress(in); ok {
			t.Errorf("parseProcAddress(%q) = %v; want refusal", in, got)
		}
	}
}
