//go:build !race

package worker

import (
	"net"
	"testing"

	"weir/pipeline"
	"weir/protocol/frame"
)

// TestMuxAllocs: a small request and its answer allocate nothing in the worker.
func TestMuxAllocs(t *testing.T) {
	p, _ := muxPeer(t, func(c *pipeline.Context) { c.Text(200, "Hello, World!") }, "0")
	c := p.Conn.(*net.UnixConn)
	in := requestFrame(1, "/hello", 0, true)
	id, buf, want := uint32(0), make([]byte, 4096), 0
	exchange := func() {
		id++
		in[4], in[5], in[6] = byte(id), byte(id>>8), byte(id>>16)
		if _, err := c.Write(in); err != nil {
			t.Fatal(err)
		}
		for n := 0; ; {
			k, err := c.Read(buf[n:])
			if err != nil {
				t.Fatal(err)
			}
			if n += k; want > 0 && n >= want {
				return
			}
			if want == 0 {
				want = wholeAnswer(buf[:n])
				if want > 0 {
					return
				}
			}
		}
	}
	for range 200 { // buffers and free lists grow once
		exchange()
	}
	if n := testing.AllocsPerRun(1000, exchange); n != 0 {
		t.Errorf("allocations per request = %v; want 0", n)
	}
}

// wholeAnswer is the length of an answer up to its END; 0 while it is not whole.
func wholeAnswer(b []byte) int {
	for at := 0; ; {
		h, ok, err := frame.ParseHeader(b[at:])
		if err != nil || !ok || len(b)-at < frame.HeaderSize+h.Length {
			return 0
		}
		if at += frame.HeaderSize + h.Length; h.End {
			return at
		}
	}
}
