package dispatch

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
)

// TestFastCGIEarlyFile: a connection whose program answers before it has all of a body that lies in a
// file is not used again: the next request would begin in the middle of STDIN.
func TestFastCGIEarlyFile(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI, Spool: spoolOf(t, 1000, 8<<20)})
	var mixed atomic.Int32
	f.addSpeaking(1, FastCGI, startWorker(t, func(c *workerConn) {
		inBody := false
		for {
			h := make([]byte, 8)
			if _, err := io.ReadFull(c.r, h); err != nil {
				return
			}
			n := int(binary.BigEndian.Uint16(h[4:]))
			if _, err := c.r.Discard(n + int(h[6])); err != nil {
				return
			}
			switch {
			case h[1] == 1 && inBody:
				mixed.Add(1)
			case h[1] == 1:
				inBody = true
			case h[1] == 4 && n == 0:
				c.write(fcgiAnswer("A: b\n\n", "early"))
			case h[1] == 5 && n == 0:
				inBody = false
			}
		}
	}), 1)
	body := longText[:200_000]
	for range 20 {
		c := f.dial()
		go fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", chunked(body))
		c.want("early", 200, "early")
	}
	if n := mixed.Load(); n > 0 {
		t.Errorf("%d requests began in the middle of another's body", n)
	}
	f.audit()
}
