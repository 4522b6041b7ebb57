package frame

import (
	"bytes"
	"errors"
	"testing"
)

// head builds a text and its outline.
func head(first string, fields ...string) (text []byte, lines []Line) {
	text = append(text, first...)
	for i := 0; i < len(fields); i += 2 {
		text = append(append(append(append(text, fields[i]...), ": "...), fields[i+1]...), "\r\n"...)
		lines = append(lines, Line{uint16(len(fields[i])), uint32(len(fields[i+1]))})
	}
	return text, lines
}

// request is a whole REQUEST frame.
func request(tb testing.TB, stream uint32) []byte {
	tb.Helper()
	text, lines := head("GET /a?b HTTP/1.1\r\n", "Host", "x", "Accept", "")
	dst := append(OpenRequest([]byte("before")), text...)
	dst = append(dst, "\r\n"...)
	dst, err := CloseRequest(dst, len("before"), stream, true,
		&RequestHead{Flags: FlagTrailers, Length: 7, Method: 3, Target: 4, Path: 2}, lines)
	if err != nil {
		tb.Fatal(err)
	}
	return dst[len("before"):]
}

func response(tb testing.TB, stream uint32, status int) []byte {
	tb.Helper()
	text, lines := head("", "Content-Type", "text/plain", "Set-Cookie", "a=b")
	dst, err := CloseResponse(append(OpenResponse(nil), text...), 0, stream, false,
		&ResponseHead{Status: status, Length: LengthUnknown}, lines)
	if err != nil {
		tb.Fatal(err)
	}
	return dst
}

func payload(tb testing.TB, b []byte, want Header) []byte {
	tb.Helper()
	h, ok, err := ParseHeader(b)
	if err != nil || !ok || h != want {
		tb.Fatalf("ParseHeader(%q) = %+v, %v, %v; want %+v", b, h, ok, err, want)
	}
	return b[HeaderSize:]
}

func fields(tb testing.TB, text []byte, l Lines) (out []string) {
	tb.Helper()
	for {
		n, nl, v, vl, ok, err := l.Next()
		if err != nil {
			tb.Fatal(err)
		}
		if !ok {
			return out
		}
		out = append(out, string(text[n:n+nl])+"="+string(text[v:v+vl]))
	}
}

func TestHeads(t *testing.T) {
	b := request(t, 9)
	p := payload(t, b, Header{Request, true, 9, len(b) - HeaderSize})
	h, text, lines, err := ParseRequest(p)
	if err != nil || h != (RequestHead{FlagTrailers, 7, 3, 4, 2}) || lines.Len() != 2 {
		t.Fatalf("ParseRequest = %+v, %d lines, %v", h, lines.Len(), err)
	}
	if got := fields(t, text, lines); len(got) != 2 || got[0] != "Host=x" || got[1] != "Accept=" {
		t.Errorf("fields %q", got)
	}
	for lines.Len() > 0 {
		if _, _, _, _, _, err := lines.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if string(lines.Rest()) != "\r\n" {
		t.Errorf("rest %q; want an empty line", lines.Rest())
	}
	b = response(t, 9, 200)
	p = payload(t, b, Header{Response, false, 9, len(b) - HeaderSize})
	r, text, lines, err := ParseResponse(p)
	if err != nil || r != (ResponseHead{200, LengthUnknown}) {
		t.Fatalf("ParseResponse = %+v, %v", r, err)
	}
	if got := fields(t, text, lines); len(got) != 2 || got[1] != "Set-Cookie=a=b" {
		t.Errorf("fields %q", got)
	}
	text, outline := head("", "X-Sum", "1")
	b, err = AppendTrailers(nil, 9, text, outline)
	if err != nil {
		t.Fatal(err)
	}
	text, lines, err = ParseTrailers(payload(t, b, Header{Trailers, true, 9, len(b) - HeaderSize}))
	if got := fields(t, text, lines); err != nil || len(got) != 1 || got[0] != "X-Sum=1" {
		t.Errorf("trailers %q, %v", got, err)
	}
}

func TestControl(t *testing.T) {
	g, err := ParseHello(payload(t, AppendHello(nil, 64), Header{Hello, false, 0, helloSize}))
	if err != nil || g != (Greeting{Version, Version, Window, 64}) {
		t.Errorf("hello %+v, %v", g, err)
	}
	if c := ParseCancel(payload(t, AppendCancel(nil, 3, Refused), Header{Cancel, true, 3, 1})); c != Refused {
		t.Errorf("cancel %d", c)
	}
	if n, err := ParseCredit(payload(t, AppendCredit(nil, 3, 500), Header{Credit, false, 3, 4})); n != 500 || err != nil {
		t.Errorf("credit %d, %v", n, err)
	}
	if n, err := ParseNumber(payload(t, AppendPing(nil, 1<<40), Header{Ping, false, 0, 8})); n != 1<<40 || err != nil {
		t.Errorf("ping %d, %v", n, err)
	}
	if n, err := ParseNumber(payload(t, AppendPong(nil, 5), Header{Pong, false, 0, 8})); n != 5 || err != nil {
		t.Errorf("pong %d, %v", n, err)
	}
	if n, err := ParseDrain(payload(t, AppendDrain(nil, 77), Header{Drain, false, 0, 4})); n != 77 || err != nil {
		t.Errorf("drain %d, %v", n, err)
	}
}

func TestParseHeaderErrors(t *testing.T) {
	for _, tc := range []struct {
		desc string
		b    []byte
		want error
	}{
		{"short", []byte{0, 0, 0, 1}, nil},
		{"kind 0", []byte{0, 0, 0, 0, 0, 0, 0, 0}, ErrKind},
		{"kind 11", []byte{0, 0, 0, 11, 0, 0, 0, 0}, ErrKind},
		{"kind 64", []byte{0, 0, 0, 64, 1, 0, 0, 0}, ErrKind},
		{"DATA on 0", AppendHeader(nil, Data, false, 0, 1), ErrStream},
		{"PING on 1", AppendHeader(nil, Ping, false, 1, 8), ErrStream},
		{"TRAILERS without END", AppendHeader(nil, Trailers, false, 1, 8), ErrEnd},
		{"CREDIT with END", AppendHeader(nil, Credit, true, 1, 4), ErrEnd},
		{"DATA too long", AppendHeader(nil, Data, false, 1, PayloadMax+1), ErrLength},
		{"PING too short", AppendHeader(nil, Ping, false, 0, 7), ErrLength},
		{"REQUEST too short", AppendHeader(nil, Request, false, 1, 3), ErrLength},
	} {
		if _, ok, err := ParseHeader(tc.b); ok || !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v; want %v", tc.desc, ok, err, tc.want)
		}
	}
}

func TestHelloErrors(t *testing.T) {
	good := AppendHello(nil, 1)[HeaderSize:]
	for _, tc := range []struct {
		desc string
		at   int
		to   byte
		want error
	}{
		{"magic", 0, 'X', ErrMagic}, {"min", 4, 2, ErrVersion}, {"max", 5, 0, ErrVersion},
		{"window", 11, 0x80, ErrCredit},
	} {
		b := bytes.Clone(good)
		b[tc.at] = tc.to
		if g, err := ParseHello(b); !errors.Is(err, tc.want) {
			t.Errorf("%s: %+v, %v; want %v", tc.desc, g, err, tc.want)
		}
	}
	if _, err := ParseCredit([]byte{0, 0, 0, 0}); !errors.Is(err, ErrCredit) {
		t.Errorf("credit 0: %v; want %v", err, ErrCredit)
	}
}

// TestHeadErrors: every single change of a byte of the fixed part, the request line or the outline gives
// an error, or a head that is within its bytes.
func TestHeadErrors(t *testing.T) {
	for _, frame := range [][]byte{request(t, 1), response(t, 1, 200)} {
		for i := HeaderSize; i < len(frame); i++ {
			for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff} {
				b := bytes.Clone(frame)
				b[i] = v
				consistent(t, b)
			}
		}
	}
	if _, err := CloseRequest(append(OpenRequest(nil), make([]byte, PayloadMax)...), 0, 1, true, &RequestHead{}, nil); !errors.Is(err, ErrLength) {
		t.Errorf("a request beyond PayloadMax: %v", err)
	}
	if _, err := CloseResponse(append(OpenResponse(nil), make([]byte, PayloadMax)...), 0, 1, true, &ResponseHead{}, nil); !errors.Is(err, ErrLength) {
		t.Errorf("a response beyond PayloadMax: %v", err)
	}
}

// consistent goes through a frame as a receiver does and checks that nothing leaves its bytes.
func consistent(tb testing.TB, b []byte) {
	tb.Helper()
	h, ok, err := ParseHeader(b)
	if err != nil || !ok || len(b) < HeaderSize+h.Length {
		return
	}
	p := b[HeaderSize : HeaderSize+h.Length]
	var text []byte
	var lines Lines
	switch h.Kind {
	case Hello:
		_, err = ParseHello(p)
	case Request:
		var r RequestHead
		if r, text, lines, err = ParseRequest(p); err == nil {
			_ = text[:r.Method]
			target := text[r.Method+1 : r.Method+1+r.Target]
			_ = target[:r.Path]
		}
	case Response:
		_, text, lines, err = ParseResponse(p)
	case Trailers:
		text, lines, err = ParseTrailers(p)
	case Credit:
		_, err = ParseCredit(p)
	case Ping, Pong:
		_, err = ParseNumber(p)
	case Drain:
		_, err = ParseDrain(p)
	case Cancel:
		ParseCancel(p)
	}
	for err == nil {
		var n, nl, v, vl int
		n, nl, v, vl, ok, err = lines.Next()
		if !ok {
			break
		}
		_, _ = text[n:n+nl], text[v:v+vl]
	}
	if err == nil && len(text) > 0 {
		_ = lines.Rest()
	}
}

func FuzzFrame(f *testing.F) {
	for _, b := range [][]byte{
		request(f, 1), response(f, 1, 103), AppendHello(nil, 1), AppendCancel(nil, 1, Over),
		AppendCredit(nil, 1, 1), AppendPing(nil, 1), AppendDrain(nil, 1), AppendHeader(nil, Data, true, 1, 0),
	} {
		f.Add(b)
	}
	text, lines := head("", "A", "b")
	if b, err := AppendTrailers(nil, 1, text, lines); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { consistent(t, b) })
}

func BenchmarkRequest(b *testing.B) {
	frame := request(b, 1)
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		h, _, _ := ParseHeader(frame)
		_, _, lines, _ := ParseRequest(frame[HeaderSize : HeaderSize+h.Length])
		for lines.Len() > 0 {
			if _, _, _, _, _, err := lines.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
