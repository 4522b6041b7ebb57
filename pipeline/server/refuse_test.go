package server

import (
	"strings"
	"testing"

	"weir/pipeline"
)

// TestRefusedAfterOther sends heads that are refused, each behind a good one of another client.
// Answer and log must be of the refused head: the exchange is reused, and its old bytes are the
// other's.
func TestRefusedAfterOther(t *testing.T) {
	long := "/" + strings.Repeat("a", 400)
	for _, tc := range []struct{ desc, bad, method, log string }{
		{"no request line", "\x16\x03\x01\x02\x00\x01", "GET", `"- - HTTP/1.0" 400`},
		{"line longer than the other head", "GET " + long + " HTTP/1.1\r\nA B: c\r\n\r\n", "GET",
			`"GET ` + long + ` HTTP/1.1" 400`},
		{"HEAD has no body", "HEAD /x HTTP/1.1\r\nA B: c\r\n\r\n", "HEAD",
			`"HEAD /x HTTP/1.1" 400`},
		{"framing", "POST /y HTTP/1.1\r\nHost: x\r\nUser-Agent: mine\r\nContent-Length: 1\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n", "POST", `"POST /y HTTP/1.1" 400`},
	} {
		out := make(chanWriter, 2)
		log := NewAccessLog(out, LogCombined)
		t.Cleanup(log.Close) // after the loops have ended: cleanups run last to first
		ts := startServer(t, 1, Options{AccessLog: log}, hello)
		other := ts.dial()
		other.write("HEAD /o HTTP/1.1\r\nHost: x\r\nUser-Agent: theirs\r\n\r\n")
		other.response("HEAD")
		c := ts.dial().write(tc.bad)
		resp, body := c.response(tc.method)
		if resp.StatusCode != 400 || (body == "") != (tc.method == "HEAD") {
			t.Errorf("%s: got %d %q; want 400 with a body unless HEAD", tc.desc, resp.StatusCode,
				body)
		}
		c.wantEnd(tc.desc)
		// One batch, a quarter of a second after the first line.
		lines := strings.SplitAfter(<-out, "\n")
		if len(lines) != 3 || !strings.Contains(lines[1], tc.log) ||
			strings.Contains(lines[1], "theirs") {
			t.Errorf("%s: log %q; want %q in its second line", tc.desc, lines, tc.log)
		}
	}
}

// chanWriter passes on what is written, piece by piece.
type chanWriter chan string

func (w chanWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}

// TestNothingBehindABadHead: what came before is answered, then 400, then the end; what comes
// behind does not reach the handler, be it in the same segment or a later one.
func TestNothingBehindABadHead(t *testing.T) {
	for _, bad := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	} {
		served := make(chan string, 10)
		ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
			served <- c.Path()
			echoBody(c)
		})
		get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
		c := ts.dial().write(get("/1") + get("/2") + bad + get("/behind"))
		c.want("first", 200, "")
		c.want("second", 200, "")
		c.want("bad", 400, "")
		_, _ = c.Write([]byte(get("/later"))) // lingering: nothing is processed
		c.wantEnd("the end")
		ts.Connections() // a round through the loop
		close(served)
		for path := range served {
			if path == "/behind" || path == "/later" {
				t.Errorf("%s reached the handler behind %q", path, bad)
			}
		}
	}
}
