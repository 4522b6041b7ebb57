package dispatch

import (
	"time"

	"weir/pipeline"
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// A tunnel is a request that was answered by 101, or CONNECT that was answered by 2xx. Its slot stays taken and it counts as in flight until
// it ends: when both sides have sent FIN, or the worker where the protocol is WebSocket, or when one of
// them is gone. Who does not take what the other sends pauses the other. The only clock
// left is timeouts.tunnel: quiet is no sign of a worker that hangs. A WebSocket has no half-closed state,
// so a client's FIN is its end: the worker hears of it, and has socketEndWait for what it still says.

// onSwitch takes a worker's 101 over HTTP/1.1. false: j is over.
//
// RFC 9110 section 7.8: a server must not switch to a protocol that the client has not offered.
func (j *job) onSwitch(r *http1.Response) bool {
	protocol := r.Protocol()
	if protocol == nil || !j.c.Request().Offers(view(protocol)) {
		j.fail(502, reasonProtocol, "")
		return false
	}
	return j.switchTo(string(protocol), r)
}

// onConnect takes a worker's 2xx to CONNECT over HTTP/1.1. false: j is over.
//
// RFC 9110 section 9.3.6: it has no Content-Length and no Transfer-Encoding. A worker that sends one
// takes what follows for a request, in which a client could say what it likes.
func (j *job) onConnect(r *http1.Response) bool {
	if r.Has(http1.ContentLength) || r.Has(http1.TransferEncoding) || j.c.SetStatus(r.Status) != nil {
		j.fail(502, reasonProtocol, "")
		return false
	}
	return j.switchTo("", r)
}

// switchTo takes the fields of r over and starts the tunnel. false: j is over.
func (j *job) switchTo(protocol string, r *http1.Response) bool {
	f := j.c.Fields()
	for i := range r.NumFields() {
		if r.HopByHop(i) || r.KnownOf(i) == http1.ContentLength ||
			r.KnownOf(i) == http1.Server && j.set.HideServer || isOurs(r.FieldName(i)) {
			continue
		}
		if f.AddBytes(r.FieldName(i), r.FieldValue(i)) != nil {
			j.fail(502, reasonProtocol, "")
			return false
		}
	}
	j.reuse = false
	return j.startTunnel(protocol)
}

// connects says whether the request is CONNECT.
func (j *job) connects() bool { return j.c.Request().Verb == http1.VerbConnect }

// onStreamSwitch takes a worker's 101 in mux mode.
func (j *job) onStreamSwitch(text []byte, lines *frame.Lines, end bool) error {
	if end {
		return frame.ErrOrder
	}
	protocol := ""
	f := j.c.Fields()
	for {
		n, nl, v, vl, ok, err := lines.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		name, value := text[n:n+nl], text[v:v+vl]
		switch {
		case foldIs(name, "upgrade"):
			if protocol != "" || http1.OneProtocol(value) == nil {
				j.fail(502, reasonProtocol, "")
				return nil
			}
			protocol = string(value)
			continue
		case j.set.HideServer && foldIs(name, "server"), isOurs(name):
			continue
		}
		if err := f.AddBytes(name, value); err != nil && err != pipeline.ErrFraming {
			j.fail(502, reasonProtocol, "")
			return nil
		}
	}
	if protocol == "" || !j.c.Request().Offers(protocol) {
		j.fail(502, reasonProtocol, "")
		return nil
	}
	j.startTunnel(protocol)
	return nil
}

// onStreamConnect takes a worker's 2xx to CONNECT in mux mode.
func (j *job) onStreamConnect(status int, text []byte, lines *frame.Lines, end bool) error {
	if end {
		return frame.ErrOrder
	}
	err := j.c.SetStatus(status)
	if err == nil {
		err = j.addLines(j.c.Fields(), text, lines, j.set.HideServer)
	}
	if err != nil {
		j.fail(502, reasonProtocol, "")
		return nil
	}
	j.startTunnel("")
	return nil
}

// startTunnel hands the head over, whose fields are set; protocol is "" for CONNECT. false: j is over.
func (j *job) startTunnel(protocol string) bool {
	c, u := j.c, j.up
	j.kind, j.left = http1.BodyTunnel, -1
	j.need, j.wakeAt, j.expecting = 0, 0, false
	j.socket = foldIs([]byte(protocol), "websocket")
	j.x.FromWorker()
	j.observe()
	j.stage = stageTunnel
	j.lane.w.tunnels.Add(1)
	j.keep, j.body = false, j.body[:0]
	j.bodyDone, j.stopped, j.paused = false, false, false
	err := c.StartTunnel(protocol)
	switch {
	case c.Ended():
		if u.job == j { // a callback has given the exchange up
			j.drop()
		}
		return false
	case err != nil: // more fields than a response may have
		j.fail(502, reasonProtocol, "")
		return false
	}
	j.moved = j.s.loop.Now()
	j.arm(j.moved)
	if workerState(j.lane.w.state.Load()) == workerDraining {
		j.x.GoAway(pipeline.ReasonNone)
	}
	c.ReceiveBody(j)
	return u.job == j
}

// clientEnded passes the client's FIN on; the worker may still have something to say.
func (j *job) clientEnded() {
	j.bodyDone = true
	j.moved = j.s.loop.Now()
	j.writeFIN()
	if j.left == 0 {
		j.endTunnel()
		return
	}
	j.armIdle()
}

// workerEnded passes the worker's FIN on; the client may still have something to say.
func (j *job) workerEnded() {
	j.left = 0
	j.moved = j.s.loop.Now()
	if j.socket || j.bodyDone {
		j.endTunnel()
		return
	}
	j.c.CloseWrite()
	j.armIdle()
}

// endTunnel ends a tunnel in order: what each side was sent goes out, then FIN.
func (j *job) endTunnel() {
	s, c, x, l, u := j.s, j.c, j.x, j.lane, j.up
	l.removeBusy(j)
	j.lane, j.up, u.job = nil, nil, nil
	if u.mux == nil {
		u.finish()
	} else {
		if !j.bodyDone {
			u.writeEnd()
		}
		u.over = j.left == 0
		u.close()
	}
	s.release(j)
	l.w.completed()
	s.serve()
	end(c, x)
}

// finish closes the connection once all that is queued has been sent; the slot is free at once.
func (u *upstream) finish() {
	u.closed = true
	u.conn.Finish(false)
	u.lane.w.giveBack()
}

// writeFIN tells the worker that the client sends no more.
func (j *job) writeFIN() {
	if u := j.up; u.mux != nil {
		u.writeEnd()
	} else {
		u.conn.ShutdownWrite()
	}
}

// tunnelClock is how long a tunnel may be quiet; one of which a side has ended, as long as an answer, or
// as a WebSocket's end.
func (j *job) tunnelClock() time.Duration {
	d := j.times.Tunnel
	if !j.bodyDone && j.left != 0 {
		return d
	}
	half := j.times.Idle
	if j.socket && (half == 0 || half > socketEndWait) {
		half = socketEndWait
	}
	if half > 0 && (d == 0 || half < d) {
		return half
	}
	return d
}

// tunnelIdle ends a tunnel that was quiet for too long: gently, as the client may only be waiting. That
// of a WebSocket has gone if it has sent FIN.
func (j *job) tunnelIdle() {
	if !j.socket || !j.bodyDone {
		bump(&j.s.timeouts)
		j.x.GoAway(pipeline.TunnelTimeout)
	}
	j.endTunnel()
}

// goAway has a draining worker's tunnels end.
func (l *lane) goAway() {
	for j := l.busy; j != nil; j = j.nextBusy {
		if j.stage == stageTunnel {
			j.x.GoAway(pipeline.ReasonNone)
		}
	}
}
