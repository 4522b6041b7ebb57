package http1

import (
	"fmt"
	"strings"
	"testing"
)

// stream runs the parsers over a byte stream as a session would and logs what it sees, with offsets
// from the start of the stream. The log must not depend on how the stream was split.
type stream struct {
	log  strings.Builder
	lim  *Limits
	head bool // responses only: of a HEAD request

	buf       []byte // not consumed yet
	off, seen int
	req       Request
	res       Response
	isRes     bool
	state     func(*stream) bool // false: needs more
	chunks    ChunkDecoder
	left      int64
	body      []byte
	inBody    bool
	dead      bool
}

func newStream(isResponse bool) *stream {
	s := &stream{isRes: isResponse, state: (*stream).onHead}
	s.chunks.OfResponse = isResponse
	return s
}

// write gives the stream its next bytes, in a buffer of their own that is poisoned afterwards.
func (s *stream) write(b string) {
	next := append(append([]byte(nil), s.buf...), b...)
	poison(s.buf)
	s.buf = next
	for !s.dead && s.state(s) {
	}
}

func poison(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

// end finishes the log.
func (s *stream) end() string {
	switch {
	case s.dead:
	case s.inBody:
		s.printf("cut in a body at %d", s.off)
	case len(s.buf) > 0:
		s.printf("partial at %d", s.off)
	default:
		s.printf("end at %d", s.off)
	}
	return s.log.String()
}

func (s *stream) printf(format string, args ...any) {
	fmt.Fprintf(&s.log, format+"\n", args...)
}

func (s *stream) consume(n int) {
	s.buf = s.buf[n:]
	s.off += n
	s.seen = 0
}

func (s *stream) fail(err error) bool {
	s.printf("error %d %v: %v", StatusOf(err), KindOf(err), err)
	s.dead = true
	return false
}

func (s *stream) onHead() bool {
	if len(s.buf) == 0 {
		return false
	}
	n, err := s.parse()
	if err != nil {
		if n != 0 {
			s.printf("\x00BUG: n = %d beside an error", n)
		}
		return s.fail(err)
	}
	if n == 0 {
		s.seen = len(s.buf)
		return false
	}
	if n > len(s.buf) {
		s.printf("\x00BUG: n = %d of %d", n, len(s.buf))
	}
	s.logHead(n)
	s.consume(n)
	return true
}

func (s *stream) parse() (int, error) {
	if s.isRes {
		return s.res.Parse(s.buf, s.seen, s.lim)
	}
	return s.req.Parse(s.buf, s.seen, s.lim)
}

func (s *stream) logHead(n int) {
	h, chunked, length := &s.req.head, s.req.Chunked, s.req.ContentLength
	if s.isRes {
		h = &s.res.head
		kind, l := s.res.BodyKind(s.head, false)
		s.printf("response [%d,%d) %d 1.%d %s%s%s", s.off, s.off+n, s.res.Status, s.res.Minor,
			[]string{"no body", "length", "chunked", "until close", "tunnel"}[kind],
			mark(s.res.KeepAlive, "keep-alive"), mark(s.res.Upgrade, "upgrade"))
		chunked, length = kind == BodyChunked, l
	} else {
		r := &s.req
		s.printf("request [%d,%d) %s %s 1.%d host=%q path=%q query=%q%s%s%s", s.off, s.off+n,
			r.Method(), []string{"origin", "absolute", "authority", "asterisk"}[r.Form],
			r.Minor, r.Host(), r.Path(), r.Query(), mark(r.KeepAlive, "keep-alive"),
			mark(r.ExpectContinue, "expect"), mark(r.Upgrade, "upgrade"))
	}
	for i := range h.NumFields() {
		f := h.fields[i]
		s.printf("  [%d,%d) %s [%d,%d) %q%s%s", s.off+int(f.name), s.off+int(f.name)+int(f.nameLen),
			h.FieldName(i), s.off+int(f.value), s.off+int(f.value+f.valueLen), h.FieldValue(i),
			mark(h.KnownOf(i) != Unknown, "known"), mark(h.HopByHop(i), "hop"))
	}
	switch {
	case chunked:
		s.chunks.Reset()
		s.body = s.body[:0]
		s.state, s.inBody = (*stream).onChunks, true
	case length > 0:
		s.left = length
		s.body = s.body[:0]
		s.state, s.inBody = (*stream).onBody, true
	}
}

func mark(on bool, name string) string {
	if on {
		return " " + name
	}
	return ""
}

func (s *stream) onBody() bool {
	n := int(min(s.left, int64(len(s.buf))))
	s.body = append(s.body, s.buf[:n]...)
	s.consume(n)
	if s.left -= int64(n); s.left > 0 {
		return false
	}
	s.printf("body %q", s.body)
	s.state, s.inBody = (*stream).onHead, false
	return true
}

func (s *stream) onChunks() bool {
	if len(s.buf) == 0 {
		return false
	}
	data, n, err := s.chunks.Next(s.buf)
	s.body = append(s.body, data...)
	if err != nil {
		if n != 0 || len(data) != 0 {
			s.printf("\x00BUG: %d bytes beside an error", n)
		}
		s.printf("body cut %q", s.body)
		return s.fail(err)
	}
	s.consume(n)
	if !s.chunks.Done() {
		return n > 0
	}
	s.printf("chunked body [..,%d) %q", s.off, s.body)
	for name, value := range s.chunks.Trailers() {
		s.printf("  trailer %s %q", name, value)
	}
	s.state, s.inBody = (*stream).onHead, false
	return true
}

// run logs input given in the pieces that cuts describe, ascending offsets.
func run(isResponse bool, lim *Limits, input string, cuts ...int) string {
	s := newStream(isResponse)
	s.lim = lim
	last := 0
	for _, c := range cuts {
		s.write(input[last:c])
		last = c
	}
	s.write(input[last:])
	return s.end()
}

// runAll logs input whole and fails if another split gives another log.
func runAll(t *testing.T, isResponse bool, lim *Limits, input string) string {
	t.Helper()
	want := run(isResponse, lim, input)
	bytewise := make([]int, len(input))
	for i := range bytewise {
		bytewise[i] = i
	}
	if got := run(isResponse, lim, input, bytewise...); got != want {
		t.Fatalf("byte by byte: %.300q\ngot:\n%s\nwant:\n%s", input, got, want)
	}
	step := max(1, len(input)/4096)
	for i := 0; i <= len(input); i += step {
		if got := run(isResponse, lim, input, i); got != want {
			t.Fatalf("split at %d: %.300q\ngot:\n%s\nwant:\n%s", i, input, got, want)
		}
	}
	return want
}
