package server

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/pipeline"
)

// frame is a WebSocket frame of n bytes of payload.
func frame(opcode byte, n int, masked bool) []byte {
	b := []byte{0x80 | opcode, byte(n)}
	switch {
	case n >= 1<<16:
		b = binary.BigEndian.AppendUint64([]byte{b[0], length64}, uint64(n))
	case n >= length16:
		b = binary.BigEndian.AppendUint16([]byte{b[0], length16}, uint16(n))
	}
	if masked {
		b[1] |= maskBit
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, make([]byte, n)...)
}

// TestFrames: where frames end is found in whatever pieces they come.
func TestFrames(t *testing.T) {
	var stream []byte
	var ends []int
	for _, n := range []int{0, 1, 125, 126, 300} {
		for _, masked := range []bool{false, true} {
			stream = append(stream, frame(2, n, masked)...)
			ends = append(ends, len(stream))
		}
	}
	isEnd := func(at int) bool {
		for _, e := range ends {
			if e == at {
				return true
			}
		}
		return at == 0
	}
	for cut := range len(stream) + 1 {
		var f frames
		if at, _ := f.advance(stream[:cut], false); at != cut || f.between() != isEnd(cut) {
			t.Fatalf("%d bytes: took %d, between frames is %v", cut, at, f.between())
		}
		at, found := f.advance(stream[cut:], true)
		if cut == len(stream) != !found || found && (!isEnd(cut+at) || at == 0) {
			t.Fatalf("after %d bytes: stopped at %d, %v", cut, cut+at, found)
		}
	}
	var f frames
	large := frame(2, 70_000, false)
	if at, found := f.advance(append(large, 1), true); at != len(large) || !found {
		t.Errorf("large frame: %d, %v; want %d", at, found, len(large))
	}
	f = frames{}
	if _, found := f.advance(append(frame(8, 2, false), frame(1, 1, false)...), true); found || !f.closed {
		t.Errorf("behind Close: %v, closed %v; want no place", found, f.closed)
	}
}

// sink is a tunnel whose client is listened to until FIN.
type sink struct{ got chan string }

func (k sink) OnWritable(*pipeline.Context)            {}
func (k sink) OnCancel(_ *pipeline.Context, err error) { k.got <- err.Error() }
func (k sink) OnBody(c *pipeline.Context, b []byte) {
	k.got <- string(b)
	c.PauseBody()
	c.ResumeBody()
}
func (k sink) OnBodyEnd(c *pipeline.Context, err error) {
	if err == nil {
		k.got <- "FIN"
		_ = c.EndResponse(nil)
	}
}

// TestTunnelKeepsNoClock: neither minimum rates, nor keep-alive, nor the half-close grace end a tunnel;
// what the client had sent behind a request before it is the tunnel's, its FIN included.
func TestTunnelKeepsNoClock(t *testing.T) {
	got := make(chan string, 16)
	o := Options{RateGrace: 20 * time.Millisecond}
	o.Timeouts.KeepAlive, o.Timeouts.HalfClose = 20*time.Millisecond, 20*time.Millisecond
	ts := startServer(t, 1, o, func(c *pipeline.Context) {
		if c.Path() == "/before" {
			echoBody(c)
			return
		}
		if err := c.StartTunnel("websocket"); err != nil {
			c.Text(400, err.Error())
			return
		}
		c.Hold(sink{got})
		c.ReceiveBody(sink{got})
		c.SendBody(frame(2, 16<<20, false)) // more than the kernel takes for a client that does not read
	})
	const ask = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
	c := ts.dial().write("POST /before HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb" + ask + "websocket\r\n\r\nearly")
	c.want("before", 200, "b")
	if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("%+v, %v", resp, err)
	}
	if s := <-got; s != "early" {
		t.Fatalf("got %q; want what came with the head", s)
	}
	for range 4 {
		<-time.After(50 * time.Millisecond) // longer than every clock
		c.write("z")
		if s := <-got; s != "z" {
			t.Fatalf("got %q after a while; want z", s)
		}
	}
	c.CloseWrite()
	if s := <-got; s != "FIN" {
		t.Fatalf("got %q; want FIN", s)
	}
	if n, err := io.Copy(io.Discard, c.r); n != int64(len(frame(2, 16<<20, false))) || err != nil {
		t.Errorf("client got %d bytes, %v", n, err)
	}

	c = ts.dial().write(ask + "h2c, other\r\n\r\n")
	if resp := c.want("not offered", 400, pipeline.ErrProtocol.Error()); !resp.Close {
		t.Error("a refused upgrade keeps the connection")
	}
	c.wantEnd("refused upgrade")
	if c := ts.dial().write(ask + "h2c\r\n\r\n"); c.want("h2c", 400, "").Close {
		t.Error("an offer that nobody was told of closes the connection")
	}
	c = ts.dial().write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.want("no offer", 400, pipeline.ErrProtocol.Error())
}

// TestRestEndsTunnels: one that begins when its connection is to end is told at once, as are the others.
func TestRestEndsTunnels(t *testing.T) {
	got := make(chan string, 16)
	begun, answer := make(chan struct{}), make(chan struct{})
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		start := func(c *pipeline.Context) {
			if err := c.StartTunnel("x"); err != nil {
				t.Error(err)
			}
			c.Hold(sink{got})
			c.ReceiveBody(sink{got})
		}
		if string(c.Request().Path()) == "/" {
			start(c)
			return
		}
		a := c.Async()
		go func() {
			close(begun)
			<-answer
			a.Post(start)
		}()
	})
	const ask = " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	c, late := ts.dial().write("GET /"+ask), ts.dial().write("GET /late"+ask)
	if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("%+v, %v", resp, err)
	}
	<-begun
	rested := make(chan struct{})
	ts.Rest(func() { close(rested) })
	c.wantEnd("rest")
	close(answer)
	if resp, err := http.ReadResponse(late.r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("%+v, %v", resp, err)
	}
	late.wantEnd("a tunnel that begins at rest")
	c.CloseWrite()
	late.CloseWrite()
	<-rested
}

// TestDrainTunnels: FIN for a protocol that is not WebSocket; a tunnel that does not end is cut, and
// counted.
func TestDrainTunnels(t *testing.T) {
	got := make(chan string, 16)
	ts := startServer(t, 1, Options{}, func(c *pipeline.Context) {
		if err := c.StartTunnel("x"); err != nil {
			t.Error(err)
		}
		c.Hold(sink{got})
		c.ReceiveBody(sink{got})
	})
	var clients []*client
	for range 2 {
		c := ts.dial().write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 101 {
			t.Fatalf("%+v, %v", resp, err)
		}
		clients = append(clients, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	cut := make(chan int, 1)
	go func() { cut <- ts.Drain(ctx, nil) }()
	clients[0].wantEnd("drain")
	clients[0].write("last words").CloseWrite()
	for _, want := range []string{"last words", "FIN", ErrClientGone.Error()} {
		if s := <-got; s != want && !strings.Contains(s, "drain") {
			t.Errorf("got %q; want %q", s, want)
		}
	}
	if n := <-cut; n != 1 {
		t.Errorf("%d cut; want the one that went on", n)
	}
}
