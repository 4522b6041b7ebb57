package dispatch

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/pipeline"
)

// TestFastCGIAnswers: what a program says, what its client gets, and whether the connection is kept.
func TestFastCGIAnswers(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4<<10) // 64 KiB
	for _, tt := range []struct {
		desc   string
		method string
		says   string
		status int // 0: the connection ends without a whole answer
		body   string
		field  string // of the answer: Name: value
		kept   bool
	}{
		{"plain", "GET", fcgiAnswer("Content-Type: text/x\r\n\r\n", "hello"), 200, "hello", "Content-Type: text/x", true},
		{"its length, as all came at once", "GET", fcgiAnswer("A: b\n\n", "hello"), 200, "hello", "Content-Length: 5", true},
		{"LF alone", "GET", fcgiAnswer("Status: 404 Not Found\nA: b\n\n", "no"), 404, "no", "A: b", true},
		{"location", "GET", fcgiAnswer("Location: /there\n\n", ""), 302, "", "Location: /there", true},
		{"own length", "GET", fcgiAnswer("Content-Length: 5\r\n\r\n", "hello"), 200, "hello", "Content-Length: 5", true},
		{"padding and stderr between", "GET", stderr("warn") + stdout("A: b\r") + stderr("\n") + stdout("\n\r") +
			stdout("\nhel") + stdout("lo") + endRequest(0, 0), 200, "hello", "A: b", true},
		{"in parts, of no length", "GET", stdout("A: b\n\nhel") + stdout("lo") + stdout("") + endRequest(0, 0), 200, "hello",
			"Content-Length: 5", true},
		{"exit status", "GET", stdout("A: b\n\nhello") + endRequest(3, 0), 200, "hello", "", true},
		{"of no consequence", "GET", fcgiAnswer("Connection: close\nTransfer-Encoding: chunked\nUpgrade: x\n\n", "hello"),
			200, "hello", "Transfer-Encoding: ", true},
		{"HEAD", "HEAD", fcgiAnswer("Content-Length: 5\n\n", "hello"), 200, "", "Content-Length: 5", true},
		{"204", "GET", fcgiAnswer("Status: 204\n\n", ""), 204, "", "", true},
		{"304 with a body", "GET", fcgiAnswer("Status: 304\n\n", "hello"), 304, "", "", true},
		{"longer than one record", "GET", stdout("A: b\n\n"+long[:65000]) + stdout(long[:60000]) + endRequest(0, 0),
			200, long[:65000] + long[:60000], "", true},
		{"a large head in pieces", "GET", stdout("A: "+long[:20000]) + stdout(long[:20000]+"\n\nhello") +
			endRequest(0, 0), 200, "hello", "A: " + long[:20000] + long[:20000], true},
		{"more than it promised", "GET", fcgiAnswer("Content-Length: 2\n\n", "hello"), 200, "he", "", false},
		{"bytes behind the end", "GET", fcgiAnswer("A: b\n\n", "hello") + "x", 200, "hello", "", false},
		{"whole by its length, then gone", "GET", stdout("Content-Length: 5\n\nhello") + "close", 200, "hello", "", false},
		{"less than it promised", "GET", fcgiAnswer("Content-Length: 9\n\n", "hello"), 502, "", "", false},
		{"cut", "GET", stdout("A: b\n\nhello") + "close", 502, "", "", false},
		{"cut, of no length", "GET", stdout("A: b\n\n"+long[:60000]) + "close", 0, "", "", false},
		{"cut, long", "GET", stdout("Content-Length: 90000\n\n"+long[:60000]) + "close", 0, "", "", false},
		{"no head", "GET", stdout("") + endRequest(255, 0), 502, "", "", false},
		{"half a head", "GET", stdout("A: b\r\n") + endRequest(0, 0), 502, "", "", false},
		{"a head that is none", "GET", fcgiAnswer("HTTP/1.1 200 OK\r\n\r\n", ""), 502, "", "", false},
		{"two lengths", "GET", fcgiAnswer("Content-Length: 5\nContent-Length: 6\n\n", "hello"), 502, "", "", false},
		{"a split response", "GET", fcgiAnswer("A: b\rX: y\n\n", "hello"), 502, "", "", false},
		{"switching", "GET", fcgiAnswer("Status: 101\n\n", ""), 502, "", "", false},
		{"another role", "GET", endRequest(0, 3), 502, "", "", false},
		{"cannot multiplex", "GET", endRequest(0, 1), 502, "", "", false},
		{"no FastCGI", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502, "", "", false},
		{"a head without end", "GET", stdout(long[:60000]) + stdout(long[:60000]), 502, "", "", false},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{Protocol: FastCGI, ReplayMax: -1})
			w := startWorker(t, serveAsked(func(*asked) string { return tt.says }))
			if says, closes := strings.CutSuffix(tt.says, "close"); closes {
				w = startWorker(t, func(c *workerConn) {
					c.fcgiRequest()
					c.write(says)
				})
			}
			f.addSpeaking(1, FastCGI, w, 1)
			c := f.dial()
			c.write(tt.method + " / HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(c.r, &http.Request{Method: tt.method})
			if tt.status == 0 {
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				if err == nil {
					t.Fatal("a cut answer was whole")
				}
				f.audit()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tt.status || tt.status != 502 && string(body) != tt.body {
				t.Fatalf("%d %.80q, %v; want %d %.80q", resp.StatusCode, body, err, tt.status, tt.body)
			}
			if name, value, _ := strings.Cut(tt.field, ": "); resp.Header.Get(name) != value {
				t.Errorf("%s: %.80q; want %.80q", name, resp.Header.Get(name), value)
			}
			f.audit()
			if kept := w.open.Load() == 1; tt.kept != kept && (tt.kept || !eventuallyClosed(f, w)) {
				t.Errorf("connection kept: %t; want %t", kept, tt.kept)
			}
		})
	}
}

// eventuallyClosed waits for the worker to see its connection closed.
func eventuallyClosed(f *front, w *testWorker) bool {
	f.eventually("the connection is closed", func() bool { return w.open.Load() == 0 })
	return true
}

// TestFastCGIKeep: requests of several clients go over one connection.
func TestFastCGIKeep(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	w := startWorker(t, serveAsked(func(a *asked) string {
		return fcgiAnswer("A: b\n\n", a.vars["REQUEST_METHOD"]+a.vars["REQUEST_URI"]+a.body)
	}))
	f.addSpeaking(1, FastCGI, w, 4)
	for i := range 3 {
		c := f.dial()
		c.get("/x").want("a GET", 200, "GET/x")
		c.write("POST /y HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody").want("a POST", 200, "POST/ybody")
		if n := w.total.Load(); n != 1 {
			t.Errorf("round %d: %d connections; want 1", i, n)
		}
	}
	f.audit()
}

// TestFastCGIReports: STDERR is told of, in order; it is no answer.
func TestFastCGIReports(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(*asked) string {
		return stderr("PHP Warning: x\n") + stderr(longText[:reportMax+1]) + endRequest(255, 0)
	})), 1)
	f.dial().get("/").wantReason("an error and nothing else", 502, pipeline.WorkerProtocol)
	for _, want := range []string{"1: PHP Warning: x\n", "1: " + longText[:reportMax], "1: 0"} {
		if got := <-f.told.reported; got != want {
			t.Errorf("told %.80q; want %.80q", got, want)
		}
	}
}

// TestFastCGIOverloaded: a program that takes no request is passed by; when all are, that is 503.
func TestFastCGIOverloaded(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI, Circuit: Circuit{Failures: -1}})
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(*asked) string { return endRequest(0, 2) })), 1)
	f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody").
		wantReason("nobody else", 503, pipeline.WorkerRefused)
	f.addSpeaking(2, FastCGI, startWorker(t, serveAsked(func(a *asked) string {
		return fcgiAnswer("A: b\n\n", a.body)
	})), 1)
	for range 4 {
		f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody").want("another one", 200, "body")
	}
	f.audit()
}

// TestFastCGIOverloadedLate: a program that has begun to answer has taken the request, whatever it says.
func TestFastCGIOverloadedLate(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI, Circuit: Circuit{Failures: -1}})
	var asks atomic.Int32
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(*asked) string {
		asks.Add(1)
		return stdout("A: b\n") + endRequest(0, 2)
	})), 1)
	f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody").
		wantReason("a part of a head", 502, pipeline.WorkerProtocol)
	if n := asks.Load(); n != 1 {
		t.Errorf("it was asked %d times; want once", n)
	}
	f.audit()
}

// TestFastCGIDies: a request that a dead worker had is sent again where that is safe; a small answer is
// held until it is whole.
func TestFastCGIDies(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	var died atomic.Int32
	f.addSpeaking(1, FastCGI, startWorker(t, serveAsked(func(a *asked) string {
		if died.Add(1) == 1 {
			return ""
		}
		return fcgiAnswer("A: b\n\n", "second try")
	})), 1)
	f.dial().get("/").want("a GET", 200, "second try")
	died.Store(0)
	f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody").
		wantReason("a POST", 502, pipeline.AbandonedByWorker)
	f.audit()
}

// TestFastCGIEarly: a program that answers without taking the body loses its connection, and the client
// nothing.
func TestFastCGIEarly(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	w := startWorker(t, func(c *workerConn) {
		if _, err := c.r.Peek(16); err == nil {
			c.write(fcgiAnswer("Status: 413\n\n", "no"))
			c.waitClosed()
		}
	})
	f.addSpeaking(1, FastCGI, w, 1)
	for range 2 {
		c := f.dial()
		go fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(longText), longText)
		c.want("early", 413, "no")
	}
	f.audit()
}

// TestFastCGIHeld: half of a small answer comes, and goes out when it is late.
func TestFastCGIHeld(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	first, goOn := make(chan bool), make(chan bool)
	f.addSpeaking(1, FastCGI, startWorker(t, func(c *workerConn) {
		c.fcgiRequest()
		c.write(stdout("Content-Length: 10\n\nhello"))
		close(first)
		<-goOn
		c.write(stdout("world") + endRequest(0, 0))
		c.waitClosed()
	}), 1)
	c := f.dial().get("/")
	<-first
	resp, err := http.ReadResponse(c.r, nil) // comes although half of the body does not
	if err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if body, err := io.ReadAll(resp.Body); string(body) != "helloworld" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	f.audit()
}

// TestFastCGIDisconnect: a program whose client has gone sees its connection closed.
func TestFastCGIDisconnect(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	began := make(chan bool, 1)
	w := startWorker(t, func(c *workerConn) {
		c.fcgiRequest()
		c.write(stdout("A: b\n\nhello"))
		began <- true
		c.waitClosed()
	})
	f.addSpeaking(1, FastCGI, w, 1)
	c := f.dial().get("/")
	<-began
	c.Close()
	eventuallyClosed(f, w)
	f.audit()
}

// TestFastCGIStandard: the standard library's responder behind us: bodies both ways, streams, a client
// that takes its time.
func TestFastCGIStandard(t *testing.T) {
	sp := spoolOf(t, 1000, 8<<20)
	f := startFront(t, 1, Options{Protocol: FastCGI, Spool: sp})
	ln := listenUnix(t)
	gate := make(chan bool)
	go func() {
		_ = fcgi.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/echo":
				body, err := io.ReadAll(r.Body)
				fmt.Fprint(w, echoed(r.Method, r.ContentLength, fmt.Sprint(err), string(body)))
			case "/big":
				for range 8 {
					_, _ = io.WriteString(w, longText) // the front is gone: nobody to tell
				}
			case "/stream":
				_, _ = io.WriteString(w, "first")
				w.(http.Flusher).Flush()
				<-gate
				_, _ = io.WriteString(w, "second")
			}
		})) // ends with the listener
	}()
	t.Cleanup(func() { ln.Close() })
	if err := f.AddWorker(1, Endpoint{
		Network: "unix", Address: ln.Addr().String(), Concurrency: 4, Protocol: FastCGI,
	}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "hello", longText[:100_000], longText} {
		c := f.dial()
		go fmt.Fprintf(c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		c.want(fmt.Sprintf("%d bytes", len(body)), 200, echoed("POST", int64(len(body)), "<nil>", body))
		go fmt.Fprintf(c, "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", chunked(body))
		c.want(fmt.Sprintf("%d bytes in chunks", len(body)), 200, echoed("PUT", int64(len(body)), "<nil>", body))
	}
	start := time.Now()
	f.dial().write("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").
		want("100", 100, "")
	if d := time.Since(start); d > continueWait {
		t.Errorf("100 after %v: it waited for a program that says none", d)
	}
	c := f.dial().get("/big")
	if _, body := c.response("GET"); body != strings.Repeat(longText, 8) {
		t.Errorf("%d bytes; want %d", len(body), 8*len(longText))
	}
	resp, err := http.ReadResponse(c.get("/stream").r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b := make([]byte, 5); true {
		if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "first" {
			t.Errorf("%q, %v; want what was flushed", b, err)
		}
	}
	close(gate)
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "second" {
		t.Errorf("%q, %v; want the rest", b, err)
	}
	f.eventually("the upload that never came is gone", func() bool { return sp.Snapshot() == SpoolStatus{} })
}

// TestFastCGIChoked: a long answer and its end come at once, before the client's queue has room again; the
// connection serves the next request all the same.
func TestFastCGIChoked(t *testing.T) {
	f := startFront(t, 1, Options{Protocol: FastCGI})
	asked, blocked, wrote := make(chan bool), make(chan bool), make(chan bool)
	big := longText[:60000]
	w := startWorker(t, func(c *workerConn) {
		c.fcgiRequest()
		close(asked)
		<-blocked
		c.write(stdout("A: b\n\n"+big) + stdout(big) + stdout(big) + endRequest(0, 0))
		close(wrote)
		c.fcgiRequest()
		c.write(fcgiAnswer("A: b\n\n", "small"))
		c.waitClosed()
	})
	f.addSpeaking(1, FastCGI, w, 1)
	c := f.dial()
	if err := c.SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	c.get("/")
	<-asked
	c.shrink(16 << 10)
	f.loops[0].Post(func() { // all of it is there when it is looked at
		close(blocked)
		<-wrote
	})
	c.want("the long answer", 200, big+big+big)
	c.get("/").want("the next", 200, "small")
	if n := w.total.Load(); n != 1 {
		t.Errorf("%d connections; want 1", n)
	}
	f.audit()
}

// shrink makes the send buffer of the front's end of c small; both ends are in this process.
func (c *client) shrink(bytes int) {
	c.t.Helper()
	want := c.LocalAddr().(*net.TCPAddr).Port
	for fd := range 1024 {
		if a, err := unix.Getpeername(fd); err == nil {
			if tcp, ok := a.(*unix.SockaddrInet4); ok && tcp.Port == want {
				if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes); err != nil {
					c.t.Fatal(err)
				}
				return
			}
		}
	}
	c.t.Fatal("the front's end of the connection is not to be seen")
}

// TestFastCGISpoolReplay: a body in a file goes to another worker from its start.
func TestFastCGISpoolReplay(t *testing.T) {
	sp := spoolOf(t, 1000, 8<<20)
	f := startFront(t, 1, Options{Protocol: FastCGI, Spool: sp, Buffer: true})
	f.addSpeaking(1, FastCGI, startWorker(t, func(c *workerConn) { c.fcgiRequest() }), 1)
	c := f.dial()
	go fmt.Fprintf(c, "PUT /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(longText), longText)
	f.eventually("the first worker has had it", func() bool { return f.Snapshot().Replays > 0 })
	f.addSpeaking(2, FastCGI, startWorker(t, serveAsked(func(a *asked) string {
		return fcgiAnswer("A: b\n\n", echoed("PUT", int64(len(a.body)), a.vars["CONTENT_LENGTH"], a.body))
	})), 1)
	f.RemoveWorker(1)
	c.want("from the second", 200, echoed("PUT", int64(len(longText)), fmt.Sprint(len(longText)), longText))
	f.wantEmpty(sp)
}

// FuzzFastCGIConn: whatever a program answers, its client gets one answer or a reset, the next request is
// served by its own answer, and every slot comes back.
func FuzzFastCGIConn(f *testing.F) {
	for _, s := range []string{
		fcgiAnswer("Status: 200\n\n", "ok"), fcgiAnswer("Content-Length: 9\n\n", "ok"), endRequest(0, 2),
		fcgiAnswer("A: b\n\n", "ok") + fcgiAnswer("A: b\n\n", "another"), stderr("x") + stdout("Location: /\n\n"),
		"HTTP/1.1 200 OK\r\n\r\n", stdout("Content-Length: 2\n\nok"), stdout("A: b\n") + endRequest(1, 0),
	} {
		f.Add([]byte(s))
	}
	fr := startFront(f, 1, Options{
		Protocol: FastCGI, ReplayRate: -1, ReplayShare: -1, QueueTimeout: 5 * time.Second, Circuit: Circuit{Failures: -1},
	})
	var lie atomic.Pointer[[]byte]
	fr.addSpeaking(1, FastCGI, startWorker(f, func(c *workerConn) {
		for c.fcgiRequest() != nil {
			if b := lie.Swap(nil); b != nil {
				c.write(string(*b))
				return // closes
			}
			c.write(fcgiAnswer("A: b\n\n", "honest"))
		}
	}), 4)
	f.Fuzz(func(t *testing.T, b []byte) {
		lie.Store(&b)
		ask := func(what string) (int, string, error) {
			c, err := fr.connect()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, what); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				return 0, "", err
			}
			got, err := io.ReadAll(resp.Body)
			return resp.StatusCode, string(got), err
		}
		_, _, _ = ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		// A request that was not begun was sent again, and has taken the honest answer.
		lie.Store(nil)
		status, got, err := ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if err != nil || status == 200 && got != "honest" {
			t.Fatalf("after %q: %d %q, %v", b, status, got, err)
		}
		own := *fr // a helper of F may not be called here
		own.t = t
		own.audit()
	})
}
