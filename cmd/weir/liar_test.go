package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A liar is a worker that breaks the rules of HTTP in the way that the path names. What no client may
// ever see in place of its own answer contains smuggled.
const smuggled = "SMUGGLED"

// lie answers one request on a connection that it may treat as it likes. false: close it.
type lie func(c net.Conn, r *http.Request) bool

// wire is a lie of fixed bytes behind which the connection stays open.
func wire(b ...string) lie {
	return func(c net.Conn, r *http.Request) bool {
		_, err := io.WriteString(c, strings.Join(b, ""))
		return err == nil
	}
}

// wireThenClose is wire, and the connection ends.
func wireThenClose(b ...string) lie {
	return func(c net.Conn, r *http.Request) bool { wire(b...)(c, r); return false }
}

func whole(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// partingBody is more than all buffers on the way to a client hold.
var partingBody = strings.Repeat("0123456789abcdef", 1<<20)

const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// lies has a way to lie for every path.
var lies = map[string]lie{
	"/two":         wire(whole("right"), whole(smuggled)),
	"/long":        wire("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright", smuggled),
	"/head-body":   apart("HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n", whole(smuggled)),
	"/head-chunks": apart(chunkedHead, "2e\r\n"+whole(smuggled)+"\r\n0\r\n\r\n"),
	"/204-body":    apart("HTTP/1.1 204 No Content\r\nContent-Length: 46\r\n\r\n", whole(smuggled)),
	"/304-body":    apart("HTTP/1.1 304 Not Modified\r\nContent-Length: 46\r\n\r\n", whole(smuggled)),
	"/short":       wireThenClose("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc"),
	"/short-small": wireThenClose("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
	"/cl-te": wire("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"0\r\n\r\n", whole(smuggled)),
	"/gzip-chunked": wire("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
	"/chunk-size":   wire(chunkedHead, "g\r\nabc\r\n0\r\n\r\n"),
	"/chunk-end":    wire(chunkedHead, "3\r\nabcX\r\n0\r\n\r\n"),
	"/chunk-lf":     wire(chunkedHead, "3\nabc\n0\n\n"),
	"/chunk-huge":   wire(chunkedHead, "fffffffffffffffff\r\nabc"),
	"/lf":           wire("HTTP/1.1 200 OK\nContent-Length: 5\n\nright"),
	"/fold":         wire("HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 5\r\n\r\nright"),
	"/space":        wire("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nright"),
	"/nul":          wire("HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 5\r\n\r\nright"),
	"/cr":           wire("HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 5\r\n\r\nright"),
	"/101":          wire("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", smuggled),
	"/099":          wire("HTTP/1.1 099 What\r\n\r\n", whole("right")),
	"/http2":        wire("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nright"),
	"/no-http":      wire("hello\r\n\r\n"),
	"/103-length":   wire("HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\nright", whole(smuggled)),
	"/hints": wire("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"+
		"Connection: X-Mine\r\nX-Mine: 1\r\n\r\n", whole("right")),
	"/huge-head":   flood("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("a", 1000)+"\r\n"),
	"/many-fields": wire("HTTP/1.1 200 OK\r\n", strings.Repeat("A: b\r\n", 300), "\r\n"),
	"/flood":       flood("", "HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 4000)+"\r\n\r\n"),
	"/flood-100":   flood("", "HTTP/1.1 100 Continue\r\n\r\n"),
	"/trailers": wire(chunkedHead, "5\r\nright\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\n"+
		"X-Weir-Reason: Lie\r\n\r\n"),
	"/trailer-length": wire(chunkedHead, "5\r\nright\r\n0\r\nContent-Length: 7\r\n\r\n"),
	"/hop": wire("HTTP/1.1 200 OK\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n"+
		"Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nX-Weir-Reason: Lie\r\nX-Kept: 2\r\n",
		"Content-Length: 5\r\n\r\nright"),
	"/until-close": wireThenClose("HTTP/1.1 200 OK\r\n\r\n", partingBody),
	"/length-close": wireThenClose("HTTP/1.1 200 OK\r\nContent-Length: "+
		strconv.Itoa(len(partingBody))+"\r\n\r\n", partingBody),
	"/chunked-close": wireThenClose(chunkedHead, fmt.Sprintf("%x\r\n", len(partingBody)), partingBody,
		"\r\n0\r\n\r\n"),
	"/early":       wire(whole("early")),
	"/early-close": wireThenClose("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nearly"),
	"/early-more": func(c net.Conn, r *http.Request) bool { // goes on reading, and then says more
		wire(whole("early"))(c, r)
		_, _ = io.Copy(io.Discard, r.Body) // the front closes
		return wire(whole(smuggled))(c, r)
	},
	"/deaf": func(c net.Conn, r *http.Request) bool { // neither reads nor answers
		select {}
	},
	"/wait": func(c net.Conn, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body) // the front closes
		held.Add(1)
		defer held.Add(-1)
		_, _ = c.Read(make([]byte, 1)) // until the front leaves
		return false
	},
	"/begin": func(c net.Conn, r *http.Request) bool {
		held.Add(1)
		defer held.Add(-1)
		wire(chunkedHead, "5\r\nbegun\r\n")(c, r)
		_, _ = c.Read(make([]byte, 1)) // until the front leaves
		return false
	},
	"/held": func(c net.Conn, r *http.Request) bool { return wire(whole(fmt.Sprint(held.Load())))(c, r) },
}

// apart sends its pieces with a pause between them, long enough for the first to be taken alone.
func apart(pieces ...string) lie {
	return func(c net.Conn, r *http.Request) bool {
		for i, p := range pieces {
			if i > 0 {
				<-time.After(2 * time.Millisecond)
			}
			if _, err := io.WriteString(c, p); err != nil {
				return false
			}
		}
		return true
	}
}

// flood sends first, then again and again more, until the front leaves.
func flood(first, more string) lie {
	more = strings.Repeat(more, 1+(16<<10)/len(more))
	return func(c net.Conn, r *http.Request) bool {
		for _, err := io.WriteString(c, first); err == nil; {
			_, err = io.WriteString(c, more)
		}
		return false
	}
}

// serveLies serves connections of which each lies as it is asked to; any other path is answered with
// its own target and the request's body.
func serveLies(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close() //nolint:errcheck // the lie is told
			for in := bufio.NewReader(c); ; {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				tell, ok := lies[r.URL.Path]
				if !ok {
					b, _ := io.ReadAll(r.Body) // a cut one shows in the answer
					tell = wire(whole(r.RequestURI + " " + string(b)))
				}
				if !tell(c, r) {
					return
				}
			}
		}()
	}
}

// serveOne is a program that knows no concurrency: one connection after the other, kept alive for as
// long as the front likes. It says how many requests it has read before the last was answered.
func serveOne(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			b, _ := io.ReadAll(r.Body) // a cut one shows in the answer
			if in.Buffered() > 0 {
				b = []byte("pipelined")
			}
			if _, err := io.WriteString(c, whole(r.RequestURI+" "+string(b))); err != nil {
				break
			}
		}
		_ = c.Close() // its client has closed it
	}
}
