package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/pipelinetest"
	"weir/pipeline/server"
	"weir/protocol/frame"
)

// tunnelModes are the ways in which a handler gets its tunnels. "native" is net/http's own server.
var tunnelModes = []string{"in-process", "http", "mux", "native", "handoff"}

// tunnelled serves h in a mode; shout is what raw tunnels to /shout and /sink meet.
func tunnelled(t *testing.T, mode string, h http.Handler) (addr string, srv *server.Server) {
	t.Helper()
	whole := func(c *pipeline.Context) {
		if strings.HasPrefix(c.Path(), "/raw/") {
			rawTunnel(c)
			return
		}
		pipeline.FromHTTP(h)(c)
	}
	return hosted(t, mode, whole, func(ctx context.Context) error { return ServeHTTP(ctx, h) })
}

// hosted serves h in a mode; native is how it is served "native".
func hosted(
	t *testing.T, mode string, h pipeline.Handler, native func(context.Context) error,
) (addr string, srv *server.Server) {
	t.Helper()
	if mode == "in-process" {
		_, addr, srv = serverFor(t, twoLoops(t), h)
		return addr, srv
	}
	serve := func(ctx context.Context) error { return Serve(ctx, h) }
	dispatched := mode
	if mode == "native" {
		dispatched, serve = "http", native
	}
	t.Setenv("WEIR_DISPATCH", dispatched)
	t.Setenv("WEIR_CONCURRENCY", "64")
	_, socket := serving(t, serve)
	loops := twoLoops(t)
	pool := dispatch.NewPool(dispatch.Options{Name: "test"}, loops, told{make(chan string, 16)})
	e := dispatch.Endpoint{Network: "unix", Address: socket, Concurrency: 64, Mux: mode == "mux",
		Handoff: mode == "handoff"}
	if err := pool.AddWorker(1, e); err != nil {
		t.Fatal(err)
	}
	_, addr, srv = serverFor(t, loops, pool.Handler())
	t.Cleanup(func() { free(t, pool) })
	return addr, srv
}

// free waits until nothing of the pool's worker is taken.
func free(t *testing.T, p *dispatch.Pool) {
	t.Helper()
	for late := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		if w := p.Snapshot().Workers[0]; w.InFlight == 0 {
			return
		} else if time.Now().After(late) {
			t.Fatalf("never free: %+v", w)
		}
	}
}

// rawTunnel is a tunnel as a handler on the loop makes it: what comes is sent back in capitals, and FIN
// is answered by "bye" and FIN.
func rawTunnel(c *pipeline.Context) {
	if err := c.StartTunnel("shout"); err != nil {
		c.Text(400, err.Error())
		return
	}
	c.Hold(&shouter{})
	c.ReceiveBody(&shouter{})
}

// upgradeFrame is a REQUEST that asks for rawTunnel's protocol.
func upgradeFrame(stream uint32) []byte {
	text := "GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: shout\r\n\r\n"
	b, err := frame.CloseRequest(append(frame.OpenRequest(nil), text...), 0, stream, false,
		&frame.RequestHead{Flags: frame.FlagUpgrade, Length: frame.LengthUnknown, Method: 3, Target: 7, Path: 7},
		[]frame.Line{{Name: 4, Value: 1}, {Name: 7, Value: 5}})
	if err != nil {
		panic(err)
	}
	return b
}

type shouter struct{}

func (*shouter) OnWritable(c *pipeline.Context)    { c.ResumeBody() }
func (*shouter) OnCancel(*pipeline.Context, error) {}
func (*shouter) OnBody(c *pipeline.Context, b []byte) {
	if !c.SendBody(bytes.ToUpper(b)) {
		c.PauseBody()
	}
}

func (*shouter) OnBodyEnd(c *pipeline.Context, err error) {
	if err == nil {
		c.SendBody([]byte("bye"))
		_ = c.EndResponse(nil)
	}
}

func dialled(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func socketTo(t *testing.T, addr, path string) *pipelinetest.WebSocket {
	t.Helper()
	ws, err := pipelinetest.DialWebSocket(dialled(t, addr), path)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// talks sends a message and wants it back.
func talks(t *testing.T, ws *pipelinetest.WebSocket, text string) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- ws.Send(pipelinetest.WebSocketText, []byte(text)) }()
	op, b, err := ws.Recv()
	if err = errors.Join(err, <-sent); err != nil || op != pipelinetest.WebSocketText || string(b) != text {
		t.Fatalf("sent %.20q: got %d, %.20q (%d bytes), %v", text, op, b, len(b), err)
	}
}

// TestWebSocket: handlers of net/http that take the connection, as libraries do, in every hosting.
func TestWebSocket(t *testing.T) {
	for _, mode := range tunnelModes {
		t.Run(mode, func(t *testing.T) {
			m := http.NewServeMux()
			m.Handle("/late", pipelinetest.WebSocketEcho(false))
			m.Handle("/early", pipelinetest.WebSocketEcho(true))
			addr, _ := tunnelled(t, mode, m)
			for _, path := range []string{"/late", "/early"} {
				ws := socketTo(t, addr, path)
				for _, n := range []int{1, 125, 126, 65535, 65536, 5 << 20} {
					talks(t, ws, strings.Repeat("m", n))
				}
				if err := ws.Send(pipelinetest.WebSocketClose, []byte{3, 232}); err != nil {
					t.Fatal(err)
				}
				if op, b, err := ws.Recv(); op != pipelinetest.WebSocketClose || pipelinetest.Status(b) != 1000 {
					t.Errorf("%s: %d, %q, %v; want Close 1000", path, op, b, err)
				}
				if _, _, err := ws.Recv(); err != io.EOF {
					t.Errorf("%s: %v behind Close; want EOF", path, err)
				}
			}
			c := dialled(t, addr) // the same handler without an offer
			_, _ = io.WriteString(c, "GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if b, _ := io.ReadAll(c); !bytes.HasPrefix(b, []byte("HTTP/1.1 400 ")) {
				t.Errorf("without Upgrade: %.60q; want 400", b)
			}
		})
	}
}

// TestRawTunnel: tunnels of handlers on the loop, bytes that come early, FIN both ways.
func TestRawTunnel(t *testing.T) {
	for _, mode := range []string{"in-process", "http", "mux"} {
		t.Run(mode, func(t *testing.T) {
			addr, _ := tunnelled(t, mode, http.NotFoundHandler())
			c, r := raw(t, addr, "GET /raw/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly ")
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "shout" {
				t.Fatalf("%+v, %v", resp, err)
			}
			const n = 4 << 20
			go func() {
				_, _ = io.WriteString(c, strings.Repeat("x", n))
				_ = c.(*net.TCPConn).CloseWrite()
			}()
			b, err := io.ReadAll(r)
			if want := "EARLY " + strings.Repeat("X", n) + "bye"; string(b) != want || err != nil {
				t.Errorf("got %d bytes %.20q, %v; want %d", len(b), b, err, len(want))
			}
			_, r = raw(t, addr, "GET /raw/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
			if resp, body := answer(t, r); resp.StatusCode != 400 || body != pipeline.ErrProtocol.Error() || !resp.Close {
				t.Errorf("not offered: %d %q, close %v", resp.StatusCode, body, resp.Close)
			}
		})
	}
}

// TestTunnelHandlerTold: a handler hears of a client that leaves, and its own end ends the client's.
func TestTunnelHandlerTold(t *testing.T) {
	for _, mode := range tunnelModes {
		t.Run(mode, func(t *testing.T) {
			gone := make(chan error, 8) // a GET without an answer comes again
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					gone <- err
					return
				}
				if r.URL.Path == "/drop" { // without an answer
					gone <- c.Close()
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhi")
				if r.URL.Path == "/late" {
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
				}
				go func() { // ServeHTTP returns; the connection is the handler's still
					_, err := c.Read(make([]byte, 1))
					gone <- err
					_ = c.Close()
				}()
			})
			addr, _ := tunnelled(t, mode, h)
			const ask = "Host: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
			for _, tc := range []struct {
				path string
				end  func(c net.Conn)
				want error
			}{
				{"/fin", func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }, io.EOF},
				{"/late", func(net.Conn) {}, os.ErrDeadlineExceeded},
				{"/reset", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }, nil},
			} {
				c, r := raw(t, addr, "GET "+tc.path+" HTTP/1.1\r\n"+ask)
				if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
					t.Fatalf("%s: %+v, %v", tc.path, resp, err)
				}
				if b, err := io.ReadAll(io.LimitReader(r, 2)); string(b) != "hi" {
					t.Fatalf("%s: %q, %v", tc.path, b, err)
				}
				tc.end(c)
				if err := <-gone; err == nil || tc.want != nil && !errors.Is(err, tc.want) {
					t.Errorf("%s: the handler met %v; want %v", tc.path, err, tc.want)
				}
				if tc.path == "/reset" {
					continue
				}
				if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
					t.Errorf("%s: the client got %q, %v; want FIN", tc.path, rest, err)
				}
			}
			_, r := raw(t, addr, "GET /drop HTTP/1.1\r\n"+ask)
			if err := <-gone; err != nil {
				t.Errorf("drop: %v", err)
			}
			if resp, err := http.ReadResponse(r, nil); err == nil && resp.StatusCode < 500 {
				t.Errorf("dropped without an answer: the client got %d", resp.StatusCode)
			}
		})
	}
}

// TestHijackOtherAnswers: who takes the connection may write any response.
func TestHijackOtherAnswers(t *testing.T) {
	for _, mode := range tunnelModes {
		t.Run(mode, func(t *testing.T) {
			m := map[string]string{
				"/length":  "HTTP/1.1 403 Forbidden\r\nX-A: b\r\nContent-Length: 2\r\n\r\nno",
				"/chunked": "HTTP/1.1 403 Forbidden\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nn\r\n1\r\no\r\n0\r\n\r\n",
				"/close":   "HTTP/1.1 403 Forbidden\r\nX-A: b\r\nConnection: close\r\n\r\nno",
			}
			addr, _ := tunnelled(t, mode, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					http.Error(w, err.Error(), 500)
					return
				}
				for _, b := range []byte(m[r.URL.Path]) { // byte by byte
					_ = rw.WriteByte(b)
					_ = rw.Flush()
				}
				_ = c.Close()
			}))
			for path := range m {
				_, r := raw(t, addr, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
				if resp, body := answer(t, r); resp.StatusCode != 403 || body != "no" || resp.Header.Get("X-A") != "b" || !resp.Close {
					t.Errorf("%s: %d %q %v", path, resp.StatusCode, body, resp.Header)
				}
			}
		})
	}
}

// TestTunnelBackpressure: a handler that writes without end to a client that does not read stands still,
// and so does a client whose handler does not read.
func TestTunnelBackpressure(t *testing.T) {
	for _, mode := range []string{"in-process", "http", "mux"} {
		t.Run(mode, func(t *testing.T) {
			const size = 24 << 20
			written, gate, read := make(chan int, 1<<16), make(chan struct{}), make(chan int64, 1)
			addr, _ := tunnelled(t, mode, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				go func() {
					<-gate
					n, _ := io.Copy(io.Discard, c)
					read <- n
				}()
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
				piece := make([]byte, 64<<10)
				for range size / len(piece) {
					n, _ := c.Write(piece)
					written <- n
				}
				_ = c.(interface{ CloseWrite() error }).CloseWrite()
				read <- <-read
				_ = c.Close()
			}))
			c, r := raw(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
				t.Fatalf("%+v, %v", resp, err)
			}
			up := make(chan int, 1<<16)
			go func() {
				piece := make([]byte, 64<<10)
				for range size / len(piece) {
					n, _ := c.Write(piece)
					up <- n
				}
				_ = c.(*net.TCPConn).CloseWrite()
			}()
			for _, ch := range []chan int{written, up} { // until nothing moves
				for moved := true; moved; {
					select {
					case <-ch:
					case <-time.After(200 * time.Millisecond):
						moved = false
					}
				}
				if len(ch) > 0 {
					t.Fatal("counted wrongly")
				}
			}
			close(gate)
			n, err := io.Copy(io.Discard, r)
			if m := <-read; n != size || m != size || err != nil {
				t.Errorf("client got %d, handler %d of %d; %v", n, m, size, err)
			}
		})
	}
}

// TestTunnelDrain: a front that drains says so to WebSockets between two frames, by FIN to others, and
// counts those that it has to cut.
func TestTunnelDrain(t *testing.T) {
	for _, mode := range tunnelModes[:4] {
		t.Run(mode, func(t *testing.T) {
			addr, srv := tunnelled(t, mode, pipelinetest.WebSocketEcho(false))
			ws, stuck := socketTo(t, addr, "/"), socketTo(t, addr, "/")
			talks(t, ws, "before")
			talks(t, stuck, "before")
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			cut := make(chan int, 1)
			go func() { cut <- srv.Drain(ctx, nil) }()
			op, b, err := ws.Recv()
			if op != pipelinetest.WebSocketClose || pipelinetest.Status(b) != 1001 {
				t.Fatalf("drain: %d, %q, %v; want Close 1001", op, b, err)
			}
			if err := ws.Send(pipelinetest.WebSocketClose, b); err != nil {
				t.Fatal(err)
			}
			if _, _, err := ws.Recv(); err != io.EOF {
				t.Errorf("behind the Close handshake: %v; want EOF", err)
			}
			if n := <-cut; n != 1 {
				t.Errorf("%d tunnels cut; want the one whose client did not answer", n)
			}
		})
	}
}

// TestNodeWebSocket: a client that somebody else has written.
func TestNodeWebSocket(t *testing.T) {
	node, err := exec.LookPath("node")
	if err == nil {
		err = exec.CommandContext(t.Context(), node, "--experimental-websocket", "-e", "new WebSocket('ws://127.0.0.1:1').onerror=()=>{}").Run()
	}
	if err != nil {
		t.Skipf("no node with WebSocket: %v", err)
	}
	for _, mode := range tunnelModes {
		t.Run(mode, func(t *testing.T) {
			addr, _ := tunnelled(t, mode, pipelinetest.WebSocketEcho(true))
			script := fmt.Sprintf(`const ws = new WebSocket('ws://%s/');
ws.onopen = () => ws.send('x'.repeat(70000));
ws.onmessage = (m) => { console.log('got', m.data.length); ws.close(1000, 'done'); };
ws.onclose = (e) => console.log('closed', e.code, e.reason, e.wasClean);
ws.onerror = (e) => console.log('error', e.message);`, addr)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			out, err := exec.CommandContext(ctx, node, "--experimental-websocket", "--no-warnings", "-e", script).CombinedOutput()
			if want := "got 70000\nclosed 1000 done true\n"; string(out) != want || err != nil {
				t.Errorf("node: %q, %v; want %q", out, err, want)
			}
		})
	}
}

// TestTunnelHandlerEndsFirst: a handler that has sent FIN still gets what the client sends, and its FIN.
func TestTunnelHandlerEndsFirst(t *testing.T) {
	for _, mode := range []string{"in-process", "http", "mux"} {
		t.Run(mode, func(t *testing.T) {
			type rest struct {
				text string
				err  error
			}
			got := make(chan rest, 1)
			addr, _ := tunnelled(t, mode, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					got <- rest{err: err}
					return
				}
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
				_ = c.(interface{ CloseWrite() error }).CloseWrite()
				b, err := io.ReadAll(c)
				got <- rest{string(b), err}
				_ = c.Close()
			}))
			c, r := raw(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
				t.Fatalf("%+v, %v", resp, err)
			}
			if b, err := io.ReadAll(r); len(b) > 0 || err != nil {
				t.Fatalf("got %q, %v; want the handler's FIN", b, err)
			}
			_, _ = io.WriteString(c, "yours")
			_ = c.(*net.TCPConn).CloseWrite()
			if g := <-got; g.text != "yours" || g.err != nil {
				t.Errorf("the handler got %q, %v; want the client's rest and FIN", g.text, g.err)
			}
		})
	}
}
