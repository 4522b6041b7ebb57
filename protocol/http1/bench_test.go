package http1

import (
	"bufio"
	"bytes"
	"syscall"
	"testing"

	"github.com/valyala/fasthttp"
)

// head430 is the usual benchmark head: 430 bytes, 9 fields.
const head430 = "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n" +
	"Host: www.kittyhell.com\r\n" +
	"User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3)\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: ja,en-us;q=0.7\r\n" +
	"Accept-Encoding: gzip,deflate\r\n" +
	"Accept-Charset: Shift_JIS,utf-8\r\n" +
	"Keep-Alive: 115\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: wp_ozh_wsa_visits=2;a=1\r\n\r\n"

const headSmall = "GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"

// reportCPU adds the process's CPU time per operation: unlike ns/op it does not grow because other
// processes want the processor, too. Call what it returns behind the loop.
func reportCPU(b *testing.B) (stop func()) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkRequestParse(b *testing.B) {
	for _, bc := range []struct{ name, head string }{{"430B", head430}, {"small", headSmall}} {
		b.Run(bc.name, func(b *testing.B) {
			head := []byte(bc.head)
			var r Request
			b.ReportAllocs()
			b.SetBytes(int64(len(head)))
			defer reportCPU(b)()
			for b.Loop() {
				if n, err := r.Parse(head, 0, nil); n != len(head) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkFasthttpParse parses the same bytes by fasthttp, for comparison.
func BenchmarkFasthttpParse(b *testing.B) {
	head := []byte(head430)
	rd := bytes.NewReader(head)
	br := bufio.NewReader(rd)
	var h fasthttp.RequestHeader
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	defer reportCPU(b)()
	for b.Loop() {
		rd.Reset(head)
		br.Reset(rd)
		if err := h.Read(br); err != nil {
			b.Fatal(err)
		}
		_ = h.Host()
	}
}

func BenchmarkResponseParse(b *testing.B) {
	head := []byte("HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
		"Connection: keep-alive\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n")
	var r Response
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		if n, err := r.Parse(head, 0, nil); n != len(head) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkChunkDecoder(b *testing.B) {
	body := AppendLastChunk(AppendChunk(AppendChunk(nil, make([]byte, 4096)), make([]byte, 4096)))
	var d ChunkDecoder
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		d.Reset()
		for rest := body; !d.Done(); {
			_, n, err := d.Next(rest)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkAppendHead(b *testing.B) {
	var date DateCache
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		out := AppendStatusLine(buf, 200)
		out, _ = AppendField(out, "Server", "Weir")
		out = date.Append(out, 1e9)
		out, _ = AppendKnown(out, ContentType, "text/plain")
		out = AppendContentLength(out, 13)
		_ = append(out, CRLF...)
	}
}
