package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// addSeeds adds every rejected request and the benchmark heads; testdata/fuzz holds more, and each
// find.
func addSeeds(f *testing.F) {
	for _, tc := range rejects {
		f.Add([]byte(tc.input), uint16(len(tc.input)/2))
	}
	for _, s := range []string{head430, headSmall, "\r\n" + headSmall + headSmall,
		chunk + "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n", "GET http://a:80/x?y HTTP/1.0\r\nHost: A\r\n\r\n",
		post + "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n"} {
		f.Add([]byte(s), uint16(len(s)/2))
	}
}

// FuzzRequest: no panic; 0 <= n <= len(b); an error comes without bytes, and leaves at most views of
// the request line; a stream split anywhere gives the same log as a whole one; views lie in the head;
// and never framed unlike net/http.
func FuzzRequest(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		checkSplit(t, false, string(b), int(cut))
		var r Request
		if n, err := r.Parse([]byte(headSmall), 0, nil); n == 0 || err != nil {
			t.Fatalf("Parse(%q) = %d, %v", headSmall, n, err)
		}
		n, err := r.Parse(b, 0, nil)
		if n < 0 || n > len(b) || err != nil && n != 0 {
			t.Fatalf("Parse(%q) = %d, %v", b, n, err)
		}
		if err != nil {
			if s := StatusOf(err); s < 400 || s > 599 {
				t.Fatalf("StatusOf(%v) = %d", err, s)
			}
			line, _, _ := bytes.Cut(bytes.TrimPrefix(b, []byte("\r\n")), []byte("\r\n"))
			if !bytes.HasPrefix(line, r.Method()) || !bytes.Contains(line, r.Target()) ||
				!bytes.Contains(line, r.Path()) && r.Form != AbsoluteForm || r.NumFields() > 0 || r.HasBody() {
				t.Fatalf("Parse(%q) = %v and holds %+v", b, err, r)
			}
			return
		}
		if n > 0 {
			checkRequest(t, &r, b[:n])
			compareNetHTTP(t, &r, b)
		}
	})
}

// checkSplit compares the event logs of a whole and of a split stream.
func checkSplit(t *testing.T, isResponse bool, s string, cut int) {
	t.Helper()
	cut = min(cut, len(s))
	want := run(isResponse, nil, s)
	if strings.Contains(want, "\x00BUG") {
		t.Fatalf("%q:\n%s", s, want)
	}
	if got := run(isResponse, nil, s, cut); got != want {
		t.Fatalf("split at %d: %q\ngot:\n%s\nwant:\n%s", cut, s, got, want)
	}
	var bytewise []int
	for i := range min(len(s), 512) {
		bytewise = append(bytewise, i)
	}
	if got := run(isResponse, nil, s, bytewise...); got != want {
		t.Fatalf("byte by byte: %q\ngot:\n%s\nwant:\n%s", s, got, want)
	}
}

// checkRequest holds what every accepted head fulfils.
func checkRequest(t *testing.T, r *Request, head []byte) {
	t.Helper()
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) || bytes.Contains(head[2:len(head)-2], []byte("\r\n\r\n")) {
		t.Fatalf("%q is not one head", head)
	}
	if bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) ||
		bytes.Count(head, []byte("\r")) != bytes.Count(head, []byte("\r\n")) {
		t.Fatalf("%q: accepted with a bare CR or LF", head)
	}
	if r.Chunked && r.ContentLength >= 0 {
		t.Fatalf("%q: two framings", head)
	}
	if r.Minor == 1 && len(r.Host()) == 0 {
		t.Fatalf("%q: no host", head)
	}
	// What is re-serialised from the views parses to the same request again.
	out, err := AppendRequestLine(nil, r.Method(), r.Target())
	if err != nil {
		t.Fatalf("AppendRequestLine: %v", err)
	}
	for i := range r.NumFields() {
		if out, err = AppendField(out, r.FieldName(i), r.FieldValue(i)); err != nil {
			t.Fatalf("AppendField(%q, %q): %v", r.FieldName(i), r.FieldValue(i), err)
		}
	}
	out = append(out, CRLF...)
	var again Request
	if _, err := again.Parse(out, 0, &Limits{RequestLineBytes: 1 << 20, HeadBytes: 1 << 20}); err != nil {
		if r.Minor == 1 || StatusOf(err) == 500 {
			t.Fatalf("%q, written anew as %q: %v", head, out, err)
		}
		return // HTTP/1.0 without Host
	}
	if again.ContentLength != r.ContentLength || again.Chunked != r.Chunked ||
		!bytes.Equal(again.Host(), r.Host()) || again.NumFields() != r.NumFields() {
		t.Fatalf("%q, written anew as %q, differs", head, out)
	}
}

// Requests that we accept and net/http refuses; none concerns framing. In the order of the code:
// an empty line first (RFC 9112 section 2.2); escapes and characters that net/url refuses, which
// DecodePath checks later; Trailer fields that announce framing fields.
func refusedByNetHTTPOnly(r *Request, err error) bool {
	s := err.Error()
	return r.method.off > 0 || strings.Contains(s, "invalid URI") || strings.HasPrefix(s, "parse ") ||
		strings.Contains(s, "invalid port") || strings.Contains(s, "bad trailer key") ||
		strings.Contains(s, "too many transfer encodings")
}

// compareNetHTTP reads an accepted request by net/http: what both accept, both must frame alike.
func compareNetHTTP(t *testing.T, r *Request, b []byte) {
	t.Helper()
	br := bufio.NewReaderSize(bytes.NewReader(b), 64<<10)
	ref, err := http.ReadRequest(br)
	if err != nil {
		if !refusedByNetHTTPOnly(r, err) {
			t.Fatalf("%q: accepted, but net/http: %v", b, err)
		}
		return
	}
	if ref.Method != string(r.Method()) || ref.RequestURI != string(r.Target()) ||
		ref.ProtoMajor != 1 || min(ref.ProtoMinor, 1) != r.Minor {
		t.Fatalf("%q: %s %s 1.%d; net/http: %s %s %s", b, r.Method(), r.Target(), r.Minor, ref.Method,
			ref.RequestURI, ref.Proto)
	}
	if ref.Host != string(r.Host()) {
		t.Fatalf("%q: host %q; net/http: %q", b, r.Host(), ref.Host)
	}
	chunked := len(ref.TransferEncoding) == 1 && ref.TransferEncoding[0] == "chunked"
	length := max(r.ContentLength, 0)
	if chunked != r.Chunked || !chunked && ref.ContentLength != length {
		t.Fatalf("%q: chunked %v, length %d; net/http: %v, %d", b, r.Chunked, r.ContentLength, chunked,
			ref.ContentLength)
	}
	if !chunked {
		return
	}
	compareChunks(t, b[r.Size():], ref, br)
}

// compareChunks decodes a body by both: if we take it as complete, net/http finds the same bytes in it
// and the same end.
func compareChunks(t *testing.T, b []byte, ref *http.Request, br *bufio.Reader) {
	t.Helper()
	var d ChunkDecoder
	body, n, err := decodeAll(&d, b)
	if err != nil || !d.Done() {
		return // stricter, or partial
	}
	want, err := io.ReadAll(ref.Body)
	if err != nil {
		if strings.Contains(err.Error(), "chunked encoding contains too much non-data") ||
			strings.Contains(err.Error(), "trailer") || strings.Contains(err.Error(), "line too long") {
			return
		}
		t.Fatalf("chunks %q: accepted, but net/http: %v", b, err)
	}
	if !bytes.Equal(body, want) {
		t.Fatalf("chunks %q: %q; net/http: %q", b, body, want)
	}
	if rest, _ := io.ReadAll(br); !bytes.Equal(rest, b[n:]) {
		t.Fatalf("chunks %q end at %d; net/http leaves %q", b, n, rest)
	}
}

// decodeAll decodes b until the body ends, b does, or an error.
func decodeAll(d *ChunkDecoder, b []byte) (body []byte, n int, err error) {
	for n < len(b) && !d.Done() {
		data, used, err := d.Next(b[n:])
		if err != nil {
			return body, n, err
		}
		if used == 0 {
			panic("http1: Next made no progress")
		}
		body = append(body, data...)
		n += used
	}
	return body, n, nil
}

// FuzzResponse: the properties of FuzzRequest, and framing compared with net/http.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"HTTP/1.0 304 \r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204\r\n\r\n"} {
		f.Add([]byte(s), uint16(len(s)/2))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		checkSplit(t, true, string(b), int(cut))
		var r Response
		n, err := r.Parse(b, 0, nil)
		if n < 0 || n > len(b) || err != nil && n != 0 {
			t.Fatalf("Parse(%q) = %d, %v", b, n, err)
		}
		if err != nil {
			if StatusOf(err) != 502 || KindOf(err) != KindResponse {
				t.Fatalf("Parse(%q): %v is %d %v", b, err, StatusOf(err), KindOf(err))
			}
			return
		}
		if n == 0 {
			return
		}
		ref, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			if strings.Contains(err.Error(), "bad trailer key") {
				return
			}
			t.Fatalf("%q: accepted, but net/http: %v", b, err)
		}
		kind, length := r.BodyKind(false, false)
		if got := fmt.Sprint(ref.StatusCode, ref.ContentLength); kind == BodyLength &&
			got != fmt.Sprint(r.Status, length) || kind == BodyChunked && ref.ContentLength != -1 {
			t.Fatalf("%q: %d, %d, %d; net/http: %s", b, r.Status, kind, length, got)
		}
	})
}

// FuzzChunked: any split gives the same bytes, end and trailers; an accepted body, written anew, is
// the same body; and net/http agrees (through FuzzRequest's comparison).
func FuzzChunked(f *testing.F) {
	for _, tc := range rejects {
		if body, ok := strings.CutPrefix(tc.input, chunk); ok {
			f.Add([]byte(body), uint16(3))
		}
	}
	f.Add([]byte("5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\nrest"), uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		checkSplit(t, false, chunk+string(b), len(chunk)+int(cut))
		var d ChunkDecoder
		body, n, err := decodeAll(&d, b)
		if err != nil || !d.Done() {
			return
		}
		var r Request
		head := []byte(chunk)
		if _, err := r.Parse(head, 0, nil); err != nil {
			t.Fatal(err)
		}
		compareNetHTTP(t, &r, append(head, b...))
		again := AppendLastChunk(AppendChunk(nil, body))
		d.Reset()
		if got, m, err := decodeAll(&d, again); err != nil || m != len(again) || !bytes.Equal(got, body) {
			t.Fatalf("%q ends at %d; written anew: %q, %d, %v", b, n, got, m, err)
		}
	})
}

// FuzzDecodePath: accepted paths are UTF-8 without control characters and without dot segments, start
// with "/", are no longer than the raw ones, and writing after dst keeps what was there.
func FuzzDecodePath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/", "/a%2Fb", "/%c3%a4", "/%c0%ae", "/a/./b//c/.."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := DecodePath([]byte("pre"), raw)
		if !bytes.HasPrefix(out, []byte("pre")) || err != nil && len(out) != 3 {
			t.Fatalf("DecodePath(%q) = %q, %v", raw, out, err)
		}
		if err != nil {
			return
		}
		path := out[3:]
		if len(path) == 0 || path[0] != '/' || len(path) > len(raw) || !utf8.Valid(path) {
			t.Fatalf("DecodePath(%q) = %q", raw, path)
		}
		sent := AppendPath(nil, raw)
		if again, err := DecodePath(nil, sent); !bytes.Equal(again, path) || err != nil {
			t.Fatalf("AppendPath(%q) = %q, which decodes to %q, %v; want %q", raw, sent, again, err, path)
		}
		for segment := range bytes.SplitSeq(sent, []byte("/")) {
			if n := dots(segment); n == 1 || n == 2 {
				t.Fatalf("AppendPath(%q) = %q: dot segment", raw, sent)
			}
		}
		for _, c := range string(path) {
			if c < ' ' || c >= 0x7f && c < 0xa0 {
				t.Fatalf("DecodePath(%q) = %q: control character", raw, path)
			}
		}
		for _, segment := range bytes.Split(path, []byte("/")) {
			if s := string(segment); s == "." || s == ".." {
				t.Fatalf("DecodePath(%q) = %q: dot segment", raw, path)
			}
		}
	})
}
