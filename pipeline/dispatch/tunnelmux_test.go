package dispatch

import (
	"io"
	"net/http"
	"testing"

	"weir/protocol/frame"
)

// TestMuxTunnel: the frames of a tunnel, as a worker in any language would see them: an offer without
// END, no DATA before the 101, END for each FIN.
func TestMuxTunnel(t *testing.T) {
	f := startFront(t, 1, Options{})
	done := make(chan struct{})
	f.addMux(1, startMuxWorker(t, func(p *muxPeer) {
		r := p.request()
		if r.end || r.head.Flags&frame.FlagUpgrade == 0 || r.http.Header.Get("Upgrade") != "a, b/2" {
			t.Errorf("request %+v, END %v, flags %b; want an offer without END", r.http.Header, r.end, r.head.Flags)
		}
		p.write(string(responseFrame(r.id, 101, frame.LengthUnknown, false, "Upgrade", "b/2", "X-A", "1")))
		p.write(string(dataFrame(r.id, "first", true)))
		for got := ""; ; {
			h, b, ok := p.next()
			if !ok || h.Kind != frame.Data || h.Stream != r.id {
				t.Errorf("%+v %q %v after %q; want DATA until END", h, b, ok, got)
				break
			}
			if got += string(b); h.End {
				if got != "early, late" {
					t.Errorf("DATA %q; want all that the client sent", got)
				}
				break
			}
		}
		close(done)
		p.waitClosed()
	}), 1)
	c := f.dial().write(asks + "a, h2c, b/2\r\n\r\nearly")
	if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 101 ||
		resp.Header.Get("Upgrade") != "b/2" || resp.Header.Get("X-A") != "1" {
		t.Fatalf("%+v, %v", resp, err)
	}
	c.reads("DATA", "first")
	c.ends("END")
	c.write(", late").CloseWrite()
	<-done
	f.audit()
}

// TestMuxTunnelLies: 101 that must not be, and frames that cannot be in a tunnel.
func TestMuxTunnelLies(t *testing.T) {
	up := func(id uint32, fields ...string) string {
		return string(responseFrame(id, 101, frame.LengthUnknown, false, fields...))
	}
	for _, tc := range []struct {
		desc, request string
		lie           func(id uint32) string
		opens         bool // the client gets its 101, then a cut
	}{
		{"not offered", asks + "a\r\n\r\n", func(id uint32) string { return up(id, "Upgrade", "b") }, false},
		{"names none", asks + "a\r\n\r\n", func(id uint32) string { return up(id) }, false},
		{"names two", asks + "a, b\r\n\r\n", func(id uint32) string { return up(id, "Upgrade", "a", "Upgrade", "b") }, false},
		{"h2c", asks + "h2c\r\n\r\n", func(id uint32) string { return up(id, "Upgrade", "h2c") }, false},
		{"no offer", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", func(id uint32) string { return up(id, "Upgrade", "a") }, false},
		{"END on the 101", asks + "a\r\n\r\n", func(id uint32) string {
			return string(responseFrame(id, 101, frame.LengthUnknown, true, "Upgrade", "a"))
		}, false},
		{"another head", asks + "a\r\n\r\n", func(id uint32) string {
			return up(id, "Upgrade", "a") + string(responseFrame(id, 200, 0, true))
		}, true},
		{"DATA behind END", asks + "a\r\n\r\n", func(id uint32) string {
			return up(id, "Upgrade", "a") + string(dataFrame(id, "", true)) + string(dataFrame(id, "x", false))
		}, true},
		{"CANCEL", asks + "a\r\n\r\n", func(id uint32) string {
			return up(id, "Upgrade", "a") + string(frame.AppendCancel(nil, id, frame.Over))
		}, true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := startFront(t, 1, Options{ReplayRate: -1, ReplayShare: -1})
			f.addMux(1, startMuxWorker(t, func(p *muxPeer) {
				for r := p.request(); r != nil; r = p.request() {
					p.write(tc.lie(r.id))
				}
			}), 1)
			c := f.dial().write(tc.request)
			if !tc.opens {
				c.want(tc.desc, 502, "")
				f.audit()
				return
			}
			resp, err := http.ReadResponse(c.r, nil)
			if err == nil && resp.StatusCode == 101 {
				_, err = io.ReadAll(c.r)
			}
			if err == nil {
				t.Errorf("%+v and FIN; want a cut", resp)
			}
			f.audit()
		})
	}
}
