package dispatch

import (
	"errors"

	"weir/netpoll"
	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// OnData implements netpoll.Handler: frames of the worker. DATA goes on as it comes, whole frame or not.
//
// Hot path: once per read from a worker. No allocation: TestMuxAllocs.
func (m *muxConn) OnData(c *netpoll.Conn, b []byte) int {
	n := 0
	for !c.Closed() {
		h, p, k, err := m.in.Next(b[n:])
		n += k
		if err == nil && h.Kind == 0 {
			if len(b)-n >= frame.HeaderSize {
				c.Grow()
			}
			return n
		}
		if err == nil {
			err = m.frame(&h, p)
		}
		if err != nil {
			m.breach(err)
		}
	}
	return len(b)
}

// breach ends a connection on which the worker does not keep to the format. One that has not even
// greeted is most likely a program that speaks HTTP.
func (m *muxConn) breach(err error) {
	why := "it broke the rules of dispatch: mux: "
	if !m.greeted {
		why = "it does not speak the frames of dispatch: mux, as programs of the Go SDK do: "
	}
	m.lane.w.failing(why + err.Error())
	m.broken(err)
}

// frame takes a frame, or a piece of DATA. The error says that the worker does not keep to the format.
func (m *muxConn) frame(h *frame.Header, p []byte) error {
	switch h.Kind {
	case frame.Data:
		if u := m.streams.Get(h.Stream); u != nil {
			u.job.onStreamData(u, p, h.End)
		}
	case frame.Hello:
		return m.greet(p)
	case frame.Response:
		r, text, lines, err := frame.ParseResponse(p)
		if err != nil {
			return err
		}
		if u := m.streams.Get(h.Stream); u != nil {
			return u.job.onStreamHead(u, &r, text, &lines, h.End)
		}
	case frame.Trailers:
		text, lines, err := frame.ParseTrailers(p)
		if err != nil {
			return err
		}
		if u := m.streams.Get(h.Stream); u != nil {
			return u.job.onStreamTrailers(u, text, &lines)
		}
	case frame.Cancel:
		if u := m.streams.Get(h.Stream); u != nil {
			u.job.onStreamCancel(u, frame.ParseCancel(p))
		}
	case frame.Credit:
		return m.credited(h.Stream, p)
	case frame.Ping:
		n, err := frame.ParseNumber(p)
		m.conn.Commit(frame.AppendPong(m.conn.Reserve(frameRoom), n))
		return err
	case frame.Pong:
	case frame.Drain:
		return m.drained(p)
	default: // REQUEST
		return frame.ErrOrder
	}
	return nil
}

// greet takes the worker's first frame. Bodies may be sent from now on.
func (m *muxConn) greet(p []byte) error {
	g, err := frame.ParseHello(p)
	if err != nil {
		return err
	}
	more := int64(g.Window) - m.window
	m.greeted, m.window = true, int64(g.Window)
	m.each(func(j *job) {
		j.up.window += more
		if j.paused {
			j.s.resumeLater(j.up)
		}
	})
	return nil
}

// credited takes a CREDIT.
func (m *muxConn) credited(stream uint32, p []byte) error {
	n, err := frame.ParseCredit(p)
	u := m.streams.Get(stream)
	if err != nil || u == nil {
		return err
	}
	if u.window += int64(n); u.window > frame.WindowMax {
		return frame.ErrCredit
	}
	u.job.moved = m.lane.s.loop.Now()
	if u.job.paused && u.room() {
		m.lane.s.resumeLater(u)
	}
	return nil
}

// drained takes a DRAIN: the worker begins no stream behind the last that it names, and gets no more.
func (m *muxConn) drained(p []byte) error {
	last, err := frame.ParseDrain(p)
	if err != nil {
		return err
	}
	m.lane.refuse(errDraining)
	m.retired = true
	if m.lane.mux == m {
		m.lane.mux = nil
	}
	m.each(func(j *job) {
		if j.up.id > last {
			j.refusedStream()
		} else if j.stage == stageTunnel {
			j.x.GoAway(pipeline.ReasonNone)
		}
	})
	m.maybeClose()
	return nil
}

var errDraining = errors.New("dispatch: mux: the worker drains")

// refusedStream gives j, which the worker has not begun, to another one.
func (j *job) refusedStream() {
	defer j.guard(j.c)
	j.lost(false, 502, reasonAbandoned)
}

// onStreamHead takes a RESPONSE.
//
// Hot path: once per response. No allocation: TestMuxAllocs.
func (j *job) onStreamHead(u *upstream, h *frame.ResponseHead, text []byte, lines *frame.Lines,
	end bool) error {
	defer j.guard(j.c)
	j.moved, j.gotByte = j.s.loop.Now(), true
	switch {
	case j.stage != stageSent || end && h.Status < 200:
		return frame.ErrOrder
	case h.Status == 101:
		return j.onStreamSwitch(text, lines, end)
	case j.connects() && h.Status/100 == 2:
		return j.onStreamConnect(h.Status, text, lines, end)
	case h.Status < 200:
		return j.onStreamInterim(h.Status, text, lines)
	}
	length := h.Length
	if j.c.IsHead() || h.Status == 204 || h.Status == 304 {
		j.kind, j.left = http1.BodyNone, 0
	} else {
		j.kind, j.left = http1.BodyUntilClose, length // here: until END
	}
	if path, named, err := j.namedByLines(text, *lines); named || err != nil {
		if err == nil {
			err = j.sendNamedByLines(u, h.Status, text, lines, end, path)
		}
		return err
	}
	err := j.c.SetStatus(h.Status)
	if err == nil {
		err = j.addLines(j.c.Fields(), text, lines, j.set.HideServer)
	}
	if err != nil {
		j.fail(502, reasonProtocol, "")
		return nil
	}
	if !j.startAnswer(h.Status, length) {
		return nil
	}
	if !j.bodyDone && (h.Status >= 300 || j.expecting) {
		j.stopBody()
	}
	j.expecting = false
	if end {
		j.endStream(u)
	}
	return nil
}

// addLines adds the fields that a head's lines are. What frames or concerns a connection has no meaning
// here and is left out.
func (j *job) addLines(f *pipeline.Fields, text []byte, lines *frame.Lines, hideServer bool) error {
	for {
		n, nl, v, vl, ok, err := lines.Next()
		if err != nil || !ok {
			return err
		}
		name := text[n : n+nl]
		if hideServer && foldIs(name, "server") || isOurs(name) {
			continue
		}
		if err := f.AddBytes(name, text[v:v+vl]); err != nil && err != pipeline.ErrFraming {
			return err
		}
	}
}

// onStreamInterim passes an informational response on.
func (j *job) onStreamInterim(status int, text []byte, lines *frame.Lines) error {
	if !j.passesOn(status) {
		return nil
	}
	f := &j.s.fields
	f.Reset()
	if err := j.addLines(f, text, lines, false); err != nil {
		j.fail(502, reasonProtocol, "")
		return nil
	}
	j.informed = true
	_ = j.c.Inform(status, f) // not started yet, and the status is 102 to 199
	return nil
}

// onStreamData takes bytes of the response's body.
//
// Hot path: once per piece of a body. No allocation: TestMuxAllocs.
func (j *job) onStreamData(u *upstream, b []byte, end bool) {
	defer j.guard(j.c)
	j.moved = j.s.loop.Now()
	if j.stage < stageRelay || j.stage == stageTunnel && j.left == 0 {
		j.fail(502, reasonProtocol, "")
		return
	}
	u.owed += int64(len(b))
	id, room := u.id, true
	if j.kind != http1.BodyNone && len(b) > 0 {
		if j.left >= 0 {
			if j.left -= int64(len(b)); j.left < 0 {
				j.fail(502, reasonProtocol, "") // cut: it promised less
				return
			}
		}
		room = j.c.SendBody(b)
	}
	switch {
	case u.job != j || u.id != id: // the client went away meanwhile
	case j.c.Ended(): // a filter gave the exchange up
		j.drop()
	case end && j.stage == stageTunnel:
		j.workerEnded()
	case end:
		j.endStream(u)
	case !room:
		j.choked = true // no credit until the client has taken it
	case !j.choked:
		u.credit()
	}
}

// onStreamTrailers takes TRAILERS, the end of a response.
func (j *job) onStreamTrailers(u *upstream, text []byte, lines *frame.Lines) error {
	defer j.guard(j.c)
	if j.stage != stageRelay {
		return frame.ErrOrder
	}
	t := j.c.Trailers()
	for {
		n, nl, v, vl, ok, err := lines.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if name := text[n : n+nl]; http1.TrailerAllowed(http1.KnownName(name)) && !isOurs(name) {
			_ = t.AddBytes(name, text[v:v+vl]) // trailers are optional: one that does not fit is left out
		}
	}
	j.endStream(u)
	return nil
}

// onStreamCancel takes a CANCEL.
func (j *job) onStreamCancel(u *upstream, c frame.Code) {
	defer j.guard(j.c)
	u.over = true
	if j.stage == stageTunnel && j.left == 0 {
		j.bodyDone = true
		j.endTunnel()
		return
	}
	j.lost(c != frame.Refused && j.consumed(), 502, reasonAbandoned)
}

// endStream ends a whole response. One that is shorter than it said is cut.
func (j *job) endStream(u *upstream) {
	if j.left > 0 && j.kind != http1.BodyNone {
		j.fail(502, reasonProtocol, "")
		return
	}
	u.over = j.bodyDone && j.fileSent() // else the worker may still wait for the rest of the body
	c, x := j.c, j.x
	j.partStream(u)
	end(c, x)
}

// partStream ends j, whose worker has answered.
func (j *job) partStream(u *upstream) {
	s, l := j.s, j.lane
	l.removeBusy(j)
	j.lane, j.up, u.job = nil, nil, nil
	s.release(j)
	l.w.completed()
	u.close()
	if s.pool.waiters.Load() > 0 {
		s.serve()
	}
}
