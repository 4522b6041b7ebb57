package netpoll

import (
	"os"

	"golang.org/x/sys/unix"
)

// onEvent handles one readiness report.
//
// Hot path: once per event. No allocation: TestEchoAllocs.
func (c *Conn) onEvent(ev *event) {
	if c.flags&flagConnecting != 0 && !c.onConnect(ev) {
		return
	}
	if ev.writable && c.flags&flagOut != 0 {
		c.onWritable(ev)
	}
	if ev.hangup || ev.failed {
		c.flags |= flagHangup
		if ev.failed {
			c.flags |= flagFailed
		}
	} else if !ev.readable {
		return
	}
	switch {
	case c.fd < 0:
	case c.flags&flagPaused != 0:
		c.flags |= flagPending
		c.tellHangup()
	case c.flags&flagEOF == 0:
		c.deliver()
	case ev.failed: // FIN was read before, so no read would meet the error
		c.failPending()
	}
}

// tellHangup reports an announced FIN or error, once each, to a handler that does not read.
func (c *Conn) tellHangup() {
	told := flagToldReset
	switch {
	case c.flags&flagHangup == 0:
		return
	case c.flags&flagFailed == 0:
		if told = flagTold; c.flags&flagEOF != 0 { // OnEOF has said it
			return
		}
	}
	if c.flags&told != 0 {
		return
	}
	c.flags |= told | flagTold
	c.handler.OnHangup(c, told == flagToldReset)
	if c.fd >= 0 {
		c.flushOwn()
	}
}

// failPending ends c by the error that an event announced.
func (c *Conn) failPending() {
	err := c.socketError()
	if err == nil {
		err = os.NewSyscallError("recv", unix.ECONNRESET) // a send has taken the error already
	}
	c.fail(err)
}

// deliver passes on what is unconsumed, then reads; what the handler wrote leaves in one send.
func (c *Conn) deliver() {
	if !c.deliverAgain() {
		c.flags |= flagPending
	} else if c.fd >= 0 && c.flags&flagEOF == 0 {
		c.read()
	}
	if c.fd < 0 {
		return
	}
	if c.in != nil {
		c.settle()
	}
	c.flushOwn()
}

// deliverAgain goes on with input that came back by RestoreInput and Resume, before anything behind it
// is read: the end must not overtake it. So the answers to a pipeline leave in one send also where
// each request took the buffer. False when some is left: c is on the ready list then, or paused.
func (c *Conn) deliverAgain() (done bool) {
	for range againsPerTurn {
		switch {
		case c.fd < 0 || c.flags&flagAgain == 0:
			return true
		case c.in == nil:
			c.flags &^= flagAgain
			return true
		case c.flags&flagPaused != 0:
			return false
		}
		c.flags &^= flagAgain
		c.feed()
	}
	return c.fd < 0 || c.flags&flagAgain == 0
}

// read receives until the kernel has no more, the budget is spent, or the handler pauses.
func (c *Conn) read() {
	for budget := readBudgetBytes; c.flags&flagPaused == 0; {
		b := c.readInto()
		if b == nil {
			return
		}
		n, e := sysRecv(int(c.fd), b)
		switch {
		case e == unix.EAGAIN:
			c.dropEmpty()
			c.flags &^= flagPending
			return
		case e == unix.EINTR:
			continue
		case e != 0:
			c.failErrno("recv", e)
			return
		case n == 0:
			c.dropEmpty()
			c.flags = c.flags&^flagPending | flagEOF
			c.handler.OnEOF(c)
			if c.fd >= 0 && c.flags&flagBroken != 0 { // both directions have ended
				c.failErrno("send", unix.EPIPE)
			}
			return
		}
		c.received(b[:n])
		if !c.deliverAgain() {
			c.flags |= flagPending
			return
		}
		if c.fd < 0 {
			return
		}
		if n < len(b) && c.flags&flagHangup == 0 {
			c.flags &^= flagPending // a short read: the next byte is a new edge
			return
		}
		if budget -= n; budget <= 0 {
			c.flags |= flagPending // should it be paused before its turn comes
			c.loop.queueReady(c)
			return
		}
	}
	c.flags |= flagPending
}

// readInto chooses where the next bytes go; nil when there is no place for them now.
func (c *Conn) readInto() []byte {
	l := c.loop
	if c.in == nil {
		if c.flags&flagBulk != 0 {
			return c.bulkInto()
		}
		if l.over(c) {
			c.flags |= flagPending
			l.starve(c)
			return nil
		}
		c.in = l.free.acquire(inClass)
		return c.in.b
	}
	in := c.in
	if in.w < len(in.b) {
		return in.b[in.w:]
	}
	if in.r > 0 {
		in.w = copy(in.b, in.Bytes())
		in.r = 0
		return in.b[in.w:]
	}
	if int(in.class) >= inClass && c.flags&flagGrow == 0 {
		c.flags |= flagPending // full and no more wanted: Resume will bring us back
		return nil
	}
	if l.over(c) { // a head that goes on and on is memory, too
		c.flags |= flagPending
		l.starve(c)
		return nil
	}
	c.flags &^= flagGrow
	c.replaceInput(min(int(in.class)+1, maxClass+1))
	return c.in.b[c.in.w:]
}

// bulkInto is as much of the shared buffer as the taker is likely to take. What it does not take is
// queued for it, so one that falls behind is fed in smaller pieces.
func (c *Conn) bulkInto() []byte {
	if c.flags&flagNarrow != 0 {
		c.flags &^= flagNarrow // unless this piece makes it pause again
		return c.loop.scratch[:narrowBytes]
	}
	return c.loop.scratch
}

// replaceInput moves the unconsumed input to a buffer of another class; beyond the largest class to
// one of twice the size.
func (c *Conn) replaceInput(class int) {
	l, old := c.loop, c.in
	var b *Buffer
	if class > maxClass {
		b = l.free.acquireOver(2 * len(old.b))
	} else {
		b = l.free.acquire(class)
	}
	b.w = copy(b.b, old.Bytes())
	c.in = b
	l.release(old)
}

// dropEmpty gives back a fresh buffer into which nothing was read.
func (c *Conn) dropEmpty() {
	if c.in != nil && c.in.r == c.in.w {
		c.loop.release(c.in)
		c.in = nil
	}
}

func (c *Conn) received(b []byte) {
	if c.in != nil {
		c.in.w += len(b)
		c.feed()
		return
	}
	n := c.handler.OnData(c, b)
	if n < len(b) && c.fd >= 0 {
		c.keep(b[n:])
		// When Bulk was ended, the rest is for whoever reads from here on.
		if c.flags&(flagBulk|flagPaused) == 0 {
			c.flags |= flagAgain
			c.loop.queueReady(c)
		}
	}
}

// keep stores unconsumed bytes of the scratch buffer.
func (c *Conn) keep(b []byte) {
	if old := c.in; old != nil { // restored by the handler meanwhile, so older
		c.in = c.loop.joined(old.Bytes(), b)
		c.loop.release(old)
		return
	}
	c.in = c.loop.joined(b, nil)
}

// joined is a buffer that holds a copy of first and second.
func (l *Loop) joined(first, second []byte) *Buffer {
	b := l.free.acquireFor(len(first) + len(second))
	b.w = copy(b.b, first)
	b.w += copy(b.b[b.w:], second)
	return b
}

// feed delivers the inbound buffer and drops what was consumed.
func (c *Conn) feed() {
	in := c.in
	c.flags &^= flagTaken
	n := c.handler.OnData(c, in.Bytes())
	if c.in != in || c.flags&flagTaken != 0 { // closed; or taken, and perhaps given back
		return
	}
	if in.r += n; in.r == in.w {
		c.loop.release(in)
		c.in = nil
	}
}

// settle moves a small rest out of a large buffer, so that waiting connections hold little.
func (c *Conn) settle() {
	if n := c.in.w - c.in.r; int(c.in.class) >= inClass && n <= classBytes[1]/2 {
		c.replaceInput(classFor(2 * n))
	}
}

// TakeInput hands the buffer behind OnData's b over to the caller, who gives it back by
// ReleaseInput or RestoreInput. b stays valid until then; OnData's result is ignored. Not for Bulk
// connections, whose bytes lie in the loop's shared buffer: nil. Unless c is paused, reading goes on
// into another buffer.
func (c *Conn) TakeInput() *Buffer {
	b := c.in
	c.in = nil
	c.flags |= flagTaken
	return b
}

// ReleaseInput gives a taken buffer back for good.
func (c *Conn) ReleaseInput(b *Buffer) { c.loop.release(b) }

// RestoreInput gives a taken buffer back with its last rest bytes unconsumed; they are delivered
// again after Resume, before anything received since.
func (c *Conn) RestoreInput(b *Buffer, rest int) {
	switch newer := c.in; {
	case c.fd < 0 || rest == 0:
		c.loop.release(b)
	case newer != nil:
		c.in = c.loop.joined(b.b[b.w-rest:b.w], newer.Bytes())
		c.loop.release(newer)
		c.loop.release(b)
	default:
		b.r = b.w - rest
		c.in = b
	}
}

// PushInput puts a copy of b before what is still to be delivered, as if the socket had sent it: for
// adopted connections of which something was read elsewhere. OnData gets it in a later turn.
func (c *Conn) PushInput(b []byte) {
	if c.fd < 0 || len(b) == 0 {
		return
	}
	if newer := c.in; newer != nil {
		c.in = c.loop.joined(b, newer.Bytes())
		c.loop.release(newer)
	} else {
		c.in = c.loop.joined(b, nil)
	}
	c.flags |= flagAgain
	c.loop.queueReady(c)
}

// Grow says that OnData needs more bytes in one piece than the inbound buffer may hold; it is to be
// called in OnData.
func (c *Conn) Grow() { c.flags |= flagGrow }

// Bulk chooses, while on, the loop's shared buffer of 256 KiB for reads, or 64 KiB of it after a Pause:
// cheaper for bytes that are passed on at once, but they cannot be taken.
func (c *Conn) Bulk(on bool) {
	c.flags &^= flagBulk
	if on {
		c.flags |= flagBulk
	}
}

// Pause stops reading: no system call, the kernel's buffer fills and the peer's window closes. Should
// the peer's end be known already and lie behind unread bytes, OnHangup comes later in this turn.
func (c *Conn) Pause() {
	c.flags |= flagPaused | flagNarrow
	if c.flags&(flagHangup|flagToldReset) == flagHangup && c.fd >= 0 {
		c.loop.queueReady(c)
	}
}

// Paused reports whether reading is paused.
func (c *Conn) Paused() bool { return c.flags&flagPaused != 0 }

// Resume goes on reading. If bytes may be waiting, here or in the kernel, they are delivered later in
// this turn or in the next; never from inside Resume.
func (c *Conn) Resume() {
	if c.fd < 0 {
		return
	}
	c.flags &^= flagPaused
	if c.in != nil {
		c.flags |= flagAgain
	}
	if c.flags&(flagAgain|flagPending) != 0 {
		c.loop.queueReady(c)
	}
}
