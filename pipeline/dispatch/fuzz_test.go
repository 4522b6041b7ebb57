package dispatch

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"weir/protocol/frame"
)

// FuzzMuxConn: whatever a worker answers, its client gets one answer or a reset, the next request is
// served by its own answer, and every slot comes back.
func FuzzMuxConn(f *testing.F) {
	for _, b := range [][]byte{
		append(responseFrame(1, 200, 2, false), dataFrame(1, "ok", true)...),
		append(responseFrame(1, 101, -1, false, "Upgrade", "x"), dataFrame(1, "ok", true)...),
		append(responseFrame(1, 103, -1, false, "Link", "x"), responseFrame(1, 404, 0, true)...),
		frame.AppendCancel(nil, 1, frame.Refused), frame.AppendDrain(nil, 0), frame.AppendPing(nil, 1),
		frame.AppendCredit(nil, 1, 5), []byte("HTTP/1.1 200 OK\r\n\r\n"),
	} {
		f.Add(b)
	}
	fr := startFront(f, 1, Options{ReplayRate: -1, ReplayShare: -1, QueueTimeout: 5 * time.Second})
	var lie atomic.Pointer[[]byte]
	fr.addMux(1, startMuxWorker(f, func(p *muxPeer) {
		for r := p.request(); r != nil; r = p.request() {
			if b := lie.Swap(nil); b != nil {
				p.write(string(*b))
				return // closes
			}
			p.answer(r.id, "honest")
		}
	}), 4)
	f.Fuzz(func(t *testing.T, b []byte) {
		lie.Store(&b)
		c, err := fr.connect()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"+
			"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		for {
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				break // reset
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode >= 200 {
				break
			}
		}
		_ = c.Close() // should it have become a tunnel
		// A request that was not begun was sent again, and has taken the honest answer.
		lie.Store(nil)
		next, err := fr.connect()
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		if _, err := io.WriteString(next, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(next.r, nil)
		if err != nil {
			t.Fatalf("after %q: %v", b, err)
		}
		if got, err := io.ReadAll(resp.Body); resp.StatusCode == 200 && string(got) != "honest" || err != nil {
			t.Fatalf("after %q: %d %q, %v", b, resp.StatusCode, got, err)
		}
		own := *fr // a helper of F may not be called here
		own.t = t
		own.audit()
	})
}
