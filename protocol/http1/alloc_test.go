//go:build !race

package http1

import "testing"

func wantNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	f() // grow what is kept
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%s: %v allocations; want 0", what, n)
	}
}

func TestParseAllocs(t *testing.T) {
	var q Request
	for _, in := range []string{head430, headSmall,
		"GET http://[::1]:80/ HTTP/1.1\r\nHost: [::1]\r\nConnection: close, x, te\r\nTE: x\r\n\r\n",
		post + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", chunk,
		"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"} {
		b := []byte(in)
		wantNoAllocs(t, in, func() {
			if n, err := q.Parse(b, 0, nil); n != len(b) || err != nil {
				t.Fatal(n, err)
			}
			for i := range q.NumFields() {
				_ = q.HopByHop(i)
			}
			_ = q.Lookup("x-none")
		})
	}
	for _, tc := range rejects {
		b := []byte(tc.input)
		wantNoAllocs(t, tc.desc, func() { _, _ = q.Parse(b, 0, nil) })
	}
	half := []byte(head430[:200])
	whole := []byte(head430)
	wantNoAllocs(t, "a head in two parts", func() {
		_, _ = q.Parse(half, 0, nil)
		if n, err := q.Parse(whole, len(half), nil); n != len(whole) || err != nil {
			t.Fatal(n, err)
		}
	})
	var p Response
	res := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n")
	wantNoAllocs(t, "response", func() {
		if n, err := p.Parse(res, 0, nil); n != len(res) || err != nil {
			t.Fatal(n, err)
		}
		_, _ = p.BodyKind(false, false)
	})
}

func TestChunkAllocs(t *testing.T) {
	var d ChunkDecoder
	body := []byte("5;a=\"b\"\r\nhello\r\n00\r\nA: b\r\nC: d\r\n\r\n")
	wantNoAllocs(t, "chunks", func() {
		d.Reset()
		for b := body; !d.Done(); {
			_, n, err := d.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		for range d.Trailers() {
		}
	})
}

func TestEncodeAllocs(t *testing.T) {
	var date DateCache
	buf := make([]byte, 0, 1024)
	value := []byte("text/plain")
	now := int64(1e9)
	wantNoAllocs(t, "response head and chunks", func() {
		now++
		b := AppendStatusLine(buf, 200)
		b, _ = AppendField(b, "X-Name", value)
		b, _ = AppendKnown(b, ContentType, "text/plain")
		b = AppendContentLength(b, 12345)
		b = date.Append(b, now)
		b = AppendChunk(b, value)
		b = AppendLastChunk(b)
		_, _ = DecodePath(b, []byte("/a%20b/../c"))
	})
}

func TestAssembleAllocs(t *testing.T) {
	var parsed, r Request
	if _, err := parsed.Parse([]byte(assembleHead), 0, nil); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if err := assemble(&r, &parsed); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Assemble: %v allocations; want 0", n)
	}
}
