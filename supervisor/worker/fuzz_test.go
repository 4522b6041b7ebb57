package worker

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"weir/pipeline"
	"weir/protocol/frame"
)

// FuzzMuxSession: whatever a front sends, the worker neither fails nor keeps anything of it when the
// connection has ended.
func FuzzMuxSession(f *testing.F) {
	hello := frame.AppendHello(nil, 0)
	with := func(frames ...[]byte) (b []byte) {
		b = append(b, hello...)
		for _, x := range frames {
			b = append(b, x...)
		}
		return b
	}
	body := requestFrame(1, "/echo", frame.FlagBody, false)
	f.Add(with(requestFrame(1, "/", 0, true), requestFrame(2, "/big", 0, true)), uint8(0))
	f.Add(with(body, append(frame.AppendHeader(nil, frame.Data, true, 1, 3), "abc"...)), uint8(3))
	f.Add(with(requestFrame(1, "/big", 0, true), frame.AppendCredit(nil, 1, 1000), frame.AppendCancel(nil, 1, frame.Over)), uint8(1))
	f.Add(with(upgradeFrame(1),
		append(frame.AppendHeader(nil, frame.Data, true, 1, 3), "abc"...)), uint8(7))
	f.Add(with(frame.AppendPing(nil, 1), frame.AppendDrain(nil, 1)), uint8(9))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(2))
	s, err := newMuxServer(func(c *pipeline.Context) {
		switch c.Path() {
		case "/big":
			c.Text(200, string(make([]byte, 200_000)))
		case "/tunnel":
			rawTunnel(c)
		case "/echo":
			c.ReadBody(1<<10, func(c *pipeline.Context, b []byte, err error) { c.Text(200, string(b)) })
		default:
			c.Text(200, c.Path())
		}
	}, 1, 0)
	if err != nil {
		f.Fatal(err)
	}
	ml := s.loops[0]
	s.running.Go(ml.loop.Run)
	f.Cleanup(func() { s.end(); s.running.Wait() })
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Skip(err)
		}
		ours := os.NewFile(uintptr(pair[0]), "front")
		ml.loop.Post(func() {
			ss := &muxSession{ml: ml, window: frame.EarlyWindow}
			c, err := ml.loop.Adopt(pair[1], ss)
			if err != nil {
				t.Error(err)
				return
			}
			ss.conn = c
			ml.conns[ss] = struct{}{}
			c.Commit(frame.AppendHello(c.Reserve(frameRoom), 0))
		})
		at := min(int(cut), len(b)) // in two pieces
		_, _ = ours.Write(b[:at])   // a connection that was closed meanwhile shows at its end
		_, _ = ours.Write(b[at:])
		_ = unix.Shutdown(pair[0], unix.SHUT_WR)
		for buf := make([]byte, 64<<10); ; {
			if n, err := ours.Read(buf); n == 0 || err != nil {
				break
			}
		}
		ours.Close()
		left := make(chan int64, 1)
		ml.loop.Post(func() { left <- s.open.Load() })
		if n := <-left; n != 0 {
			t.Errorf("%d streams are left of %q", n, b)
		}
	})
}
