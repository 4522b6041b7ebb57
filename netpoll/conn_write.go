package netpoll

import (
	"os"

	"golang.org/x/sys/unix"
)

// flagsStuck: sending is pointless until something else happens first.
const flagsStuck = flagBlocked | flagConnecting | flagWarming

// Reserve returns an empty slice at the end of the outbound queue with room for at least n bytes;
// append to it and pass the result to Commit before anything else is written to c.
//
// Hot path: once per response. No allocation: TestEchoAllocs.
func (c *Conn) Reserve(n int) []byte {
	t := c.tail
	if t == nil || t.file != nil || len(t.b)-t.w < n {
		if c.fd < 0 {
			return make([]byte, 0, n) // Commit will drop it
		}
		t = c.addBuffer(n)
	}
	return t.b[t.w:t.w:len(t.b)]
}

// Commit queues what was appended to Reserve's slice. Nothing is sent before the end of the event or
// of the turn, or Flush. When c was closed meanwhile, the bytes are dropped.
func (c *Conn) Commit(b []byte) {
	if c.fd < 0 {
		return
	}
	c.tail.w += len(b)
	c.out += len(b)
	c.loop.queueDirtyUnlessBlocked(c)
}

func (l *Loop) queueDirtyUnlessBlocked(c *Conn) {
	if c.flags&flagsStuck == 0 {
		l.queueDirty(c)
	}
}

// Write queues a copy of b and reports whether the queue is still below HighWatermark; if not, stop
// until OnDrain. Bytes are never refused: who ignores the answer defeats the bound.
func (c *Conn) Write(b []byte) (room bool) {
	if c.fd < 0 {
		return false
	}
	for len(b) > 0 {
		t := c.tail
		if t == nil || t.file != nil || t.w == len(t.b) {
			t = c.addBuffer(min(len(b), queuePieceBytes))
		}
		n := copy(t.b[t.w:], b)
		t.w += n
		c.out += n
		b = b[n:]
	}
	c.loop.queueDirtyUnlessBlocked(c)
	return c.Room()
}

// WriteThrough sends b now, after what is queued, and queues a copy of what the kernel does not take.
// For large pieces: it saves the copy. Room as Write. An error of the send is told at the end of the
// turn, as for Write.
func (c *Conn) WriteThrough(b []byte) (room bool) {
	if c.fd < 0 {
		return false
	}
	v := &c.loop.vec
	if c.flags&flagsStuck != 0 || !c.vectorise() || v.n == iovecsMax {
		return c.Write(b)
	}
	v.add(b)
	queued := c.out
	n, e := v.send(int(c.fd), false)
	switch e {
	case 0:
	case unix.EAGAIN:
		n = 0
		c.block()
	default: // EINTR; or an error, which the send at the end of the turn meets again
		n = 0
	}
	c.consumed(min(n, queued))
	if n > queued {
		c.sent += uint64(n - queued)
		b = b[n-queued:]
	}
	if c.flags&flagFull != 0 {
		c.loop.queueDirty(c) // OnDrain may be due
	}
	return c.Write(b)
}

// vectorise loads the queued buffers into the loop's vector; false when a file is among them.
func (c *Conn) vectorise() bool {
	v := &c.loop.vec
	v.n = 0
	for b := c.head; b != nil; b = b.next {
		if b.file != nil {
			v.n = 0
			return false
		}
		if v.n == iovecsMax {
			return true
		}
		v.add(b.Bytes())
	}
	return true
}

// Room reports whether the outbound queue is below HighWatermark; if not, OnDrain will come.
func (c *Conn) Room() bool {
	if c.out < HighWatermark {
		return true
	}
	c.flags |= flagFull
	return false
}

// Queued is the bytes in memory that the kernel has not taken yet.
func (c *Conn) Queued() int { return c.out }

// Pending reports whether anything, files included, is still to be sent.
func (c *Conn) Pending() bool { return c.head != nil }

// Offered reports whether anything waits for the peer to take it: Pending, and not for the disk.
func (c *Conn) Offered() bool { return c.head != nil && c.flags&flagWarming == 0 }

// Sent is the bytes the kernel has taken since the connection began.
func (c *Conn) Sent() uint64 { return c.sent }

// ShutdownWrite sends FIN when all that is queued has been sent. Write no more after it.
func (c *Conn) ShutdownWrite() {
	switch {
	case c.fd < 0:
	case c.head != nil || c.flags&flagConnecting != 0:
		c.flags |= flagShut
		c.loop.queueDirtyUnlessBlocked(c)
	default:
		c.shutdownWrite()
	}
}

func (c *Conn) shutdownWrite() {
	c.flags &^= flagShut
	_ = unix.Shutdown(int(c.fd), unix.SHUT_WR) // ENOTCONN: the peer is gone already
}

// Flush sends what is queued now. Callbacks that follow from it (OnDrain, or OnClose after an error)
// come at the end of the turn.
func (c *Conn) Flush() {
	if c.head == nil {
		return
	}
	_ = c.push() // an error is met again at the end of the turn, and told there
	c.loop.queueDirty(c)
}

func (c *Conn) flushOwn() {
	if c.head != nil {
		c.flush()
	}
}

// flush sends what can be sent and tells the handler what follows from it. Never below a callback.
//
// Hot path: once per event. No allocation: TestEchoAllocs.
func (c *Conn) flush() {
	if err := c.push(); err != nil {
		c.sendFailed(err)
		return
	}
	if c.flags&flagFull != 0 && c.out < LowWatermark {
		c.flags &^= flagFull
		c.handler.OnDrain(c)
	}
	if c.flags&(flagFinish|flagShut) != 0 && c.head == nil && c.fd >= 0 {
		c.sentAll()
	}
}

// push sends until the queue is empty or the kernel takes no more.
func (c *Conn) push() error {
	if c.flags&flagBroken != 0 {
		c.dropQueue()
		return nil
	}
	for c.head != nil && c.flags&flagsStuck == 0 {
		if c.head.file != nil {
			if err := c.sendFile(); err != nil {
				return err
			}
			continue
		}
		n, e := c.sendQueued()
		switch e {
		case 0:
			c.consumed(n)
		case unix.EAGAIN:
			c.block()
		case unix.EINTR:
		default:
			return os.NewSyscallError("send", e)
		}
	}
	return nil
}

// sendFailed ends c because of err. A file that cannot be sent whole ends it by RST: the peer must
// not take what it got for whole.
func (c *Conn) sendFailed(err error) {
	if c.head.file == nil {
		c.unsendable(err)
		return
	}
	h := c.handler
	c.Reset()
	h.OnClose(c, err)
}

// unsendable gives up sending, but not yet reading: a peer that closed without taking all we sent may
// have answered before (a worker that refuses a body does so). What it sent is delivered, then comes
// EOF, then OnClose, or the error. While reading is paused the handler is told of the hang-up.
func (c *Conn) unsendable(err error) {
	if c.flags&(flagEOF|flagBroken|flagFinish) != 0 {
		c.fail(err)
		return
	}
	c.flags |= flagBroken | flagHangup | flagFailed | flagPending
	c.dropQueue()
	c.loop.queueReady(c)
}

// dropQueue forgets what is queued.
func (c *Conn) dropQueue() {
	for c.head != nil {
		c.dropHead()
	}
	c.out = 0
}

// sentAll is reached when nothing is queued any more on a connection that waits for that.
func (c *Conn) sentAll() {
	if c.flags&flagShut != 0 {
		c.shutdownWrite()
	}
	if c.flags&flagFinish != 0 {
		c.finish()
	}
}

// block notes that the kernel takes no more, and has the poller say when it does. It is asked only
// now, because a Unix socket reports room after each piece that its peer reads.
func (c *Conn) block() {
	c.flags |= flagBlocked
	if c.flags&(flagOut|flagKnown) == flagKnown {
		c.flags |= flagOut
		c.loop.poller.watch(int(c.fd), c.gen, true)
	}
}

// onWritable goes on sending, or stops asking for news of room that nobody waits for.
func (c *Conn) onWritable(ev *event) {
	switch {
	case c.flags&flagBlocked != 0:
		c.flags &^= flagBlocked
		c.flush()
	case !ev.readable && !ev.hangup && !ev.failed:
		c.flags &^= flagOut
		c.loop.poller.watch(int(c.fd), c.gen, false)
	}
}

// sendQueued makes one send of the bytes up to the first file.
func (c *Conn) sendQueued() (int, errno) {
	if c.head.next == nil {
		return sysSend(int(c.fd), c.head.Bytes())
	}
	v := &c.loop.vec
	v.n = 0
	b := c.head
	for ; b != nil && b.file == nil && v.n < iovecsMax; b = b.next {
		v.add(b.Bytes())
	}
	return v.send(int(c.fd), b != nil)
}

// consumed drops n sent bytes from the queue.
func (c *Conn) consumed(n int) {
	c.sent += uint64(n)
	c.out -= n
	for c.head != nil && c.head.file == nil {
		left := c.head.w - c.head.r
		if n < left {
			c.head.r += n
			return
		}
		n -= left
		c.dropHead()
	}
}

func (c *Conn) dropHead() {
	b := c.head
	c.head = b.next
	if c.head == nil {
		c.tail = nil
	}
	b.next = nil
	if b.file != nil {
		_ = b.file.Close() // as in SendFile
		return
	}
	c.loop.release(b)
}

func (c *Conn) addBuffer(n int) *Buffer {
	b := c.loop.free.acquireFor(max(n, classBytes[outClass]))
	c.enqueue(b)
	return b
}

func (c *Conn) enqueue(b *Buffer) {
	if c.tail == nil {
		c.head = b
	} else {
		c.tail.next = b
	}
	c.tail = b
}

// SendFile queues n bytes of f from off and takes f. Should the file turn out shorter, or unreadable,
// the connection is reset and OnClose told.
func (c *Conn) SendFile(f *os.File, off, n int64) {
	if c.fd < 0 || n <= 0 {
		_ = f.Close() // opened for reading; there is nothing to lose
		return
	}
	fileFD := -1 // reading from it fails
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { fileFD = int(fd) }) // fails when f is closed: -1 then
	}
	c.enqueue(&Buffer{file: f, fileFD: fileFD, off: off, end: off + n})
	c.loop.queueDirtyUnlessBlocked(c)
}
