package worker

import (
	"weir/protocol/frame"
	"weir/protocol/http1"
)

// mayTunnel says whether the request asks for a tunnel, so that neither body nor END came with it.
func (x *muxStream) mayTunnel() bool { return x.req.Upgrade || x.req.Verb == http1.VerbConnect }

// startTunnel makes the stream a tunnel: what the front sends from here on is the client's bytes.
func (x *muxStream) startTunnel() {
	x.tunnel, x.noBody, x.left = true, false, frame.LengthUnknown
	x.sink, x.bodyTold, x.paused = nil, false, false
}

// CloseWrite implements pipeline.Exchange.
func (x *muxStream) CloseWrite() {
	if !x.tunnel || x.halfDone || x.ss == nil {
		return
	}
	x.halfDone = true
	if len(x.parts) == 0 {
		x.writeEnd()
	}
}

// endTunnel ends both directions.
func (x *muxStream) endTunnel() {
	if !x.endSent {
		x.writeEnd()
	}
	if !x.bodyDone {
		conn := x.ss.conn
		conn.Commit(frame.AppendCancel(conn.Reserve(frameRoom), x.id, frame.Over))
	}
	x.settle()
}
