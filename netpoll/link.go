package netpoll

import (
	"errors"
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLinkFull: the link takes nothing now; OnRoom tells when it does.
var ErrLinkFull = errors.New("netpoll: link full")

// LinkHandler is told what happens on a link, on its loop. It may close the link.
type LinkHandler interface {
	// OnPacket gets one packet, valid during the call, and the descriptor that came with it, which
	// is the handler's from here on; -1 for none.
	OnPacket(k *Link, b []byte, fd int)
	// OnRoom says that the link takes packets again after ErrLinkFull.
	OnRoom(k *Link)
	// OnEnd says that the link has ended, and is closed. The last call; none after Close.
	OnEnd(k *Link, err error)
}

// Link is a SOCK_SEQPACKET socket to another process, by which connections are given to it and taken
// from it. It belongs to one loop and all methods run there.
type Link struct {
	loop    *Loop
	handler LinkHandler
	fd      int
	gen     uint32
	blocked bool
	queue   [][]byte // packets without descriptor that wait for room; at most linkQueueMax
	again   func()   // reads on in a later turn
}

// DialLink connects to a, a Unix socket. ErrBacklogFull as for Dial.
func (l *Loop) DialLink(a *Address, h LinkHandler) (*Link, error) {
	if l.stopping.Load() {
		return nil, ErrStopped
	}
	fd, err := unixSocket(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, a.sa); err != nil {
		sysClose(fd)
		if err == unix.EAGAIN {
			return nil, ErrBacklogFull
		}
		return nil, os.NewSyscallError("connect", err)
	}
	k, err := l.AdoptLink(fd, h)
	if err != nil {
		sysClose(fd)
	}
	return k, err
}

// AdoptLink enters a connected socket; the loop owns fd from here on, after an error the caller does.
func (l *Loop) AdoptLink(fd int, h LinkHandler) (*Link, error) {
	l.checkOn()
	if l.stopping.Load() {
		return nil, ErrStopped
	}
	k := &Link{loop: l, handler: h, fd: fd, gen: l.nextGen()}
	k.again = k.receive
	if err := l.poller.add(fd, k.gen, false); err != nil {
		return nil, err
	}
	if l.links == nil {
		l.links, l.packet = map[int]*Link{}, make([]byte, PacketMax)
	}
	l.links[fd] = k
	return k, nil
}

// Closed reports whether k is closed.
func (k *Link) Closed() bool { return k.fd < 0 }

// Close ends the link; its handler is not called any more.
func (k *Link) Close() {
	if k.fd >= 0 {
		delete(k.loop.links, k.fd)
		sysClose(k.fd)
		k.fd, k.queue = -1, nil
	}
}

func (k *Link) end(err error) {
	if k.fd >= 0 {
		k.Close()
		k.handler.OnEnd(k, err)
	}
}

func (k *Link) onEvent(ev *event) {
	if ev.writable && k.blocked {
		k.blocked = false
		k.loop.poller.watch(k.fd, k.gen, false)
		if k.flush(); k.fd >= 0 && !k.blocked {
			k.handler.OnRoom(k)
		}
	}
	if ev.readable || ev.hangup || ev.failed {
		k.receive()
	}
}

// receive reads to EAGAIN, as sockets that carry descriptors are to be; others get their turn meanwhile.
func (k *Link) receive() {
	for range packetsPerTurn {
		if k.fd < 0 {
			return
		}
		n, fd, e := sysRecvFD(k.fd, k.loop.packet)
		switch {
		case e == unix.EAGAIN:
			return
		case e == unix.EINTR:
			continue
		case e != 0:
			k.end(os.NewSyscallError("recvmsg", e))
			return
		case n == 0:
			k.end(io.EOF)
			return
		}
		k.handler.OnPacket(k, k.loop.packet[:n], fd)
	}
	k.loop.Post(k.again) // false: the loop ends, and closes k
}

// Say sends b, without a descriptor, now or when there is room, in order. A peer that does not read
// while linkQueueMax packets wait has the link closed in a later turn.
func (k *Link) Say(b []byte) {
	if k.fd < 0 {
		return
	}
	if len(k.queue) == linkQueueMax {
		k.loop.Post(func() { k.end(ErrLinkFull) }) // false: the loop ends, and closes k
		return
	}
	k.queue = append(k.queue, append([]byte(nil), b...))
	k.flush()
}

// flush sends what waits. An error other than that of a full socket is met by reading.
func (k *Link) flush() {
	for len(k.queue) > 0 && !k.blocked {
		if err := k.send(k.queue[0], -1); err == ErrLinkFull {
			return
		}
		k.queue[0] = nil
		k.queue = k.queue[1:]
	}
}

// send sends one packet now.
func (k *Link) send(b []byte, fd int) error {
	for {
		switch e := sysSendFD(k.fd, b, fd); e {
		case 0:
			return nil
		case unix.EINTR:
		case unix.EAGAIN:
			k.blocked = true
			k.loop.poller.watch(k.fd, k.gen, true)
			return ErrLinkFull
		case unix.ENOBUFS, unix.ENOMEM, unix.ETOOMANYREFS: // too many descriptors under way
			return ErrLinkFull
		default:
			return os.NewSyscallError("sendmsg", e)
		}
	}
}

// Give sends the connection itself to the other end of k, with packet b, and takes it out of this
// process: c is closed then without a word to its handler. Nothing may be queued on c; its Input goes
// along in b, or is lost. After an error c is as it was, unless Closed says otherwise.
//
// The descriptor leaves the poller before it leaves the process: an epoll registration survives close
// while another process holds the description.
//
// Hot path: once per hand-off. No allocation: TestGiveAllocs.
func (c *Conn) Give(k *Link, b []byte) error {
	l := c.loop
	switch {
	case c.fd < 0 || c.head != nil || c.flags&flagConnecting != 0:
		return os.ErrInvalid
	case k.fd < 0:
		return io.ErrClosedPipe
	case k.blocked || len(k.queue) > 0:
		return ErrLinkFull
	}
	fd := int(c.fd)
	l.poller.remove(fd)
	if err := k.send(b, fd); err != nil {
		c.flags &^= flagKnown | flagOut
		if c.register() != nil { // no memory: it cannot be served here either
			c.Close()
		}
		return err
	}
	c.leave()
	sysClose(fd)
	if l.fdShort {
		l.retryAccepts()
	}
	if c.capped {
		l.Config.Conns.release()
	}
	return nil
}

// Input is what was received and not consumed yet; valid until the next event.
func (c *Conn) Input() []byte {
	if c.in == nil {
		return nil
	}
	return c.in.Bytes()
}

// AdoptFrom is Adopt for a socket that is known to be connected to peer and non-blocking: one system
// call. capped counts it in Config.Conns, beyond the bound if need be.
func (l *Loop) AdoptFrom(fd int, peer netip.AddrPort, capped bool, h Handler) (*Conn, error) {
	l.checkOn()
	if l.stopping.Load() {
		return nil, ErrStopped
	}
	c := l.newConn(fd)
	c.handler = h
	c.peer.set(peer)
	if err := c.register(); err != nil {
		c.leave()
		return nil, err
	}
	if capped && l.Config.Conns != nil {
		l.Config.Conns.force()
		c.capped = true
	}
	return c, nil
}

// SocketID is the number of the kernel's socket behind fd; the same for all its descriptors, in
// whatever process. 0: fd is no socket.
func SocketID(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return 0
	}
	return uint64(st.Ino)
}

// ListenLink is a listening Unix socket for links.
func ListenLink(path string, backlog int) (fd int, err error) {
	if fd, err = unixSocket(unix.SOCK_SEQPACKET); err != nil {
		return -1, err
	}
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}
	if err != nil {
		sysClose(fd)
		return -1, err
	}
	return fd, nil
}
