package dispatch

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"weir/pipeline"
	"weir/protocol/frame"
)

// spoolOf is a spool in a directory of its own.
func spoolOf(t *testing.T, memory, disk int64) *Spool {
	t.Helper()
	dir := t.TempDir()
	sp := NewSpool(SpoolOptions{Dir: dir, Memory: memory, Disk: disk, Failed: func(err error) {
		t.Errorf("spool: %v", err)
	}})
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in the directory: %v, %v", left, err)
		}
	})
	return sp
}

// wantEmpty waits until the spool has given everything back.
func (f *front) wantEmpty(sp *Spool) {
	f.t.Helper()
	f.audit()
	f.eventually("nothing is in the spool", func() bool { return sp.Snapshot() == SpoolStatus{} })
}

// echoing adds a worker of each mode in turn that says how it got the body, and the body.
func echoing(t *testing.T, o Options, slots int, test func(t *testing.T, f *front)) {
	o.Buffer = true
	t.Run("http", func(t *testing.T) {
		f := startFront(t, 1, o)
		f.add(1, startWorker(t, func(c *workerConn) {
			for {
				r, body, ok := c.drainRequest()
				if !ok {
					return
				}
				c.respond(echoed(r.Method, r.ContentLength, r.Header.Get("Expect")+r.Trailer.Get("Sum"), body))
			}
		}), slots)
		test(t, f)
		f.wantEmpty(o.Spool)
	})
	t.Run("mux", func(t *testing.T) {
		f := startFront(t, 1, o)
		f.addMux(1, startMuxWorker(t, muxEcho), slots)
		test(t, f)
		f.wantEmpty(o.Spool)
	})
}

// echoed is how a worker says what it got.
func echoed(method string, length int64, sum, body string) string {
	return fmt.Sprintf("%s %d %s %08x", method, length, sum, crc32.ChecksumIEEE([]byte(body)))
}

func TestSpool(t *testing.T) {
	big := longText + "end"
	for _, tt := range []struct {
		desc   string
		memory int64
	}{{"in memory", 2 << 20}, {"in a file", 1000}, {"in a file from the first byte", 0}} {
		t.Run(tt.desc, func(t *testing.T) {
			sp := spoolOf(t, tt.memory, 8<<20)
			echoing(t, Options{Spool: sp}, 1, func(t *testing.T, f *front) {
				for _, body := range []string{"", "x", "some more", big[:70000], big} {
					c := f.dial()
					go fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
					want := echoed("POST", int64(len(body)), "", body)
					c.want(fmt.Sprintf("%d bytes", len(body)), 200, want)
					go fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n",
						chunked(body))
					c.want(fmt.Sprintf("%d bytes in chunks", len(body)), 200,
						echoed("PUT", int64(len(body)), "", body))
					go fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n"+
						"%s0\r\nSum: 42\r\n\r\n", chunked(body))
					c.want(fmt.Sprintf("%d bytes and a trailer", len(body)), 200,
						echoed("PUT", -1, "42", body))
				}
			})
		})
	}
}

// chunked is body as chunks, without the last one.
func chunked(body string) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(len(body), 10000)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}

// Uploads that take their time hold no worker: one slot, fifty of them, and another request.
func TestSlowUploadsHoldNoWorker(t *testing.T) {
	sp := spoolOf(t, 1000, 64<<20)
	echoing(t, Options{Spool: sp}, 1, func(t *testing.T, f *front) {
		const uploads, size = 50, 100000
		var slow []*client
		for range uploads {
			c := f.dial()
			c.write(fmt.Sprintf("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
			c.write(longText[:size/2])
			slow = append(slow, c)
		}
		f.eventually("half of each body is in the spool", func() bool { return sp.Snapshot().Disk == uploads*size/2 })
		f.dial().get("/fast").want("a request meanwhile", 200, "")
		if n := f.Snapshot().Workers[0].Completed; n != 1 {
			t.Errorf("%d requests completed; want the one that is whole", n)
		}
		for i, c := range slow {
			if i%2 == 1 {
				c.Close() // gives everything back
				continue
			}
			c.write(longText[size/2 : size])
			c.want("the upload", 200, echoed("POST", size, "", longText[:size]))
		}
	})
}

func TestSpoolContinue(t *testing.T) {
	sp := spoolOf(t, 1000, 1<<20)
	echoing(t, Options{Spool: sp}, 1, func(t *testing.T, f *front) {
		c := f.dial()
		c.write("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
		c.want("before the body", 100, "")
		if n := f.Snapshot().Workers[0].InFlight; n != 0 {
			t.Errorf("%d requests at the worker before the body; want 0", n)
		}
		c.write("body").want("after it", 200, echoed("POST", 4, "", "body"))
	})
}

// What the disk has no room for is refused: before the first byte where its length is known.
func TestSpoolFull(t *testing.T) {
	sp := spoolOf(t, 1000, 100000)
	echoing(t, Options{Spool: sp}, 1, func(t *testing.T, f *front) {
		c := f.dial()
		c.write("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n")
		r := c.wantReason("too long for the disk", 503, pipeline.SpoolFull)
		if r.Header.Get("Retry-After") == "" {
			t.Error("without Retry-After")
		}
		c = f.dial()
		go io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+chunked(longText))
		c.wantReason("chunks that get too long", 503, pipeline.SpoolFull)
		f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi").want("small", 200, echoed("POST", 2, "", "hi"))
	})
}

func TestSpoolFailed(t *testing.T) {
	failed := make(chan error, 4)
	sp := NewSpool(SpoolOptions{Dir: "/nonexistent", Disk: 1 << 20, Failed: func(err error) { failed <- err }})
	f := startFront(t, 1, Options{Spool: sp, Buffer: true})
	f.add(1, startWorker(t, serveHello), 1)
	f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi").
		wantReason("no directory", 500, pipeline.SpoolFailed)
	if err := <-failed; !os.IsNotExist(err) {
		t.Errorf("told of %v; want that there is no directory", err)
	}
	f.wantEmpty(sp)
}

// A body that is held whole may be sent twice, from a file, too.
func TestSpoolReplay(t *testing.T) {
	sp := spoolOf(t, 1000, 8<<20)
	f := startFront(t, 1, Options{Spool: sp, Buffer: true})
	dying := startWorker(t, func(c *workerConn) { c.drainRequest() })
	f.add(1, dying, 1)
	c := f.dial()
	go fmt.Fprintf(c, "PUT /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(longText), longText)
	f.eventually("the first worker has had it", func() bool { return f.Snapshot().Replays > 0 })
	f.add(2, startWorker(t, serveHello), 1)
	f.RemoveWorker(1)
	c.want("from the second", 200, "PUT /p "+longText)
	f.wantEmpty(sp)
}

// A worker that answers without taking the body loses its connection, and the client nothing.
func TestSpoolEarlyAnswer(t *testing.T) {
	sp := spoolOf(t, 1000, 8<<20)
	f := startFront(t, 1, Options{Spool: sp, Buffer: true})
	f.add(1, startWorker(t, func(c *workerConn) {
		if c.request() != nil {
			c.write("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
			c.waitClosed()
		}
	}), 1)
	for range 2 {
		c := f.dial()
		go fmt.Fprintf(c, "PUT /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(longText), longText)
		c.want("early", 413, "no")
	}
	f.wantEmpty(sp)
}

// A small response frees its worker although the client does not read.
func TestSmallResponsesFreeTheWorker(t *testing.T) {
	f := startFront(t, 1, Options{})
	body := longText[:smallBodyMax]
	f.add(1, startWorker(t, func(c *workerConn) {
		for {
			r, _, ok := c.drainRequest()
			if !ok {
				return
			}
			if r.URL.Path == "/parts" {
				c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:100]))
				c.write(body[100:])
				continue
			}
			c.respond(body)
		}
	}), 1)
	deaf := f.dial()
	if err := deaf.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	const answers = 400 // more than its socket buffers and its queue hold
	for range answers {
		deaf.get("/parts")
	}
	last, others := uint32(0), uint32(0)
	f.eventually("no more answers fit in the deaf client's queue", func() bool {
		f.dial().get("/").want("another client", 200, body)
		others++
		s := f.Snapshot().Workers[0]
		stuck := s.InFlight == 0 && s.Completed == last+1 && last > 1
		last = s.Completed
		return stuck
	})
	if deaf := last - others; deaf >= answers {
		t.Errorf("%d answers completed; the client was to take too few", deaf)
	}
	deaf.want("the first, late", 200, body)
}

// muxEcho says how each request's body came, and the body; the front gets credit as it sends.
func muxEcho(p *muxPeer) {
	type echo struct {
		r    *http.Request
		n    int64
		body []byte
	}
	open := map[uint32]*echo{}
	finish := func(id uint32, sum string) {
		if e := open[id]; e != nil {
			p.answer(id, echoed(e.r.Method, e.n, e.r.Header.Get("Expect")+sum, string(e.body)))
		}
		delete(open, id)
	}
	for h, b, ok := p.next(); ok; h, b, ok = p.next() {
		sum := ""
		switch h.Kind {
		case frame.Request:
			head, text, _, err := frame.ParseRequest(b)
			r, httpErr := http.ReadRequest(bufio.NewReader(strings.NewReader(string(text))))
			if err != nil || httpErr != nil {
				p.t.Errorf("the front sent a bad head: %v, %v", err, httpErr)
				return
			}
			open[h.Stream] = &echo{r: r, n: int64(head.Length)}
		case frame.Data:
			if e := open[h.Stream]; e != nil && len(b) > 0 {
				e.body = append(e.body, b...)
				p.write(string(frame.AppendCredit(nil, h.Stream, uint32(len(b)))))
			}
		case frame.Trailers:
			text, _, _ := frame.ParseTrailers(b) // what is wrong shows in the sum
			_, sum, _ = strings.Cut(strings.TrimSpace(string(text)), ": ")
		case frame.Cancel:
			delete(open, h.Stream)
			continue
		}
		if h.End {
			finish(h.Stream, sum)
		}
	}
}
