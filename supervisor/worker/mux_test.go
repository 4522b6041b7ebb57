package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/pipeline"
	"weir/protocol/frame"
)

// raw is a client that speaks HTTP by hand.
func raw(t *testing.T, addr, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func answer(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// TestSlowStreams: clients that do not read, and handlers that do not, hold up nobody else on the one
// connection that all share; and nothing of theirs is lost.
func TestSlowStreams(t *testing.T) {
	const size = 8 << 20
	gate := make(chan struct{})
	late := pipeline.Blocking(func(c *pipeline.Context) {
		<-gate
		n, err := io.Copy(io.Discard, c.BodyReader())
		c.Text(200, fmt.Sprint(n, " ", err))
	})
	piece := strings.Repeat("z", 10_000)
	c, addr := behindFront(t, "mux", func(c *pipeline.Context) {
		switch c.Path() {
		case "/huge":
			left := size
			c.Stream(200, func(dst []byte) (int, error) {
				n := min(copy(dst, piece), left)
				if left -= n; left == 0 {
					return n, io.EOF
				}
				return n, nil
			})
		case "/late":
			late(c)
		default:
			c.Text(200, "quick")
		}
	})
	var slow []*bufio.Reader
	for range 4 {
		_, r := raw(t, addr, "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
		slow = append(slow, r)
		up, r := raw(t, addr, fmt.Sprintf("POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
		slow = append(slow, r)
		go io.WriteString(up, strings.Repeat("u", size)) //nolint:errcheck // the answer tells
	}
	for range 300 {
		if resp, body := get(t, c, "GET", "/", nil); resp.StatusCode != 200 || body != "quick" {
			t.Fatalf("beside slow ones: %d %q", resp.StatusCode, body)
		}
	}
	close(gate)
	for i, r := range slow {
		_, body := answer(t, r)
		if i%2 == 0 && (len(body) != size || strings.Trim(body, "z") != "") {
			t.Errorf("download %d: %d bytes; want %d", i, len(body), size)
		}
		if want := fmt.Sprint(size, " <nil>"); i%2 == 1 && body != want {
			t.Errorf("upload %d: %q; want %q", i, body, want)
		}
	}
}

// TestMuxMessages: informational responses, trailers both ways, 100-continue.
func TestMuxMessages(t *testing.T) {
	c, addr := behindFront(t, "mux", pipeline.Blocking(func(c *pipeline.Context) {
		var hints pipeline.Fields
		_ = hints.Add("Link", "</a.css>")
		_ = c.Inform(103, &hints)
		b, err := io.ReadAll(c.BodyReader())
		sum := c.RequestTrailers().Get("X-Sum")
		_ = c.Trailers().Add("X-Told", sum)
		_, _ = fmt.Fprintf(c, "%s %v", b, err)
		_ = c.Flush() // chunked, so that trailers go out
	}))
	_ = c
	_, r := raw(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n"+
		"Connection: TE\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 103 || resp.Header.Get("Link") != "</a.css>" {
		t.Fatalf("first answer %v, %v; want 103 with a link", resp, err)
	}
	resp, body := answer(t, r)
	if body != "abc <nil>" || resp.Trailer.Get("X-Told") != "6" {
		t.Errorf("answer %q, trailer %q; want abc, 6", body, resp.Trailer)
	}
	conn, r := raw(t, addr, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if resp, err = http.ReadResponse(r, nil); err != nil || resp.StatusCode != 103 {
		t.Fatalf("with Expect: %v, %v; want 103", resp, err)
	}
	if resp, err = http.ReadResponse(r, nil); err != nil || resp.StatusCode != 100 {
		t.Fatalf("with Expect: %v, %v; want 100", resp, err)
	}
	if _, err := io.WriteString(conn, "hi"); err != nil {
		t.Fatal(err)
	}
	if _, body := answer(t, r); body != "hi <nil>" {
		t.Errorf("after 100: %q", body)
	}
}

// TestMuxCancel: a client that leaves cancels its request in the worker, on the loop and on a goroutine,
// and nothing else.
func TestMuxCancel(t *testing.T) {
	over := make(chan error, 8)
	begun := make(chan struct{}, 8)
	blocking := pipeline.Blocking(func(c *pipeline.Context) {
		begun <- struct{}{}
		<-c.Context().Done()
	})
	c, addr := behindFront(t, "mux", func(c *pipeline.Context) {
		if c.Path() == "/" {
			c.Text(200, "fine")
			return
		}
		c.OnCompleted(func(_ *pipeline.Context, o pipeline.Outcome) { over <- o.Err })
		if c.Path() == "/blocking" {
			blocking(c)
			return
		}
		c.Async() // never finished
		begun <- struct{}{}
	})
	for _, path := range []string{"/async", "/blocking"} {
		conn, _ := raw(t, addr, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		<-begun
		conn.Close()
		select {
		case err := <-over:
			if !errors.Is(err, errCancelled) {
				t.Errorf("%s: outcome %v; want %v", path, err, errCancelled)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the worker was not told", path)
		}
	}
	if _, body := get(t, c, "GET", "/", nil); body != "fine" {
		t.Errorf("afterwards: %q", body)
	}
}

// TestMuxAbort: a response that a handler gives up is cut for its client, and so is one that is shorter
// than it said.
func TestMuxAbort(t *testing.T) {
	_, addr := behindFront(t, "mux", pipeline.Blocking(func(c *pipeline.Context) {
		_ = c.SetLength(100)
		_, _ = c.Write([]byte("part"))
		if c.Path() == "/panic" {
			_ = c.Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	for _, path := range []string{"/panic", "/short"} {
		_, r := raw(t, addr, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			continue // reset before the head left: as good
		}
		if resp.StatusCode == 500 {
			continue // noticed before anything left
		}
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: whole answer %q; want it cut", path, b)
		}
	}
}

// peer is a front spoken by hand.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// muxPeer starts a mux worker and connects to it by hand; HELLO is exchanged.
func muxPeer(t *testing.T, h pipeline.Handler, slots string) (*peer, string) {
	t.Helper()
	t.Setenv("WEIR_DISPATCH", "mux")
	t.Setenv("WEIR_CONCURRENCY", slots)
	_, socket := serving(t, func(ctx context.Context) error { return Serve(ctx, h) })
	return connectPeer(t, socket, frame.AppendHello(nil, 0)), socket
}

func connectPeer(t *testing.T, socket string, hello []byte) *peer {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	p := &peer{t, c, bufio.NewReader(c)}
	p.write(hello)
	h, b := p.next()
	if h.Kind != frame.Hello {
		t.Fatalf("first frame %v %q; want HELLO", h, b)
	}
	return p
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// next reads a frame; the zero Header at the end of the connection.
func (p *peer) next() (frame.Header, []byte) {
	p.t.Helper()
	var b [frame.HeaderSize]byte
	if _, err := io.ReadFull(p.r, b[:]); err != nil {
		var n net.Error
		if errors.As(err, &n) && n.Timeout() {
			p.t.Fatal("no frame")
		}
		return frame.Header{}, nil
	}
	h, _, err := frame.ParseHeader(b[:])
	if err != nil {
		p.t.Fatal(err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(p.r, payload); err != nil {
		p.t.Fatal(err)
	}
	return h, payload
}

// requestFrame is a GET of path on a stream.
func requestFrame(stream uint32, path string, flags uint16, end bool) []byte {
	text := "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"
	b, err := frame.CloseRequest(append(frame.OpenRequest(nil), text...), 0, stream, end,
		&frame.RequestHead{Flags: flags, Length: frame.LengthUnknown, Method: 3, Target: len(path), Path: len(path)},
		[]frame.Line{{Name: 4, Value: 1}})
	if err != nil {
		panic(err)
	}
	return b
}

// wantAnswer reads the frames of a whole small answer.
func (p *peer) wantAnswer(stream uint32, status int, body string) {
	p.t.Helper()
	got := ""
	for {
		h, b := p.next()
		if h.Stream != stream {
			p.t.Fatalf("frame %+v; want one of stream %d", h, stream)
		}
		switch h.Kind {
		case frame.Response:
			if r, _, _, err := frame.ParseResponse(b); err != nil || r.Status != status {
				p.t.Fatalf("response %+v, %v; want %d", r, err, status)
			}
		case frame.Data:
			got += string(b)
		default:
			p.t.Fatalf("frame %+v", h)
		}
		if h.End {
			break
		}
	}
	if got != body {
		p.t.Errorf("body %q; want %q", got, body)
	}
}

// TestMuxBreaches: a front that does not keep to the format costs its own connection only.
func TestMuxBreaches(t *testing.T) {
	good, socket := muxPeer(t, func(c *pipeline.Context) { c.Text(200, "ok") }, "0")
	hello := frame.AppendHello(nil, 0)
	wrongVersion := frame.AppendHello(nil, 0)
	wrongVersion[frame.HeaderSize+4], wrongVersion[frame.HeaderSize+5] = 9, 9
	short := requestFrame(1, "/", 0, true)
	for desc, b := range map[string][]byte{
		"HTTP":                  []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"another version":       wrongVersion,
		"no HELLO":              requestFrame(1, "/", 0, true),
		"HELLO twice":           append(append([]byte{}, hello...), hello...),
		"unknown kind":          append(append([]byte{}, hello...), 0, 0, 0, 99, 1, 0, 0, 0),
		"RESPONSE from front":   append(append([]byte{}, hello...), frame.AppendHeader(nil, frame.Response, false, 1, 999)...),
		"ids that shrink":       append(append(append([]byte{}, hello...), requestFrame(7, "/", 0, true)...), requestFrame(3, "/", 0, true)...),
		"body without END":      append(append([]byte{}, hello...), requestFrame(1, "/", 0, false)...),
		"END with body to come": append(append([]byte{}, hello...), requestFrame(1, "/", frame.FlagBody, true)...),
		"head of another size":  append(append([]byte{}, hello...), append(short[:24:24], append([]byte{0xff}, short[25:]...)...)...),
	} {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(b); err != nil {
			t.Fatalf("%s: %v", desc, err)
		}
		if desc == "RESPONSE from front" {
			c.Write(make([]byte, 999))
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v; want the connection closed", desc, err)
		}
		c.Close()
	}
	good.write(requestFrame(5, "/", 0, true))
	good.wantAnswer(5, 200, "ok")
	ping := frame.AppendPing(nil, 77)
	good.write(ping)
	if h, b := good.next(); h.Kind != frame.Pong || b[0] != 77 {
		t.Errorf("answer to PING: %+v %v", h, b)
	}
}

// TestMuxSlots: beyond the announced concurrency requests are refused, not begun.
func TestMuxSlots(t *testing.T) {
	release := make(chan struct{})
	var begun atomic.Int32
	p, _ := muxPeer(t, pipeline.Blocking(func(c *pipeline.Context) {
		begun.Add(1)
		<-release
		c.Text(200, "ok")
	}), "2")
	for id := uint32(1); id <= 3; id++ {
		p.write(requestFrame(id, "/", 0, true))
	}
	h, b := p.next()
	if h.Kind != frame.Cancel || h.Stream != 3 || frame.ParseCancel(b) != frame.Refused {
		t.Fatalf("the third of two: %+v %v; want it refused", h, b)
	}
	close(release)
	for range 2 {
		h, _ := p.next()
		p.wantRest(h)
	}
	p.write(requestFrame(9, "/", 0, true))
	p.wantAnswer(9, 200, "ok")
	if begun.Load() != 3 {
		t.Errorf("%d begun; want 3", begun.Load())
	}
}

// wantRest reads on until the end of the stream of h.
func (p *peer) wantRest(h frame.Header) {
	p.t.Helper()
	for !h.End {
		if h, _ = p.next(); h.Kind == 0 {
			p.t.Fatal("connection closed")
		}
	}
}

// TestMuxWindow: no more than window and one piece is sent on a stream without credit.
func TestMuxWindow(t *testing.T) {
	p, _ := muxPeer(t, pipeline.Blocking(func(c *pipeline.Context) {
		piece := make([]byte, 10_000)
		for range 100 {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	}), "0")
	p.write(requestFrame(1, "/", 0, true))
	p.write(frame.AppendPing(nil, 1)) // answered behind what may be sent now
	got, credit := 0, 0
	for {
		h, _ := p.next()
		if h.Kind == frame.Data {
			got += h.Length
			if got > frame.Window+credit+frame.Window { // a piece that was begun
				t.Fatalf("%d bytes with a window of %d and credit for %d", got, frame.Window, credit)
			}
			if h.End {
				break
			}
			for got >= frame.Window+credit {
				p.write(frame.AppendCredit(nil, 1, 20_000))
				credit += 20_000
			}
		}
		if h.Kind == 0 {
			t.Fatal("connection closed")
		}
	}
	if got != 1_000_000 {
		t.Errorf("%d bytes; want 1000000", got)
	}
}

// TestMuxDrain: what has begun is finished, what comes later is refused.
func TestMuxDrain(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	t.Setenv("WEIR_SOCKET", dir+"/sock")
	release := make(chan struct{})
	s, err := newMuxServer(pipeline.Blocking(func(c *pipeline.Context) {
		<-release
		c.Text(200, "ok")
	}), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", dir+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.serve(l) }()
	p := connectPeer(t, dir+"/sock", frame.AppendHello(nil, 0))
	p.write(requestFrame(4, "/", 0, true))
	p.write(frame.AppendPing(nil, 1))
	if h, _ := p.next(); h.Kind != frame.Pong {
		t.Fatalf("frame %+v; want PONG: the request has begun", h)
	}
	down := make(chan error, 1)
	go func() { down <- s.shutdown(t.Context()) }()
	if h, b := p.next(); h.Kind != frame.Drain || b[0] != 4 {
		t.Fatalf("frame %+v %v; want DRAIN behind 4", h, b)
	}
	p.write(requestFrame(5, "/", 0, true))
	if h, b := p.next(); h.Kind != frame.Cancel || h.Stream != 5 || frame.ParseCancel(b) != frame.Refused {
		t.Fatalf("frame %+v; want 5 refused", h)
	}
	close(release)
	p.wantAnswer(4, 200, "ok")
	if err := <-down; err != nil {
		t.Errorf("shutdown = %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve = %v", err)
	}
}

// Pongs tell how many requests a worker holds; streams are requests, too.
func TestMuxStreamsAreInFlight(t *testing.T) {
	c, addr := behindFront(t, "mux", func(c *pipeline.Context) {
		c.Text(200, strconv.FormatInt(inFlight.Load(), 10))
	})
	for range 3 {
		r, err := c.Get("http://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil || string(b) != "1" {
			t.Errorf("in flight = %q, %v; want 1, this one", b, err)
		}
	}
}
