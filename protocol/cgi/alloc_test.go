//go:build !race

package cgi

import "testing"

func TestAllocs(t *testing.T) {
	dst, head := make([]byte, 0, 1024), []byte("Status: 404 Not Found\r\nContent-Type: text/html\r\n\r\n")
	if n := testing.AllocsPerRun(1000, func() {
		_, _ = AppendHead(dst, head[:HeadEnd(head, 0)])
		if VariableSize("Accept-Language-And-A-Very-Long-Name-Indeed") > 0 {
			_ = AppendVariable(dst, "Accept-Language-And-A-Very-Long-Name-Indeed")
		}
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
