package worker

import (
	"errors"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// muxSession is one connection of a loop of a front.
type muxSession struct {
	ml      *muxLoop
	conn    *netpoll.Conn
	streams frame.Table[muxStream]
	last    uint32 // the highest id that was taken
	window  int64  // bytes of body that the front takes per stream
	final   bool   // DRAIN was sent: nothing behind last is taken
	in      frame.Receiver
}

var _ netpoll.Handler = (*muxSession)(nil)

// errFrontGone: the front closed the connection.
var errFrontGone = errors.New("worker: mux: connection closed by the front")

// errCancelled: the front cancelled the request; its client is gone, or it took too long.
var errCancelled = errors.New("worker: mux: request cancelled by the front")

func newMuxSession(ml *muxLoop, c *netpoll.Conn) *muxSession {
	ss := &muxSession{ml: ml, conn: c, window: frame.EarlyWindow}
	c.Commit(frame.AppendHello(c.Reserve(frameRoom), uint32(ml.srv.slots)))
	if ml.srv.drains.Load() {
		ss.drain()
	}
	return ss
}

// drain says which request is the last.
func (ss *muxSession) drain() {
	if !ss.final {
		ss.final = true
		ss.conn.Commit(frame.AppendDrain(ss.conn.Reserve(frameRoom), ss.last))
	}
}

// OnOpen implements netpoll.Handler; accepted connections get none.
func (ss *muxSession) OnOpen(*netpoll.Conn, error) {}

// OnData implements netpoll.Handler: frames of the front. DATA is taken as it comes, whole frame or not.
//
// Hot path: once per read. No allocation: TestMuxAllocs.
func (ss *muxSession) OnData(c *netpoll.Conn, b []byte) int {
	n := 0
	for !c.Closed() {
		h, p, k, err := ss.in.Next(b[n:])
		n += k
		if err == nil && h.Kind == 0 {
			if len(b)-n >= frame.HeaderSize {
				c.Grow()
			}
			return n
		}
		if err == nil {
			err = ss.frame(&h, p)
		}
		if err != nil {
			ss.broken(err)
		}
	}
	return len(b)
}

// frame takes a frame, or a piece of DATA. The error says that the front does not keep to the format.
func (ss *muxSession) frame(h *frame.Header, p []byte) error {
	switch h.Kind {
	case frame.Data:
		if x := ss.streams.Get(h.Stream); x != nil {
			return x.onData(p, h.End)
		}
	case frame.Hello:
		return ss.greet(p)
	case frame.Request:
		return ss.request(h, p)
	case frame.Trailers:
		text, lines, err := frame.ParseTrailers(p)
		if x := ss.streams.Get(h.Stream); x != nil && err == nil {
			err = x.onTrailers(text, &lines)
		}
		return err
	case frame.Cancel:
		if x := ss.streams.Get(h.Stream); x != nil {
			x.cancel(errCancelled)
		}
	case frame.Credit:
		n, err := frame.ParseCredit(p)
		if x := ss.streams.Get(h.Stream); x != nil && err == nil {
			err = x.credited(int64(n))
		}
		return err
	case frame.Ping:
		n, err := frame.ParseNumber(p)
		ss.conn.Commit(frame.AppendPong(ss.conn.Reserve(frameRoom), n))
		return err
	case frame.Pong:
	default: // RESPONSE, DRAIN
		return frame.ErrOrder
	}
	return nil
}

func (ss *muxSession) greet(p []byte) error {
	g, err := frame.ParseHello(p)
	if err == nil {
		ss.window = int64(g.Window)
	}
	return err
}

// request opens a stream and serves it.
//
// Hot path: once per request. No allocation: TestMuxAllocs.
func (ss *muxSession) request(h *frame.Header, p []byte) error {
	if h.Stream <= ss.last {
		return frame.ErrStream
	}
	srv := ss.ml.srv
	if ss.final || srv.slots > 0 && srv.open.Load() >= int64(srv.slots) {
		ss.conn.Commit(frame.AppendCancel(ss.conn.Reserve(frameRoom), h.Stream, frame.Refused))
		return nil
	}
	ss.last = h.Stream
	x := ss.ml.acquire()
	if err := x.read(p, h.End); err != nil {
		ss.ml.release(x)
		return err
	}
	if !ss.streams.Put(h.Stream, x) {
		ss.ml.release(x)
		return frame.ErrStream
	}
	srv.open.Add(1)
	inFlight.Add(1)
	x.begin(ss, h.Stream)
	return nil
}

// OnDrain implements netpoll.Handler: responses that waited for room go on.
func (ss *muxSession) OnDrain(*netpoll.Conn) {
	for x := range ss.streams.All() {
		x.writable()
	}
}

// OnEOF implements netpoll.Handler.
func (ss *muxSession) OnEOF(*netpoll.Conn) { ss.broken(errFrontGone) }

// OnHangup implements netpoll.Handler: reading is never paused.
func (ss *muxSession) OnHangup(*netpoll.Conn, bool) {}

// OnTimer implements netpoll.Handler: there is none.
func (ss *muxSession) OnTimer(*netpoll.Conn, int64) {}

// OnClose implements netpoll.Handler.
func (ss *muxSession) OnClose(_ *netpoll.Conn, err error) { ss.broken(err) }

// broken ends the connection and every request on it.
func (ss *muxSession) broken(err error) {
	ss.conn.Close()
	delete(ss.ml.conns, ss)
	for x := range ss.streams.All() {
		x.cancel(err)
	}
}

// forget closes the books on a stream.
func (ss *muxSession) forget(id uint32) {
	ss.streams.Delete(id)
	ss.ml.srv.open.Add(-1)
	inFlight.Add(-1)
	ss.ml.srv.maybeEmpty()
}

// read takes a REQUEST's payload.
func (x *muxStream) read(p []byte, end bool) error {
	x.raw = append(x.raw[:0], p...)
	h, text, lines, err := frame.ParseRequest(x.raw)
	if err != nil {
		return err
	}
	x.req.Assemble(text, &http1.Outline{
		Method: h.Method, Target: h.Target, Path: h.Path, ContentLength: h.Length,
		Chunked: h.Flags&frame.FlagBody != 0, ExpectContinue: h.Flags&frame.FlagContinue != 0,
		Upgrade: h.Flags&frame.FlagUpgrade != 0,
	})
	for {
		n, nl, v, vl, ok, err := lines.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		x.req.AddField(n, nl, v, vl)
	}
	if string(lines.Rest()) != "\r\n" || (x.req.HasBody() || x.mayTunnel()) == end ||
		x.req.HasBody() && x.mayTunnel() || x.req.Upgrade && x.req.Verb == http1.VerbConnect {
		return frame.ErrHead
	}
	x.bodyDone, x.expecting = end, x.req.ExpectContinue
	return x.req.EndFields()
}

// origin is the client as the front knows it: the last entry of X-Forwarded-For is the front's own.
func (x *muxStream) origin() pipeline.Origin {
	return originOf(&x.req, x.ml.srv.local)
}
