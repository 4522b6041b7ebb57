package dispatch

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"weir/protocol/frame"
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
	f.audits.every = time.Hour // a round allocates, and is no part of a request
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

// stdinEnd is the record that ends a request over FastCGI.
const stdinEnd = "\x01\x05\x00\x01\x00\x00\x00\x00"

// gatewayOnce is proxyOnce for a worker of FastCGI, whose requests end with end.
func gatewayOnce(tb testing.TB, o Options, request, end, answer string) func() {
	tb.Helper()
	f := startFront(tb, 1, o)
	f.audits.every = time.Hour // see proxyWith
	last, out := []byte(end), []byte(answer)
	f.addSpeaking(1, o.Protocol, startWorker(tb, func(c *workerConn) {
		buf := make([]byte, 16<<10)
		for n := 0; ; {
			k, err := c.Conn.Read(buf[n:])
			if err != nil {
				return
			}
			if n += k; bytes.HasSuffix(buf[:n], last) {
				n = 0
				if _, err := c.Conn.Write(out); err != nil {
					return
				}
			}
		}
	}), 4)
	c := f.dial()
	in, buf := []byte(request), make([]byte, 16<<10)
	if _, err := c.TCPConn.Write(in); err != nil {
		tb.Fatal(err)
	}
	c.want("first", 200, "Hello, World!")
	return func() {
		if _, err := c.TCPConn.Write(in); err != nil {
			tb.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(buf[:n], []byte("Hello, World!")); {
			k, err := c.TCPConn.Read(buf[n:])
			if err != nil {
				tb.Fatal(err)
			}
			n += k
		}
	}
}

func BenchmarkFastCGI(b *testing.B) {
	exchange := gatewayOnce(b, Options{Protocol: FastCGI},
		"GET /hello?name=x HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n", stdinEnd,
		fcgiAnswer("Content-Type: text/html\n\n", "Hello, World!"))
	b.ReportAllocs()
	for b.Loop() {
		exchange()
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

// muxOnce returns a function that sends request through a front to a mux worker and reads the answer.
func muxOnce(tb testing.TB, request string) func() {
	tb.Helper()
	f := startFront(tb, 1, Options{})
	f.audits.every = time.Hour // see proxyWith
	f.addMux(1, startMuxWorker(tb, func(p *muxPeer) {
		buf := make([]byte, 16<<10)
		out := make([]byte, 0, 1024)
		head, end := responseFrame(1, 200, 13, false, "Content-Type", "text/plain"), dataFrame(1, "Hello, World!", true)
		for n := 0; ; {
			k, err := p.r.Read(buf[n:])
			if err != nil {
				return
			}
			n += k
			var id uint32
			id, n = lastEnd(buf, n)
			if id == 0 {
				continue
			}
			out = append(append(out[:0], head...), end...)
			binary.LittleEndian.PutUint32(out[4:], id)
			binary.LittleEndian.PutUint32(out[len(head)+4:], id)
			if _, err := p.Conn.Write(out); err != nil {
				return
			}
		}
	}), 4)
	c := f.dial()
	in, buf := []byte(request), make([]byte, 16<<10)
	if _, err := c.TCPConn.Write(in); err != nil {
		tb.Fatal(err)
	}
	c.want("first", 200, "Hello, World!")
	return func() {
		if _, err := c.TCPConn.Write(in); err != nil {
			tb.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(buf[:n], []byte("Hello, World!")); {
			k, err := c.TCPConn.Read(buf[n:])
			if err != nil {
				tb.Fatal(err)
			}
			n += k
		}
	}
}

// lastEnd takes whole frames off buf[:n] and returns the stream whose request has ended, if any, and
// what is left.
func lastEnd(buf []byte, n int) (id uint32, rest int) {
	at := 0
	for {
		h, ok, err := frame.ParseHeader(buf[at:n])
		if err != nil || !ok || n-at < frame.HeaderSize+h.Length {
			return id, copy(buf, buf[at:n])
		}
		if h.End && h.Kind != frame.Cancel {
			id = h.Stream
		}
		at += frame.HeaderSize + h.Length
	}
}

func BenchmarkMux(b *testing.B) {
	exchange := muxOnce(b, "GET /hello HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		exchange()
	}
}
