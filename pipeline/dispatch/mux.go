package dispatch

import (
	"errors"
	"slices"

	"weir/netpoll"
	"weir/protocol/frame"
)

// muxConn is the connection of one loop to one worker in mux mode: many requests at once, each a
// stream, in the frames of protocol/frame. A stream is an upstream without a connection of its own;
// its slot is its own all the same.
type muxConn struct {
	conn *netpoll.Conn
	lane *lane

	streams frame.Table[upstream] // open ones
	last    uint32                // the last id that was given
	waiting []*upstream           // until the connection stands

	open    bool  // it stands, and HELLO was sent
	greeted bool  // the worker's HELLO has come
	retired bool  // it gets no more streams; it closes behind the last
	window  int64 // bytes of body that the worker takes per stream

	in frame.Receiver
}

var _ netpoll.Handler = (*muxConn)(nil)

// join begins j on the lane's connection, which is opened if there is none; the caller has taken the
// slot.
func (j *job) join(now int64) {
	l := j.lane
	if l.mux == nil {
		m, err := l.dialMux()
		if err != nil {
			j.unconnected(now, err)
			return
		}
		l.mux = m
	}
	m := l.mux
	u := j.s.acquireStream()
	u.conn, u.lane, u.mux = m.conn, l, m
	if !m.open {
		u.job, j.up, j.stage = j, u, stageConnect
		m.waiting = append(m.waiting, u)
		j.arm(now)
		return
	}
	m.begin(u)
	j.send(u)
}

// dialMux opens the connection.
func (l *lane) dialMux() (*muxConn, error) {
	m := &muxConn{lane: l, window: frame.EarlyWindow}
	conn, err := l.s.loop.Dial(l.address, m)
	if err != nil {
		return nil, err
	}
	conn.Bulk(true)
	m.conn = conn
	if conn.Connected() {
		m.stands()
	}
	return m, nil
}

// stands greets the worker; what waited may begin.
func (m *muxConn) stands() {
	m.open = true
	m.lane.accepted()
	m.conn.Commit(frame.AppendHello(m.conn.Reserve(frameRoom), 0))
}

// begin gives u an id and its place.
func (m *muxConn) begin(u *upstream) {
	m.last = m.streams.Next(m.last)
	u.id, u.window = m.last, m.window
	m.streams.Put(u.id, u) // slots are fewer than a table has room for
	if m.last >= streamIDMax {
		m.retire()
	}
}

// drop forgets a stream: no frame of it is looked at any more. u may be used again.
func (m *muxConn) drop(u *upstream) {
	if u.id != 0 {
		m.streams.Delete(u.id)
	} else {
		for i, w := range m.waiting {
			if w == u {
				m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
				break
			}
		}
	}
	s := m.lane.s
	m.maybeClose()
	s.releaseStream(u)
}

// retire gives the connection no more streams.
func (m *muxConn) retire() {
	m.retired = true
	if m.lane.mux == m {
		m.lane.mux = nil
	}
	m.maybeClose()
}

// maybeClose closes a retired connection behind its last stream.
func (m *muxConn) maybeClose() {
	if m.retired && m.streams.Len() == 0 && len(m.waiting) == 0 && m.conn != nil {
		m.conn.Close()
	}
}

// OnOpen implements netpoll.Handler.
func (m *muxConn) OnOpen(_ *netpoll.Conn, err error) {
	if err != nil {
		m.fail(err)
		return
	}
	m.stands()
	waiting := m.waiting
	m.waiting = nil
	for _, u := range waiting {
		j := u.job
		m.begin(u)
		m.start(j, u)
	}
}

// start sends what waited for the connection.
func (m *muxConn) start(j *job, u *upstream) {
	defer j.guard(j.c)
	j.send(u)
}

// fail ends a connection that never stood: its requests go elsewhere, or wait.
func (m *muxConn) fail(err error) {
	waiting := m.waiting
	m.waiting = nil
	m.retire()
	m.conn.Close()
	for _, u := range waiting {
		j := u.job
		u.job = nil
		if errors.Is(err, netpoll.ErrStopped) {
			j.up = nil
			j.stop()
			continue
		}
		j.up = nil
		m.lane.s.releaseStream(u)
		j.refused(err)
	}
}

// OnDrain implements netpoll.Handler: bodies that waited for room go on, in the next turn.
func (m *muxConn) OnDrain(*netpoll.Conn) {
	for u := range m.streams.All() {
		if u.job != nil && u.job.paused && u.window > 0 {
			m.lane.s.resumeLater(u)
		}
	}
}

// OnEOF implements netpoll.Handler.
func (m *muxConn) OnEOF(*netpoll.Conn) { m.broken(errMuxEnded) }

// OnHangup implements netpoll.Handler: reading is never paused.
func (m *muxConn) OnHangup(*netpoll.Conn, bool) {}

// OnTimer implements netpoll.Handler: there is none.
func (m *muxConn) OnTimer(*netpoll.Conn, int64) {}

// OnClose implements netpoll.Handler.
func (m *muxConn) OnClose(_ *netpoll.Conn, err error) { m.broken(err) }

var errMuxEnded = errors.New("dispatch: mux: the worker closed the connection")

// broken ends the connection: each request is lost by itself.
func (m *muxConn) broken(err error) {
	m.retired = true
	if m.lane.mux == m {
		m.lane.mux = nil
	}
	m.conn.Close()
	m.each(func(j *job) { j.lostStream(err) })
	if !errors.Is(err, netpoll.ErrStopped) {
		m.lane.s.serve()
	}
}

// each calls f for the request of every stream that is open or waits now; f may end any of them.
func (m *muxConn) each(f func(*job)) {
	for _, u := range slices.Clone(m.waiting) {
		if u.mux == m && u.job != nil {
			f(u.job)
		}
	}
	for u := range m.streams.All() {
		if u.job != nil {
			f(u.job)
		}
	}
}

// lostStream ends j because its connection broke.
func (j *job) lostStream(err error) {
	if errors.Is(err, netpoll.ErrStopped) {
		j.stop()
		return
	}
	defer j.guard(j.c)
	j.lost(j.consumed(), 502, reasonAbandoned)
}
