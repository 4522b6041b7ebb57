package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	hostA = "Host: a\r\n"
	get   = "GET / HTTP/1.1\r\n" + hostA
	post  = "POST / HTTP/1.1\r\n" + hostA
	chunk = post + "Transfer-Encoding: chunked\r\n\r\n"
)

// rejects are requests that must be refused, each with the one right error. What follows the first
// error is never looked at.
var rejects = []struct {
	desc, input string
	want        *ParseError
}{
	// Not HTTP.
	{"TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00", ErrTLS},
	{"TLS, first byte only", "\x16", ErrTLS},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ErrHTTP2},
	{"SSLv2 hello", "\x80\x2e\x01", ErrMethod},
	{"NUL", "\x00", ErrMethod},
	{"SOCKS5", "\x05\x01\x00", ErrMethod},
	{"SSH", "SSH-2.0-OpenSSH_9.9\r\n", ErrRequestLine},
	{"PROXY header where none is expected", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", ErrRequestLine},

	// Lines before the request line.
	{"two empty lines", "\r\n\r\n" + get + "\r\n", ErrEmptyLines},
	{"empty line of LF", "\n" + get + "\r\n", ErrBareLF},
	{"CR before the request", "\rGET / HTTP/1.1\r\n", ErrBareCR},
	{"space before the request", " GET / HTTP/1.1\r\n", ErrMethod},

	// Method.
	{"method with colon", "GET: / HTTP/1.1\r\n", ErrMethod},
	{"method with tab", "GET\t/ HTTP/1.1\r\n", ErrMethod},
	{"method only", "GET\r\n", ErrRequestLine},
	{"method only, bare LF", "GET\n", ErrBareLF},
	{"method of 33 bytes", strings.Repeat("A", 33), ErrMethodLength},
	{"non-ASCII method", "G\xc3\x89T / HTTP/1.1\r\n", ErrMethod},

	// Target.
	{"two spaces", "GET  / HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"space in target", "GET /a b HTTP/1.1\r\n" + hostA + "\r\n", ErrRequestLine},
	{"no target", "GET HTTP/1.1\r\n" + hostA + "\r\n", ErrRequestLine},
	{"fragment", "GET /#a HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"NUL in target", "GET /\x00 HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"DEL in target", "GET /\x7f HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"tab in target", "GET /\t HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"non-ASCII target", "GET /\xc3\xa9 HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"relative path", "GET a HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"relative path with colon", "GET a:b HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"other scheme", "GET ftp://a/ HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"scheme without authority", "GET http:/// HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"scheme without slashes", "GET http:a HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"scheme and nothing", "GET http:// HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"user information", "GET http://u@a/ HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"asterisk of GET", "GET * HTTP/1.1\r\n" + hostA + "\r\n", ErrTargetForm},
	{"two asterisks", "OPTIONS ** HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"authority of GET", "GET a:80 HTTP/1.1\r\n" + hostA + "\r\n", ErrTarget},
	{"path of CONNECT", "CONNECT /a HTTP/1.1\r\n" + hostA + "\r\n", ErrTargetForm},
	{"URL of CONNECT", "CONNECT http://a:1/ HTTP/1.1\r\nHost: a:1\r\n\r\n", ErrTargetForm},
	{"query of CONNECT", "CONNECT a:1?x HTTP/1.1\r\nHost: a:1\r\n\r\n", ErrTargetForm},
	{"CONNECT without port", "CONNECT a HTTP/1.1\r\n" + hostA + "\r\n", ErrTargetForm},

	// Version.
	{"HTTP/0.9", "GET /\r\n", ErrRequestLine},
	{"HTTP/2.0", "GET / HTTP/2.0\r\n", ErrVersion},
	{"HTTP/0.9 spelt out", "GET / HTTP/0.9\r\n", ErrVersion},
	{"HTTP/3.1", "GET / HTTP/3.1\r\n", ErrVersion},
	{"HTTP/1.10", "GET / HTTP/1.10\r\n", ErrRequestLine},
	{"HTTP/11", "GET / HTTP/11\r\n", ErrRequestLine},
	{"HTTP/1.", "GET / HTTP/1.\r\n", ErrRequestLine},
	{"HTTP/1.x", "GET / HTTP/1.x\r\n", ErrRequestLine},
	{"lower-case version", "GET / http/1.1\r\n", ErrRequestLine},
	{"no digits", "GET / HTTP\r\n", ErrRequestLine},
	{"space after version", "GET / HTTP/1.1 \r\n", ErrRequestLine},
	{"tab before version", "GET /\tHTTP/1.1\r\n", ErrTarget},

	// Line ends.
	{"bare LF after request line", "GET / HTTP/1.1\n" + hostA + "\r\n", ErrBareLF},
	{"bare LF after field", get + "A: b\nC: d\r\n\r\n", ErrBareLF},
	{"bare LF at the end", get + "\n", ErrBareLF},
	{"LF only everywhere", "GET / HTTP/1.1\nHost: a\n\n", ErrBareLF},
	{"bare CR in value", get + "A: b\rC: d\r\n\r\n", ErrBareCR},
	{"CR CR LF", get + "A: b\r\r\n\r\n", ErrBareCR},
	{"CR CR LF at the end", get + "\r\r\n", ErrBareCR},
	{"bare CR in request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", ErrBareCR},
	{"CR in target", "GET /\rX HTTP/1.1\r\n\r\n", ErrBareCR},

	// Field lines.
	{"fold with space", get + "A: b\r\n c\r\n\r\n", ErrObsFold},
	{"fold with tab", get + "A: b\r\n\tc\r\n\r\n", ErrObsFold},
	{"fold of Host", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", ErrObsFold},
	{"space before first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", ErrObsFold},
	{"line of a space", get + " \r\n\r\n", ErrObsFold},
	{"space before colon", get + "Content-Length : 1\r\n\r\n", ErrColonSpace},
	{"tab before colon", get + "Transfer-Encoding\t: chunked\r\n\r\n", ErrColonSpace},
	{"space in name", get + "Content Length: 1\r\n\r\n", ErrFieldName},
	{"empty name", get + ": x\r\n\r\n", ErrFieldName},
	{"no colon", get + "A\r\n\r\n", ErrNoColon},
	{"no colon but in the next line", get + "Transfer-Encoding\r\nA: b\r\n\r\n", ErrNoColon},
	{"parenthesis in name", get + "A(b): c\r\n\r\n", ErrFieldName},
	{"slash in name", get + "A/b: c\r\n\r\n", ErrFieldName},
	{"non-ASCII name", get + "\xc3\x84: c\r\n\r\n", ErrFieldName},
	{"NUL in name", get + "A\x00: c\r\n\r\n", ErrFieldName},
	{"CR for hyphen in a known name", get + "Content\rLength: 5\r\n\r\n", ErrFieldName},
	{"NUL in value", get + "A: b\x00c\r\n\r\n", ErrFieldValue},
	{"NUL at the end of a value", get + "A: b\x00\r\n\r\n", ErrFieldValue},
	{"DEL in value", get + "A: b\x7fc\r\n\r\n", ErrFieldValue},
	{"ESC in value", get + "A: \x1b[2J\r\n\r\n", ErrFieldValue},
	{"VT before coding", post + "Transfer-Encoding: \x0bchunked\r\n\r\n", ErrFieldValue},
	{"name of 257 bytes", get + strings.Repeat("a", 257) + ": b\r\n\r\n", ErrFieldLength},

	// Host.
	{"no Host", "GET / HTTP/1.1\r\n\r\n", ErrHostMissing},
	{"no Host but other fields", "GET / HTTP/1.1\r\nHos: t\r\n\r\n", ErrHostMissing},
	{"no Host in absolute-form", "GET http://a/ HTTP/1.1\r\n\r\n", ErrHostMissing},
	{"two Hosts", get + "Host: b\r\n\r\n", ErrHostRepeated},
	{"the same Host twice", get + hostA + "\r\n", ErrHostRepeated},
	{"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" + hostA + hostA + "\r\n", ErrHostRepeated},
	{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", ErrHostInvalid},
	{"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ErrHostInvalid},
	{"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", ErrHostInvalid},
	{"Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", ErrHostInvalid},
	{"Host with space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ErrHostInvalid},
	{"Host of a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", ErrHostInvalid},
	{"Host with empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", ErrHostInvalid},
	{"Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", ErrHostInvalid},
	{"Host with port 65536", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", ErrHostInvalid},
	{"Host with signed port", "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n", ErrHostInvalid},
	{"Host with non-ASCII", "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", ErrHostInvalid},
	{"Host with open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", ErrHostInvalid},
	{"Host of bare IPv6", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", ErrHostInvalid},
	{"Host with zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", ErrHostInvalid},
	{"Host over 262 bytes", "GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 263) + "\r\n\r\n",
		ErrHostInvalid},
	{"Host of another name", "GET http://b/ HTTP/1.1\r\n" + hostA + "\r\n", ErrHostDiffers},
	{"Host of another port", "GET http://a:81/ HTTP/1.1\r\n" + hostA + "\r\n", ErrHostDiffers},
	{"Host of http's port for https", "GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", ErrHostDiffers},
	{"Host of CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:2\r\n\r\n", ErrHostDiffers},
	{"Host of CONNECT without port", "CONNECT a:80 HTTP/1.1\r\n" + hostA + "\r\n", ErrHostDiffers},

	// Content-Length.
	{"length and coding", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ErrFraming},
	{"coding and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", ErrFraming},
	{"length 0 and coding", post + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", ErrFraming},
	{"two lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", ErrContentLengthRepeated},
	{"a length twice", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", ErrContentLengthRepeated},
	{"length list", post + "Content-Length: 5, 5\r\n\r\n", ErrContentLength},
	{"length list with differing values", post + "Content-Length: 5,6\r\n\r\n", ErrContentLength},
	{"empty length", post + "Content-Length:\r\n\r\n", ErrContentLength},
	{"length +5", post + "Content-Length: +5\r\n\r\n", ErrContentLength},
	{"length -5", post + "Content-Length: -5\r\n\r\n", ErrContentLength},
	{"length 5 5", post + "Content-Length: 5 5\r\n\r\n", ErrContentLength},
	{"length 0x5", post + "Content-Length: 0x5\r\n\r\n", ErrContentLength},
	{"length 5.0", post + "Content-Length: 5.0\r\n\r\n", ErrContentLength},
	{"length 1e1", post + "Content-Length: 1e1\r\n\r\n", ErrContentLength},
	{"length 1_0", post + "Content-Length: 1_0\r\n\r\n", ErrContentLength},
	{"length in quotes", post + "Content-Length: \"5\"\r\n\r\n", ErrContentLength},
	{"length 2^63", post + "Content-Length: 9223372036854775808\r\n\r\n", ErrContentLength},
	{"length 2^64+5", post + "Content-Length: 18446744073709551621\r\n\r\n", ErrContentLength},

	// Transfer-Encoding.
	{"unknown coding", post + "Transfer-Encoding: gzip\r\n\r\n", ErrTransferCoding},
	{"unknown then chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", ErrTransferCoding},
	{"unknown with parameter", post + "Transfer-Encoding: x;a=\"b,c\" ;d=e, chunked\r\n\r\n",
		ErrTransferCoding},
	{"identity", post + "Transfer-Encoding: identity\r\n\r\n", ErrTransferCoding},
	{"xchunked", post + "Transfer-Encoding: xchunked\r\n\r\n", ErrTransferCoding},
	{"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n", ErrTransferEncoding},
	{"chunked, then other", post + "Transfer-Encoding: chunked, gzip\r\n\r\n", ErrTransferEncoding},
	{"chunked in two fields", chunk[:len(chunk)-2] + "Transfer-Encoding: chunked\r\n\r\n",
		ErrTransferEncoding},
	{"codings in two fields", chunk[:len(chunk)-2] + "Transfer-Encoding: identity\r\n\r\n",
		ErrTransferEncoding},
	{"chunked with parameter", post + "Transfer-Encoding: chunked;a=b\r\n\r\n", ErrTransferEncoding},
	{"chunked in quotes", post + "Transfer-Encoding: \"chunked\"\r\n\r\n", ErrTransferEncoding},
	{"chunked and comma", post + "Transfer-Encoding: chunked,\r\n\r\n", ErrTransferEncoding},
	{"comma and chunked", post + "Transfer-Encoding: ,chunked\r\n\r\n", ErrTransferEncoding},
	{"chunked and a word", post + "Transfer-Encoding: chunked x\r\n\r\n", ErrTransferEncoding},
	{"empty coding", post + "Transfer-Encoding:\r\n\r\n", ErrTransferEncoding},
	{"broken parameter", post + "Transfer-Encoding: x;a\r\n\r\n", ErrTransferEncoding},
	{"open quotes in parameter", post + "Transfer-Encoding: x;a=\"b\r\n\r\n", ErrTransferEncoding},
	{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", ErrTransferVersion},

	// Connection, Expect, CONNECT.
	{"connection with bad option", get + "Connection: a/b\r\n\r\n", ErrConnection},
	{"connection without comma", get + "Connection: close keep-alive\r\n\r\n", ErrConnection},
	{"connection lists Host", get + "Connection: close, HOST\r\n\r\n", ErrConnection},
	{"connection lists length", post + "Connection: Content-Length\r\nContent-Length: 1\r\n\r\n",
		ErrConnection},
	{"other expectation", post + "Expect: 200-ok\r\n\r\n", ErrExpectation},
	{"empty expectation", post + "Expect:\r\n\r\n", ErrExpectation},
	{"two expectations", post + "Expect: 100-continue\r\nExpect: x\r\n\r\n", ErrExpectation},
	{"CONNECT with length", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n",
		ErrConnectBody},
	{"CONNECT with chunks", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n",
		ErrConnectBody},

	// Chunks. RFC 9112 section 7.1, rule by rule.
	{"no size", chunk + "\r\n", ErrChunkSize},
	{"size not hex", chunk + "g\r\n", ErrChunkSize},
	{"size 0x5", chunk + "0x5\r\n", ErrChunkSize},
	{"size +5", chunk + "+5\r\n", ErrChunkSize},
	{"size -5", chunk + "-5\r\n", ErrChunkSize},
	{"space before size", chunk + " 5\r\n", ErrChunkSize},
	{"space after size", chunk + "5 \r\n", ErrChunkSize},
	{"tab after size", chunk + "5\t\r\n", ErrChunkSize},
	{"space before extension", chunk + "5 ;a=b\r\n", ErrChunkSize},
	{"underscore in size", chunk + "1_0\r\n", ErrChunkSize},
	{"size of 16 digits", chunk + "0000000000000005\r\n", ErrChunkSize},
	{"size over 64 bits", chunk + "10000000000000005\r\n", ErrChunkSize},
	{"size ends by LF", chunk + "5\nhello\r\n", ErrChunkLine},
	{"size ends by CR", chunk + "5\rhello\r\n", ErrChunkLine},
	{"size ends by CR CR LF", chunk + "5\r\r\nhello\r\n", ErrChunkLine},
	{"extension ends by LF", chunk + "5;a\nhello\r\n0\r\n\r\n", ErrChunkLine},
	{"LF in extension value", chunk + "5;a=b\nhello\r\n0\r\n\r\n", ErrChunkLine},
	{"LF in quoted value", chunk + "5;a=\"\n\"\r\nhello\r\n", ErrChunkExtension},
	{"CR in extension", chunk + "5;a\rb\r\nhello\r\n", ErrChunkLine},
	{"empty extension", chunk + "5;\r\nhello\r\n", ErrChunkExtension},
	{"empty extension name", chunk + "5;=b\r\nhello\r\n", ErrChunkExtension},
	{"two semicolons", chunk + "5;;a\r\nhello\r\n", ErrChunkExtension},
	{"space after semicolon", chunk + "5; a\r\nhello\r\n", ErrChunkExtension},
	{"space before equals", chunk + "5;a =b\r\nhello\r\n", ErrChunkExtension},
	{"space after value", chunk + "5;a=b \r\nhello\r\n", ErrChunkExtension},
	{"extension name not a token", chunk + "5;a/b\r\nhello\r\n", ErrChunkExtension},
	{"empty extension value", chunk + "5;a=\r\nhello\r\n", ErrChunkExtension},
	{"value not a token", chunk + "5;a=b/c\r\nhello\r\n", ErrChunkExtension},
	{"two equals", chunk + "5;a=b=c\r\nhello\r\n", ErrChunkExtension},
	{"text after quoted value", chunk + "5;a=\"b\"c\r\nhello\r\n", ErrChunkExtension},
	{"quotes inside token", chunk + "5;a=b\"c\"\r\nhello\r\n", ErrChunkExtension},
	{"NUL in quoted value", chunk + "5;a=\"\x00\"\r\nhello\r\n", ErrChunkExtension},
	{"escaped LF", chunk + "5;a=\"\\\n\"\r\nhello\r\n", ErrChunkExtension},
	{"extension of 257 bytes", chunk + "5;" + strings.Repeat("a", 256) + "\r\n", ErrChunkExtLength},
	{"extensions over 8 KiB in all", chunk + strings.Repeat("1;"+strings.Repeat("a", 127)+"\r\nx\r\n", 65),
		ErrChunkExtLength},
	{"data too long", chunk + "5\r\nhello!\r\n", ErrChunkData},
	{"data ends by LF", chunk + "5\r\nhello\n0\r\n\r\n", ErrChunkData},
	{"data ends by CR", chunk + "5\r\nhello\r0\r\n\r\n", ErrChunkData},
	{"data without end", chunk + "5\r\nhello0\r\n\r\n", ErrChunkData},
	{"last line ends by LF", chunk + "0\r\n\n", ErrBareLF},
	{"last line ends by CR", chunk + "0\r\n\rX", ErrBareCR},
	{"trailer with space before colon", chunk + "0\r\nA : b\r\n\r\n", ErrColonSpace},
	{"trailer without colon", chunk + "0\r\nA\r\n\r\n", ErrNoColon},
	{"trailer with empty name", chunk + "0\r\n: b\r\n\r\n", ErrFieldName},
	{"trailer folded", chunk + "0\r\nA: b\r\n c\r\n\r\n", ErrObsFold},
	{"trailer ends by LF", chunk + "0\r\nA: b\n\r\n", ErrBareLF},
	{"trailer with NUL", chunk + "0\r\nA: \x00\r\n\r\n", ErrFieldValue},
	{"length as trailer", chunk + "0\r\nContent-Length: 5\r\n\r\n", ErrTrailer},
	{"coding as trailer", chunk + "0\r\nTransfer-Encoding: chunked\r\n\r\n", ErrTrailer},
	{"Host as trailer", chunk + "0\r\nHost: b\r\n\r\n", ErrTrailer},
	{"33 trailers", chunk + "0\r\n" + strings.Repeat("A: b\r\n", 33) + "\r\n", ErrFieldCount},
	{"trailers over 8 KiB", chunk + "0\r\nA: " + strings.Repeat("b", 8<<10) + "\r\n\r\n",
		ErrTrailerLength},
}

func TestRequestRejects(t *testing.T) {
	seen := make(map[*ParseError]bool)
	for _, tc := range rejects {
		seen[tc.want] = true
		log := runAll(t, false, nil, tc.input)
		want := fmt.Sprintf("error %d %v: %v\n", tc.want.Status, tc.want.Kind, tc.want)
		if !strings.HasSuffix(log, want) {
			t.Errorf("%s: Parse(%.200q):\ngot  %swant %s", tc.desc, tc.input, log, want)
		}
	}
	for _, err := range []*ParseError{ErrFieldCount, ErrHeadLength, ErrURLLength} {
		seen[err] = true // TestLimits
	}
	if got, want := len(seen), 38; got < want {
		t.Errorf("the tables provoke %d different errors; want at least %d", got, want)
	}
}

// TestPipelineStopsAtError: what came before a bad request is seen, nothing after it is.
func TestPipelineStopsAtError(t *testing.T) {
	log := runAll(t, false, nil, get+"\r\n"+"GET / HTTP/1.1\r\nHost : a\r\n\r\n"+get+"\r\n")
	if strings.Count(log, "request [") != 1 || !strings.HasSuffix(log, ErrColonSpace.Error()+"\n") {
		t.Errorf("log:\n%s", log)
	}
}

func TestLimits(t *testing.T) {
	lim := &Limits{RequestLineBytes: 100, HeadBytes: 400, Fields: 5}
	line := func(n int) string { return "GET /" + strings.Repeat("a", n-14) + " HTTP/1.1\r\n" }
	head := func(n int) string {
		const rest = get + "A: \r\n\r\n"
		return get + "A: " + strings.Repeat("b", n-len(rest)) + "\r\n\r\n"
	}
	fields := func(n int) string { return get + strings.Repeat("A: b\r\n", n-1) + "\r\n" }
	for _, tc := range []struct {
		desc, input string
		want        *ParseError
	}{
		{"request line at the limit", line(100) + hostA + "\r\n", nil},
		{"request line over it", line(101) + hostA + "\r\n", ErrURLLength},
		{"request line at the limit, its end to come", line(100)[:101], nil},
		{"request line over it, its end to come", line(101)[:101], ErrURLLength},
		{"request line over it, wrong besides", "GET " + strings.Repeat("\x01", 100) + "\r\n", ErrURLLength},
		{"head at the limit", head(400), nil},
		{"head over it", head(401), ErrHeadLength},
		{"head at the limit, its end to come", head(401)[:399], nil},
		{"head over it, its end to come", head(500)[:400], ErrHeadLength},
		{"head over it, wrong besides", head(420)[:390] + "\x01\r\n\r\n" + strings.Repeat("x", 20),
			ErrFieldValue},
		{"head over it before it is wrong", head(420)[:400] + "\x01\r\n\r\n", ErrHeadLength},
		{"fields at the limit", fields(5), nil},
		{"fields over it", fields(6), ErrFieldCount},
		{"fields over it, the end to come", fields(6)[:len(fields(6))-2], ErrFieldCount},
	} {
		log := runAll(t, false, lim, tc.input)
		if tc.want == nil && strings.Contains(log, "error") ||
			tc.want != nil && !strings.HasSuffix(log, tc.want.Error()+"\n") {
			t.Errorf("%s: got %swant %v", tc.desc, log, tc.want)
		}
	}
	// The defaults are those of the documentation.
	var r Request
	for _, tc := range []struct {
		input string
		want  error
	}{
		{line(8<<10) + hostA + "\r\n", nil}, {line(8<<10+1) + hostA + "\r\n", ErrURLLength},
		{head(32 << 10), nil}, {head(32<<10 + 1), ErrHeadLength},
		{fields(100), nil}, {fields(101), ErrFieldCount},
	} {
		if n, err := r.Parse([]byte(tc.input), 0, nil); !errors.Is(err, tc.want) ||
			err == nil && n != len(tc.input) {
			t.Errorf("Parse(%d bytes) = %d, %v; want %v", len(tc.input), n, err, tc.want)
		}
	}
}

func TestResponseLimits(t *testing.T) {
	lim := &Limits{RequestLineBytes: 40, HeadBytes: 100, Fields: 2}
	const start = "HTTP/1.1 200 OK\r\n"
	status := func(n int) string { return "HTTP/1.1 200 " + strings.Repeat("x", n-13) + "\r\n" }
	for _, tc := range []struct {
		desc, input string
		want        *ParseError
	}{
		{"status line at the limit", status(40) + "\r\n", nil},
		{"status line over it", status(41) + "\r\n", ErrStatusLine},
		{"status line over it, its end to come", status(60)[:50], ErrStatusLine},
		{"head at the limit", start + "A: " + strings.Repeat("b", 76) + "\r\n\r\n", nil},
		{"head over it", start + "A: " + strings.Repeat("b", 77) + "\r\n\r\n", ErrHeadLength},
		{"fields at the limit", start + "A: b\r\nA: b\r\n\r\n", nil},
		{"fields over it", start + "A: b\r\nA: b\r\nA: b\r\n\r\n", ErrFieldCount},
	} {
		log := runAll(t, true, lim, tc.input)
		if tc.want == nil && strings.Contains(log, "error") ||
			tc.want != nil && !strings.HasSuffix(log, responseError(tc.want).Error()+"\n") {
			t.Errorf("%s: got %swant %v", tc.desc, log, tc.want)
		}
	}
}

func TestWithin(t *testing.T) {
	var r Request
	b := []byte("GET /abcd HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n")
	if _, err := r.Parse(b, 0, nil); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		lim  Limits
		want error
	}{
		{Limits{}, nil},
		{Limits{RequestLineBytes: 18, HeadBytes: len(b), Fields: 2}, nil},
		{Limits{RequestLineBytes: 17}, ErrURLLength},
		{Limits{HeadBytes: len(b) - 1}, ErrHeadLength},
		{Limits{Fields: 1}, ErrFieldCount},
	} {
		if err := r.Within(&tc.lim); !errors.Is(err, tc.want) {
			t.Errorf("Within(%+v) = %v; want %v", tc.lim, err, tc.want)
		}
	}
}

func TestErrors(t *testing.T) {
	wrapped := fmt.Errorf("server: %w", ErrVersion)
	if StatusOf(wrapped) != 505 || KindOf(wrapped) != KindVersion {
		t.Errorf("StatusOf, KindOf = %d, %v", StatusOf(wrapped), KindOf(wrapped))
	}
	if StatusOf(errors.New("x")) != 400 || KindOf(errors.New("x")) != KindBadRequest {
		t.Error("an unknown error is a bad request")
	}
	for k := range kindCount {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
}
