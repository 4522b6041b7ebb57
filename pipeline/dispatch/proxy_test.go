package dispatch

import (
	"io"
	"testing"

	"weir/protocol/proxyproto"
)

// An upstream that wants to know the client gets a PROXY header on each connection, and each serves one
// request: the next may be somebody else's.
func TestProxyOut(t *testing.T) {
	for version := 1; version <= 2; version++ {
		f := startFront(t, 1, Options{})
		headers := make(chan proxyproto.Header, 8)
		w := startWorker(t, func(c *workerConn) {
			b := make([]byte, 0, proxyproto.AppendMax)
			for {
				h, n, err := proxyproto.Parse(b)
				if err != nil {
					t.Errorf("version %d: Parse(%q): %v", version, b, err)
					return
				}
				if n > 0 {
					headers <- h
					break
				}
				one := make([]byte, 1)
				if _, err := io.ReadFull(c.r, one); err != nil {
					return
				}
				b = append(b, one...)
			}
			serveHello(c)
		})
		err := f.AddWorker(1, Endpoint{Network: "unix", Address: w.path, Concurrency: 4, Proxy: version})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			c := f.dial()
			for range 2 {
				c.get("/x").want("behind a PROXY header", 200, "GET /x ")
				h := <-headers
				if h.Version != version || h.Source.String() != c.LocalAddr().String() ||
					h.Destination.String() != c.RemoteAddr().String() {
					t.Errorf("header %+v; want version %d, %s to %s", h, version, c.LocalAddr(), c.RemoteAddr())
				}
			}
		}
		if n := w.total.Load(); n != 4 {
			t.Errorf("%d connections for four requests; want one each", n)
		}
		f.audit()
	}
}
