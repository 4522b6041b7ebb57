package netpoll

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// ErrFileShort is why a connection is reset whose file ended before the promised length.
var ErrFileShort = errors.New("netpoll: file is shorter than announced")

// sendFile sends from the file at the head of the queue; false: the kernel takes no more, the pages
// are being read, or the connection failed.
func (c *Conn) sendFile() bool {
	b := c.head
	n := min(b.end-b.off, fileChunkBytes)
	if !resident(b.fileFD, b.off, n) {
		c.warm(b, n)
		return false
	}
	sent, err := sysSendFile(int(c.fd), b.fileFD, &b.off, int(n))
	switch {
	case err == unix.EAGAIN:
		c.flags |= flagBlocked
		return false
	case err == unix.EINTR:
		return true
	case err != nil:
		c.fail(err)
		return false
	case sent == 0:
		c.loop.abort(c, ErrFileShort)
		return false
	}
	c.sent += uint64(sent)
	if b.off >= b.end {
		c.dropHead()
	}
	return true
}

func (l *Loop) abort(c *Conn, err error) {
	h := c.handler
	c.Reset()
	h.OnClose(c, err)
}

// warm reads pages that are not in memory off the loop, then goes on sending. Nothing is sent
// meanwhile; the file stays open because the job holds its buffer.
func (c *Conn) warm(b *Buffer, n int64) {
	l, gen, off := c.loop, c.gen, b.off
	c.flags |= flagWarming
	job := func() {
		_, err := io.Copy(io.Discard, io.NewSectionReader(b.file, off, n))
		l.Post(func() {
			if c.fd < 0 || c.gen != gen {
				return
			}
			if err != nil {
				l.abort(c, err)
				return
			}
			c.flags &^= flagWarming
			c.pushFile(b, n)
		})
	}
	if l.ReadFile == nil || !l.ReadFile(job) {
		go job()
	}
}

// pushFile sends the warmed range without asking again whether it is resident: under memory pressure
// the answer could stay no.
func (c *Conn) pushFile(b *Buffer, n int64) {
	if c.head != b {
		return
	}
	sent, err := sysSendFile(int(c.fd), b.fileFD, &b.off, int(n))
	switch {
	case err == unix.EAGAIN:
		c.flags |= flagBlocked
		return
	case err != nil && err != unix.EINTR:
		c.fail(err)
		return
	case err == nil && sent == 0:
		c.loop.abort(c, ErrFileShort)
		return
	}
	c.sent += uint64(max(sent, 0))
	if b.off >= b.end {
		c.dropHead()
	}
	c.flush()
}
