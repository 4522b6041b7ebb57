package netpoll

import "time"

// Finish closes the connection when all that is queued has been sent. With linger it then shuts the
// write side and discards what the peer still sends, within bounds, so that the answer is not lost
// to a reset. The handler gets no further call; a second Finish changes nothing.
func (c *Conn) Finish(linger bool) {
	if c.fd < 0 || c.flags&(flagFinish|flagLinger) != 0 {
		return
	}
	c.flags |= flagFinish
	if linger {
		c.flags |= flagLinger
	}
	c.handler = finisher{}
	if c.head == nil {
		c.finish()
		return
	}
	c.Pause()
	c.SetTimer(c.loop.now + int64(finishEvery))
	c.loop.queueDirtyUnlessBlocked(c)
}

// finish is reached when a connection that is to be closed has nothing left to send.
func (c *Conn) finish() {
	if c.flags&flagLinger == 0 || c.flags&flagEOF != 0 || c.flags&flagConnecting != 0 {
		c.Close()
		return
	}
	c.flags &^= flagFinish
	c.shutdownWrite()
	if c.in != nil {
		c.loop.release(c.in)
		c.in = nil
	}
	c.handler = &lingerer{until: c.loop.now + int64(lingerMax)}
	c.Bulk(true)
	c.loop.wheel.schedule(&c.timer, c.loop.now+int64(LingerTimeout))
	c.flags |= flagPending
	c.Resume()
}

// finisher is the handler of a connection whose last bytes are being sent; reading is paused.
type finisher struct{ idle }

// OnTimer comes finishEvery after Finish: what is left must move from now on.
func (finisher) OnTimer(c *Conn, now int64) {
	f := &rated{taken: c.taken(), credit: finishGraceBytes}
	c.handler = f
	c.SetTimer(now + int64(finishEvery))
}

// taken is the bytes that the peer's kernel has acknowledged. Sent would not do: the kernel takes
// bytes in pieces of a third of its send buffer, and a slow reader needs minutes for one. Only
// differences count: a Unix socket counts the kernel's overhead as unacknowledged, too.
func (c *Conn) taken() int64 { return int64(c.sent) - int64(c.Unacked()) }

// rated is a finisher that closes when the peer takes less than Config.FinishRate.
type rated struct {
	idle
	taken  int64
	credit int // bytes the peer is ahead of the rate, at most finishCreditBytes
}

func (f *rated) OnTimer(c *Conn, now int64) {
	if c.flags&flagWarming != 0 {
		f.taken = c.taken() // it is we who are slow
	} else if c.loop.FinishRate > 0 {
		taken := c.taken()
		moved := int(min(taken-f.taken, finishCreditBytes))
		f.taken = taken
		f.credit = min(f.credit+moved, finishCreditBytes) -
			c.loop.FinishRate*int(finishEvery/time.Second)
		if f.credit < 0 {
			c.Close()
			return
		}
	}
	c.SetTimer(now + int64(finishEvery))
}

// lingerer discards what still comes after FIN was sent: until the peer's FIN, LingerTimeout of
// silence, or lingerMax. After lingerBytesMax it reads no more, and the peer's sends come to a halt
// while it can still take the answer.
type lingerer struct {
	idle
	until int64
	bytes int
}

func (f *lingerer) OnData(c *Conn, b []byte) int {
	if f.bytes += len(b); f.bytes > lingerBytesMax {
		c.Pause()
	}
	c.SetTimer(min(c.loop.now+int64(LingerTimeout), f.until))
	return len(b)
}
func (*lingerer) OnEOF(c *Conn)            { c.Close() }
func (*lingerer) OnTimer(c *Conn, _ int64) { c.Close() }

// idle ignores what does not concern a connection on its way out.
type idle struct{}

func (idle) OnOpen(*Conn, error)          {}
func (idle) OnData(_ *Conn, b []byte) int { return len(b) }
func (idle) OnDrain(*Conn)                {}
func (idle) OnEOF(*Conn)                  {}
func (idle) OnTimer(*Conn, int64)         {}
func (idle) OnClose(*Conn, error)         {}
func (idle) OnHangup(c *Conn, reset bool) {
	if reset {
		c.Close()
	}
}
