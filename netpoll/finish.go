package netpoll

import "time"

// finish is reached when a connection that is to be closed has nothing left to send.
func (c *Conn) finish() {
	if c.flags&flagLinger == 0 || c.flags&flagEOF != 0 {
		c.Close()
		return
	}
	c.flags &^= flagFinish
	c.ShutdownWrite()
	if c.in != nil {
		c.loop.release(c.in)
		c.in = nil
	}
	c.handler = lingerer{}
	c.sent = 0 // counts what is discarded from here on
	c.Bulk(true)
	c.loop.wheel.schedule(&c.timer, c.loop.now+int64(LingerTimeout))
	c.flags |= flagPending
	c.Resume()
}

// finisher is the handler of a connection whose last bytes are being sent; reading is paused.
type finisher struct{ idle }

// OnTimer comes finishEvery after Finish: what is left must move from now on.
func (finisher) OnTimer(c *Conn, now int64) {
	c.handler = &rated{last: c.sent}
	c.SetTimer(now + int64(finishEvery))
}

// rated is a finisher that closes when the peer takes less than Config.FinishRate.
type rated struct {
	idle
	last uint64
}

func (f *rated) OnTimer(c *Conn, now int64) {
	want := c.loop.FinishRate * int(finishEvery/time.Second)
	if want > 0 && c.sent-f.last < uint64(want) {
		c.Close()
		return
	}
	f.last = c.sent
	c.SetTimer(now + int64(finishEvery))
}

// lingerer discards what still comes after FIN was sent, within bounds.
type lingerer struct{ idle }

func (lingerer) OnData(c *Conn, b []byte) int {
	if c.sent += uint64(len(b)); c.sent > lingerBytesMax {
		c.Close()
	}
	return len(b)
}
func (lingerer) OnEOF(c *Conn)            { c.Close() }
func (lingerer) OnTimer(c *Conn, _ int64) { c.Close() }

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
