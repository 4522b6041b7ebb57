package dispatch

import (
	"bytes"
	"io"
	"testing"
)

// proxyOnce sets client, front and worker up and returns a function that passes one request through
// all of them. Neither client nor worker allocates.
func proxyOnce(tb testing.TB, request, answer string) func() {
	tb.Helper()
	return proxyWith(tb, Options{}, request, answer)
}

func proxyWith(tb testing.TB, o Options, request, answer string) func() {
	tb.Helper()
	f := startFront(tb, 1, o)
	out := []byte(answer)
	end := []byte("\r\n\r\n")
	if bytes.Contains([]byte(request), []byte("\r\n\r\nhello")) {
		end = []byte("\r\n\r\nhello")
	} else if bytes.Contains([]byte(request), []byte("chunked")) {
		end = []byte("0\r\n\r\n")
	}
	f.add(1, startWorker(tb, func(c *workerConn) {
		buf := make([]byte, 16<<10)
		for n := 0; ; {
			k, err := c.Conn.Read(buf[n:])
			if err != nil {
				return
			}
			if n += k; bytes.HasSuffix(buf[:n], end) {
				n = 0
				if _, err := c.Conn.Write(out); err != nil {
					return
				}
			}
		}
	}), 4)
	c := f.dial()
	in := []byte(request)
	buf := make([]byte, 16<<10)
	if _, err := c.TCPConn.Write(in); err != nil {
		tb.Fatal(err)
	}
	c.want("first", 200, "")
	if _, err := c.TCPConn.Write(in); err != nil {
		tb.Fatal(err)
	}
	size, last := 0, []byte("Hello, World!")
	if bytes.Contains(out, []byte("chunked")) {
		last = []byte("\r\n0\r\n\r\n")
	}
	for !bytes.HasSuffix(buf[:size], last) {
		n, err := c.TCPConn.Read(buf[size:])
		if err != nil {
			tb.Fatal(err)
		}
		size += n
	}
	return func() {
		if _, err := c.TCPConn.Write(in); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(c.TCPConn, buf[:size]); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkProxySmall(b *testing.B) {
	exchange := proxyOnce(b, "GET /hello?name=x HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n",
		ok("Hello, World!"))
	b.ReportAllocs()
	for b.Loop() {
		exchange()
	}
}
