package netpoll

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ErrFileShort is why a connection is reset whose file ended before the promised length.
var ErrFileShort = errors.New("netpoll: file is shorter than announced")

// sendFile sends from the file at the head of the queue, or marks the connection stuck: the kernel
// takes no more, or the pages are being read.
func (c *Conn) sendFile() error {
	b := c.head
	n := min(b.end-b.off, fileChunkBytes)
	if b.off >= b.warm && !resident(b.fileFD, b.off, n) {
		c.warm(b, n)
		return nil
	}
	sent, err := sysSendFile(int(c.fd), b.fileFD, &b.off, int(n))
	switch {
	case err == unix.EAGAIN:
		c.block()
		return nil
	case err == unix.EINTR:
		return nil
	case err != nil:
		return os.NewSyscallError("sendfile", err)
	case sent == 0:
		return ErrFileShort
	}
	c.sent += uint64(sent)
	if b.off >= b.end {
		c.dropHead()
	}
	return nil
}

// warm reads pages that are not in memory off the loop, then goes on sending. Nothing is sent
// meanwhile.
func (c *Conn) warm(b *Buffer, n int64) {
	c.flags |= flagWarming
	c.loop.cold.add(coldRead{c, b, n})
}
