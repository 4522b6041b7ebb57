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
		t = c.addBuffer(n)
	}
	return t.b[t.w:t.w:len(t.b)]
}

// Commit queues what was appended to Reserve's slice. Nothing is sent before the end of the event or
// of the turn, or Flush.
func (c *Conn) Commit(b []byte) {
	c.tail.w += len(b)
	c.out += int32(len(b))
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
			t = c.addBuffer(min(len(b), scratchBytes))
		}
		n := copy(t.b[t.w:], b)
		t.w += n
		c.out += int32(n)
		b = b[n:]
	}
	c.loop.queueDirtyUnlessBlocked(c)
	return c.Room()
}

// WriteThrough sends b now, after what is queued, and queues a copy of what the kernel does not take.
// For large pieces: it saves the copy. Room as Write.
func (c *Conn) WriteThrough(b []byte) (room bool) {
	if c.fd < 0 {
		return false
	}
	if c.flags&flagsStuck != 0 || !c.vectorise() {
		return c.Write(b)
	}
	v := &c.loop.vec
	if v.n == iovecsMax {
		v.n = 0
		return c.Write(b)
	}
	v.add(b)
	queued := int(c.out)
	n, e := v.send(int(c.fd), false)
	if e != 0 {
		n = 0
		if e != unix.EAGAIN && e != unix.EINTR {
			c.failErrno("send", e)
			return false
		}
	}
	c.consumed(min(n, queued))
	if n > queued {
		c.sent += uint64(n - queued)
		b = b[n-queued:]
	}
	if len(b) == 0 {
		return true
	}
	if e == unix.EAGAIN {
		c.flags |= flagBlocked
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

// Queued is the bytes in memory that the kernel has not taken yet; Pending reports whether anything
// at all, files included, waits.
func (c *Conn) Queued() int { return int(c.out) }

// Pending reports whether anything, files included, is still to be sent.
func (c *Conn) Pending() bool { return c.head != nil }

// Sent is the bytes the kernel has taken since the connection began.
func (c *Conn) Sent() uint64 { return c.sent }

// Finish closes the connection when all that is queued has been sent. With linger it then shuts the
// write side and discards what the peer still sends, within bounds, so that the answer is not lost
// to a reset. The handler gets no further call.
func (c *Conn) Finish(linger bool) {
	if c.fd < 0 {
		return
	}
	c.flags |= flagFinish
	if linger {
		c.flags |= flagLinger
	}
	c.handler = finisher{}
	c.Pause()
	c.SetTimer(c.loop.now + int64(finishEvery))
	if c.head == nil {
		c.finish()
		return
	}
	c.loop.queueDirtyUnlessBlocked(c)
}

// ShutdownWrite sends FIN after what is queued is gone; call it with an empty queue.
func (c *Conn) ShutdownWrite() {
	if c.fd >= 0 {
		_ = unix.Shutdown(int(c.fd), unix.SHUT_WR) // ENOTCONN: the peer is gone already
	}
}

// Flush sends what is queued now.
func (c *Conn) Flush() { c.flush() }

func (c *Conn) flushOwn() {
	if c.head != nil {
		c.flush()
	}
}

// flush sends until the queue is empty or the kernel takes no more.
//
// Hot path: once per event. No allocation: TestEchoAllocs.
func (c *Conn) flush() {
	for c.head != nil && c.flags&flagsStuck == 0 {
		if c.head.file != nil {
			if !c.sendFile() {
				return
			}
			continue
		}
		n, e := c.sendQueued()
		switch e {
		case 0:
			c.consumed(n)
		case unix.EAGAIN:
			c.flags |= flagBlocked
		case unix.EINTR:
		default:
			c.failErrno("send", e)
			return
		}
	}
	if c.fd < 0 {
		return
	}
	if c.flags&flagFull != 0 && c.out < LowWatermark {
		c.flags &^= flagFull
		c.handler.OnDrain(c)
	}
	if c.flags&flagFinish != 0 && c.head == nil && c.fd >= 0 {
		c.finish()
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
	c.out -= int32(n)
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
		_ = b.file.Close() // opened for reading; there is nothing to lose
		return
	}
	c.loop.release(b)
}

func (c *Conn) addBuffer(n int) *Buffer {
	var b *Buffer
	if class := max(classFor(n), outClass); class <= maxClass {
		b = c.loop.free.acquire(class)
	} else {
		b = c.loop.free.acquireOver(n)
	}
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

// SendFile queues n bytes of f from off and takes f.
func (c *Conn) SendFile(f *os.File, off, n int64) {
	if c.fd < 0 || n == 0 {
		_ = f.Close()
		return
	}
	raw, err := f.SyscallConn()
	fileFD := -1
	if err == nil {
		err = raw.Control(func(fd uintptr) { fileFD = int(fd) })
	}
	if err != nil {
		_ = f.Close()
		c.fail(err)
		return
	}
	c.enqueue(&Buffer{file: f, fileFD: fileFD, off: off, end: off + n})
	c.loop.queueDirtyUnlessBlocked(c)
}
