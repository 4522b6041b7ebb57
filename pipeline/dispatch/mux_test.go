package dispatch

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/pipeline"
	"weir/protocol/frame"
)

// muxPeer is a worker's end of a mux connection, spoken by hand.
type muxPeer struct {
	t testing.TB
	*workerConn
}

// startMuxWorker runs script on every connection; HELLO has been exchanged.
func startMuxWorker(t testing.TB, script func(p *muxPeer)) *testWorker {
	return startWorker(t, func(c *workerConn) {
		p := &muxPeer{t, c}
		c.write(string(frame.AppendHello(nil, 64)))
		if h, _, ok := p.next(); ok && h.Kind == frame.Hello {
			script(p)
		}
	})
}

func (f *front) addMux(n uint64, w *testWorker, concurrency int) {
	f.t.Helper()
	e := Endpoint{Network: "unix", Address: w.path, Concurrency: concurrency, Mux: true}
	if err := f.AddWorker(n, e); err != nil {
		f.t.Fatal(err)
	}
}

// next reads a frame; false at the end of the connection.
func (p *muxPeer) next() (frame.Header, []byte, bool) {
	var b [frame.HeaderSize]byte
	if _, err := io.ReadFull(p.r, b[:]); err != nil {
		return frame.Header{}, nil, false
	}
	h, _, err := frame.ParseHeader(b[:])
	if err != nil {
		p.t.Errorf("the front sent a bad header: %v", err)
		return h, nil, false
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(p.r, payload)
	return h, payload, err == nil
}

// muxRequest is a request as it came.
type muxRequest struct {
	id   uint32
	head frame.RequestHead
	http *http.Request
	end  bool
}

// request reads frames until a REQUEST, ignoring others; nil at the end.
func (p *muxPeer) request() *muxRequest {
	for {
		h, b, ok := p.next()
		if !ok {
			return nil
		}
		if h.Kind != frame.Request {
			continue
		}
		head, text, lines, err := frame.ParseRequest(b)
		if err != nil {
			p.t.Errorf("the front sent a bad head: %v", err)
			return nil
		}
		for {
			_, _, _, _, more, err := lines.Next()
			if err != nil {
				p.t.Errorf("outline and text of %q do not match: %v", text, err)
			}
			if !more || err != nil {
				break
			}
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(text))))
		if err != nil {
			p.t.Errorf("text %q: %v", text, err)
			return nil
		}
		return &muxRequest{h.Stream, head, r, h.End}
	}
}

func responseFrame(stream uint32, status int, length int64, end bool, fields ...string) []byte {
	b := frame.OpenResponse(nil)
	var lines []frame.Line
	for i := 0; i < len(fields); i += 2 {
		b = append(b, fields[i]+": "+fields[i+1]+"\r\n"...)
		lines = append(lines, frame.Line{Name: uint16(len(fields[i])), Value: uint32(len(fields[i+1]))})
	}
	b, err := frame.CloseResponse(b, 0, stream, end, &frame.ResponseHead{Status: status, Length: length}, lines)
	if err != nil {
		panic(err)
	}
	return b
}

func dataFrame(stream uint32, body string, end bool) []byte {
	return append(frame.AppendHeader(nil, frame.Data, end, stream, len(body)), body...)
}

func (p *muxPeer) answer(stream uint32, body string) {
	p.write(string(responseFrame(stream, 200, int64(len(body)), false)) + string(dataFrame(stream, body, true)))
}

// TestMuxHead: what a worker is told of a request, and what a client of the answer.
func TestMuxHead(t *testing.T) {
	f := startFront(t, 1, Options{})
	got := make(chan *muxRequest, 1)
	f.addMux(1, startMuxWorker(t, func(p *muxPeer) {
		for r := p.request(); r != nil; r = p.request() {
			got <- r
			p.write(string(responseFrame(r.id, 201, frame.LengthUnknown, false, "X-A", "b", "Connection", "close",
				"Content-Length", "99", "X-Weir-Reason", "fake", "Server", "mine")))
			p.write(string(dataFrame(r.id, "one ", false)))
			p.write(string(dataFrame(r.id, "two", true)))
		}
	}), 4)
	c := f.dial().write("GET /a/../b%20c?d HTTP/1.1\r\nHost: shop.example\r\nX-Own: 1\r\nTE: trailers\r\n" +
		"Connection: TE, X-Hop\r\nX-Hop: 2\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
	resp := c.want("answer", 201, "one two")
	r := <-got
	for name, want := range map[string]string{
		"X-Own": "1", "X-Hop": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example",
	} {
		if g := r.http.Header.Get(name); g != want {
			t.Errorf("%s: %q; want %q", name, g, want)
		}
	}
	if r.http.RequestURI != "/b%20c?d" || r.http.Host != "shop.example" || !r.end ||
		r.head.Flags != frame.FlagTrailers || r.head.Length != frame.LengthUnknown || r.head.Path != 6 {
		t.Errorf("request %s of %s: %+v, end %t", r.http.RequestURI, r.http.Host, r.head, r.end)
	}
	for name, want := range map[string]string{
		"X-A": "b", "X-Weir-Reason": "", "Server": "mine", "Content-Length": "",
	} {
		if g := resp.Header.Get(name); g != want {
			t.Errorf("answer: %s %q; want %q", name, g, want)
		}
	}
	f.audit()
}

// TestMuxMany: requests of many clients share one connection per loop, answers come in any order, and
// each gets its own; the slots bound them all.
func TestMuxMany(t *testing.T) {
	const slots, clients, each = 8, 32, 50
	f := startFront(t, 2, Options{})
	var inFlight, most atomic.Int32
	w := startMuxWorker(t, func(p *muxPeer) {
		var mu sync.Mutex
		for r := p.request(); r != nil; r = p.request() {
			n := inFlight.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			go func() { // out of order
				mu.Lock()
				defer mu.Unlock()
				inFlight.Add(-1)
				p.answer(r.id, r.http.URL.Path)
			}()
		}
	})
	f.addMux(1, w, slots)
	var wg sync.WaitGroup
	for i := range clients {
		c := f.dial()
		wg.Go(func() {
			for k := range each {
				path := fmt.Sprintf("/%d/%d", i, k)
				c.get(path)
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				if b, err := io.ReadAll(resp.Body); string(b) != path || err != nil {
					t.Errorf("answer %q, %v; want %q", b, err, path)
				}
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n > slots {
		t.Errorf("%d in flight; want at most %d", n, slots)
	}
	if n := w.total.Load(); n != 2 {
		t.Errorf("%d connections; want one per loop", n)
	}
	f.audit()
}

// TestMuxLies: what a worker may do wrong, what its client gets, and that the next request is served.
func TestMuxLies(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		method string
		lie    func(p *muxPeer, id uint32)
		status int    // 0: cut
		body   string // of a status
		closed bool   // the connection is not used any more
	}{
		{"garbage", "POST", func(p *muxPeer, _ uint32) { p.write("HTTP/1.1 200 OK\r\n\r\n") }, 502, "", true},
		{"unknown kind", "POST", func(p *muxPeer, _ uint32) { p.write("\x00\x00\x00\x63\x01\x00\x00\x00") }, 502, "", true},
		{"DATA without head", "POST", func(p *muxPeer, id uint32) { p.write(string(dataFrame(id, "x", true))) }, 502, "", false},
		{"two heads", "POST", func(p *muxPeer, id uint32) {
			p.write(string(responseFrame(id, 200, 1, false)) + string(responseFrame(id, 200, 1, false)))
		}, 0, "", true},
		{"more than promised", "POST", func(p *muxPeer, id uint32) {
			p.write(string(responseFrame(id, 200, 3, false)) + string(dataFrame(id, "four", true)))
		}, 0, "", false},
		{"less than promised", "POST", func(p *muxPeer, id uint32) {
			p.write(string(responseFrame(id, 200, 9, false)) + string(dataFrame(id, "four", true)))
		}, 0, "", false},
		{"status 101", "POST", func(p *muxPeer, id uint32) { p.write(string(responseFrame(id, 101, -1, false))) }, 502, "", false},
		{"interim with END", "POST", func(p *muxPeer, id uint32) { p.write(string(responseFrame(id, 103, -1, true))) }, 502, "", true},
		{"fields that split", "POST", func(p *muxPeer, id uint32) {
			p.write(string(responseFrame(id, 200, 0, true, "A", "b\nSet-Cookie: c")))
		}, 502, "", false},
		{"stream that is not open", "POST", func(p *muxPeer, id uint32) {
			p.write(string(responseFrame(id+100, 200, 0, true)))
			p.answer(id, "mine")
		}, 200, "mine", false},
		{"answered twice", "POST", func(p *muxPeer, id uint32) {
			p.answer(id, "once")
			p.answer(id, "twice")
		}, 200, "once", false},
		{"cancelled", "POST", func(p *muxPeer, id uint32) { p.write(string(frame.AppendCancel(nil, id, frame.Over))) }, 502, "", false},
		{"credit beyond all", "POST", func(p *muxPeer, id uint32) {
			for range 2 {
				p.write(string(frame.AppendCredit(nil, id, frame.WindowMax)))
			}
		}, 502, "", true},
		{"HELLO again", "POST", func(p *muxPeer, _ uint32) { p.write(string(frame.AppendHello(nil, 1))) }, 502, "", true},
		{"trailers that do not match", "POST", func(p *muxPeer, id uint32) {
			b := frame.AppendHeader(nil, frame.Trailers, true, id, 14)
			b = binary.LittleEndian.AppendUint32(append(b, 1, 0, 0, 0), 0)
			p.write(string(responseFrame(id, 200, -1, false)) + string(append(b, 1, 0, 1, 0, 0, 0)))
		}, 0, "", true},
		{"body behind HEAD", "HEAD", func(p *muxPeer, id uint32) { p.answer(id, "unasked") }, 200, "", false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: -1})
			w := startMuxWorker(t, func(p *muxPeer) {
				for r := p.request(); r != nil; r = p.request() {
					if r.http.URL.Path == "/lie" {
						tc.lie(p, r.id)
						continue
					}
					p.answer(r.id, "honest")
				}
			})
			f.addMux(1, w, 4)
			c := f.dial().write(tc.method + " /lie HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			resp, err := http.ReadResponse(c.r, &http.Request{Method: tc.method})
			var body []byte
			if err == nil {
				body, err = io.ReadAll(resp.Body)
			}
			switch {
			case tc.status == 0 && err == nil:
				t.Errorf("got a whole answer: %d %q", resp.StatusCode, body)
			case tc.status != 0 && (err != nil || resp.StatusCode != tc.status):
				t.Fatalf("got %+v, %v; want %d", resp, err, tc.status)
			case tc.status == 200 && string(body) != tc.body:
				t.Errorf("body %q; want %q", body, tc.body)
			}
			if told := len(f.told.failing) > 0; told != tc.closed {
				t.Errorf("told that it breaks the rules: %t; want %t", told, tc.closed)
			}
			f.dial().get("/").want("the next", 200, "honest")
			if n := w.total.Load(); (n > 1) != tc.closed {
				t.Errorf("%d connections; a new one: want %t", n, tc.closed)
			}
			f.audit()
		})
	}
}

// TestMuxNotBegun: requests that a worker refuses, or drains before, are sent to another whatever their
// method; those that it took are not.
func TestMuxNotBegun(t *testing.T) {
	for _, how := range []string{"refused", "drained", "drained and closed"} {
		t.Run(how, func(t *testing.T) {
			f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: -1})
			w := startMuxWorker(t, func(p *muxPeer) {
				r := p.request()
				if r == nil {
					return
				}
				switch how {
				case "refused":
					p.write(string(frame.AppendCancel(nil, r.id, frame.Refused)))
					p.waitClosed()
				default:
					p.write(string(frame.AppendDrain(nil, r.id-1)))
					if how == "drained" {
						p.waitClosed()
					}
				}
			})
			f.addMux(1, w, 4)
			c := f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
			f.eventually("taken by the first", func() bool { return w.total.Load() > 0 })
			f.addMux(2, startMuxWorker(t, func(p *muxPeer) {
				for r := p.request(); r != nil; r = p.request() {
					p.answer(r.id, "second")
				}
			}), 4)
			c.want("begun by nobody", 200, "second")
			f.RemoveWorker(1)
			f.audit()
		})
	}
}

// TestMuxUpload: a body waits for the worker's credit, is bounded meanwhile, and arrives whole.
func TestMuxUpload(t *testing.T) {
	const size = 4 << 20
	f := startFront(t, 1, Options{})
	got := make(chan int, 1)
	stalled := make(chan struct{})
	w := startMuxWorker(t, func(p *muxPeer) {
		r := p.request()
		n, given := 0, 0
		for {
			h, b, ok := p.next()
			if !ok {
				return
			}
			if h.Kind != frame.Data {
				continue
			}
			if strings.Trim(string(b), "u") != "" {
				t.Error("body bytes changed on the way")
			}
			if n += len(b); n > frame.Window+given+dataBytesMax {
				t.Errorf("%d bytes with credit for %d", n, frame.Window+given)
			}
			if h.End {
				break
			}
			if given == 0 && n >= frame.Window {
				<-stalled
			}
			for n >= frame.Window+given {
				given += 50_000
				p.write(string(frame.AppendCredit(nil, r.id, 50_000)))
			}
		}
		got <- n
		p.answer(r.id, "thanks")
	})
	f.addMux(1, w, 4)
	c := f.dial().write(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	sent := make(chan struct{})
	go func() {
		c.write(strings.Repeat("u", size))
		close(sent)
	}()
	time.AfterFunc(50*time.Millisecond, func() { close(stalled) })
	c.want("upload", 200, "thanks")
	<-sent
	if n := <-got; n != size {
		t.Errorf("%d bytes; want %d", n, size)
	}
	f.audit()
}

// TestMuxWorkerDies: the connection breaks: idempotent requests go elsewhere, others get 502, and a
// hung worker's streams are cancelled one by one.
func TestMuxWorkerDies(t *testing.T) {
	f := startFront(t, 1, Options{ReplayRate: 1000})
	taken := make(chan *muxPeer, 8)
	w := startMuxWorker(t, func(p *muxPeer) {
		for range 2 {
			if p.request() == nil {
				return
			}
		}
		taken <- p // both are here
		p.waitClosed()
	})
	f.addMux(1, w, 4)
	get, post := f.dial().get("/"), f.dial().write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	p := <-taken
	f.addMux(2, startMuxWorker(t, func(p *muxPeer) {
		for r := p.request(); r != nil; r = p.request() {
			p.answer(r.id, "second")
		}
	}), 4)
	p.Close()
	get.want("idempotent", 200, "second")
	post.wantReason("not idempotent", 502, pipeline.AbandonedByWorker)
	f.RemoveWorker(1)
	f.audit()
}

// TestMuxDrainsWorker: a worker that is drained finishes what it has, then its connections are closed.
func TestMuxDrainsWorker(t *testing.T) {
	f := startFront(t, 1, Options{})
	release := make(chan struct{})
	w := startMuxWorker(t, func(p *muxPeer) {
		r := p.request()
		<-release
		p.answer(r.id, "late")
		p.waitClosed()
	})
	f.addMux(1, w, 4)
	c := f.dial().get("/")
	f.eventually("taken", func() bool { return f.Snapshot().Workers[0].InFlight == 1 && w.open.Load() == 1 })
	f.DrainWorker(1)
	close(release)
	c.want("in flight", 200, "late")
	if n := <-f.told.drained; n != 1 {
		t.Errorf("drained %d; want 1", n)
	}
	f.eventually("connections closed", func() bool { return w.open.Load() == 0 })
	f.audit()
}
