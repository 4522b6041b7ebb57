package netpoll

import (
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Handler is told what happens on a connection, on its loop. A method may write to, pause or close any
// connection of the same loop. No method of Conn calls a Handler method: calls never nest, so that a
// handler never finds its state changed behind its back.
type Handler interface {
	// OnOpen ends a dial that was in progress: err is nil when the connection stands, else it is closed
	// and this is the last call. Accepted connections get no OnOpen.
	OnOpen(c *Conn, err error)
	// OnData gets every byte received and not consumed yet, in one piece, and returns how many it
	// consumed. b is valid during the call, or until the Buffer is released if TakeInput was called.
	// It is called again when more has come, or after Resume.
	OnData(c *Conn, b []byte) (n int)
	// OnDrain says that the outbound queue fell below LowWatermark after a write had found it full.
	OnDrain(c *Conn)
	// OnEOF says that the peer's FIN was read: all it sent was delivered. Writing is still possible.
	OnEOF(c *Conn)
	// OnHangup says that the peer's FIN (reset false) or an error (reset true) arrived while reading
	// is paused; unread bytes may lie before it. At most once for a FIN and once for an error.
	OnHangup(c *Conn, reset bool)
	// OnTimer says that the connection's timer, set by SetTimer, fired.
	OnTimer(c *Conn, now int64)
	// OnClose says that the connection ended by an error, not by Close. The last call.
	OnClose(c *Conn, err error)
}

const (
	flagPaused     uint32 = 1 << iota
	flagPending           // the kernel may hold bytes that no further edge will announce
	flagAgain             // unconsumed input is to be delivered again
	flagReady             // on loop.ready
	flagDirty             // on loop.dirty
	flagStarved           // on loop.starved
	flagBlocked           // send gave EAGAIN; an edge will come
	flagConnecting        // dial in progress
	flagHangup            // FIN or error announced: read until it is reached
	flagBroken            // sending failed; reading goes on to the end
	flagFailed            // an error was announced
	flagTold              // OnHangup was called
	flagToldReset         // for an error
	flagEOF               // FIN was read
	flagFull              // a writer was told that there is no room
	flagGrow              // the handler wants more bytes in one piece
	flagBulk              // read into the loop's scratch buffer
	flagNarrow            // paused since bytes of the scratch buffer all found a taker
	flagTaken             // TakeInput was called in this OnData
	flagFinish            // close when the outbound queue is empty
	flagLinger            // and read on for a while before closing
	flagShut              // send FIN when the outbound queue is empty
	flagKnown             // entered into the poller
	flagOut               // and asked there for writability
	flagWarming           // pages of the file at the head are being read off the loop
)

// Conn is one connected socket. It belongs to one loop and all methods run there.
type Conn struct {
	timer   Timer
	loop    *Loop
	handler Handler
	in      *Buffer // received and not consumed; nil when there is nothing
	head    *Buffer // outbound queue, oldest first; nil when empty
	tail    *Buffer
	sent    uint64 // bytes
	out     int    // bytes in memory in the outbound queue
	fd      int32  // -1 once closed
	gen     uint32
	flags   uint32
	peer    peerAddr
	capped  bool // counted in loop.Config.Conns
}

// Loop is the loop that owns c.
func (c *Conn) Loop() *Loop { return c.loop }

// Peer is the remote address; invalid for Unix sockets.
func (c *Conn) Peer() netip.AddrPort { return c.peer.addrPort() }

// SetPeer replaces the remote address by the one a PROXY header named.
func (c *Conn) SetPeer(a netip.AddrPort) { c.peer.set(a) }

// Local is the address the peer connected to; a system call, so not for every request.
func (c *Conn) Local() netip.AddrPort {
	sa, err := unix.Getsockname(int(c.fd))
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPortOf(sa)
}

// FD is the descriptor, -1 once closed.
func (c *Conn) FD() int { return int(c.fd) }

// Handler is the connection's handler.
func (c *Conn) Handler() Handler { return c.handler }

// SetHandler replaces the handler.
func (c *Conn) SetHandler(h Handler) { c.handler = h }

// Capped reports whether c counts in Config.Conns.
func (c *Conn) Capped() bool { return c.capped }

// Closed reports whether c is closed.
func (c *Conn) Closed() bool { return c.fd < 0 }

// EOF reports whether the peer's FIN was read or announced.
func (c *Conn) EOF() bool { return c.flags&(flagEOF|flagHangup) != 0 }

// Ended reports whether the peer's FIN was read: OnEOF has come.
func (c *Conn) Ended() bool { return c.flags&flagEOF != 0 }

// SetTimer makes OnTimer come at when (ns of loop time) instead of whenever it was set to. Moving it
// later costs nothing until the old time is reached. No effect on a closed connection.
func (c *Conn) SetTimer(when int64) {
	if c.fd < 0 {
		return
	}
	if c.timer.Scheduled() && c.timer.when <= when {
		c.timer.when = max(when, 0)
		return
	}
	c.loop.wheel.schedule(&c.timer, when)
}

// StopTimer takes the timer off.
func (c *Conn) StopTimer() { c.loop.Cancel(&c.timer) }

// OnExpire implements Expirer: it passes the timer on, or places it again when it was moved later.
func (c *Conn) OnExpire(_ *Timer, now int64) {
	if c.timer.when > now {
		c.loop.wheel.schedule(&c.timer, c.timer.when)
		return
	}
	c.handler.OnTimer(c, now)
	if c.fd >= 0 {
		c.flushOwn()
	}
}

// held is the memory c has in buffers.
func (c *Conn) held() int {
	n := c.out
	if c.in != nil {
		n += len(c.in.b)
	}
	return n
}

// newConn enters a socket into the loop's table; the poller does not know it yet.
func (l *Loop) newConn(fd int) *Conn {
	if l.conns.at(fd) != nil {
		panic("netpoll: fd entered twice")
	}
	c := &Conn{loop: l, fd: int32(fd), gen: l.nextGen()}
	c.timer.Owner = c
	l.conns.put(fd, c)
	l.count++
	return c
}

func (l *Loop) nextGen() uint32 {
	l.gen++
	if l.gen == wakeGen {
		l.gen++
	}
	return l.gen
}

// Close closes at once. What is queued is dropped; unread input makes the kernel send RST.
// The handler gets no further call. Closing twice is allowed.
func (c *Conn) Close() {
	if c.fd < 0 {
		return
	}
	l, fd := c.loop, int(c.fd)
	l.checkOn()
	c.leave()
	sysClose(fd)
	if l.fdShort {
		l.retryAccepts()
	}
	if c.capped {
		l.Config.Conns.release()
	}
}

// leave takes c out of the loop and gives back all it holds except the descriptor.
func (c *Conn) leave() {
	l := c.loop
	l.conns.put(int(c.fd), nil)
	l.count--
	c.fd = -1
	l.Cancel(&c.timer)
	if c.in != nil {
		l.release(c.in)
		c.in = nil
	}
	c.dropQueue()
}

// Reset closes with RST: the peer must not take what it got for whole.
func (c *Conn) Reset() {
	if c.fd >= 0 {
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER,
			&unix.Linger{Onoff: 1}) // a Unix socket has no RST; its peer sees the cut anyway
		c.Close()
	}
}

// Detach takes c out of the loop without closing: the caller owns the returned descriptor, and the
// unconsumed input. What is queued is dropped, so flush before. On a closed connection fd is -1.
//
// The descriptor is removed from the poller first, because an epoll registration outlives close while
// another process holds the description.
func (c *Conn) Detach() (fd int, input []byte) {
	if c.fd < 0 {
		return -1, nil
	}
	l := c.loop
	l.checkOn()
	fd = int(c.fd)
	l.poller.remove(fd)
	if c.in != nil {
		input = append(input, c.in.Bytes()...)
	}
	c.leave()
	if c.capped {
		l.Config.Conns.release()
	}
	return fd, input
}

// fail closes c because of err and tells the handler.
func (c *Conn) fail(err error) {
	h := c.handler
	connecting := c.flags&flagConnecting != 0
	c.Close()
	if h == nil {
		return
	}
	if connecting {
		h.OnOpen(c, err)
		return
	}
	h.OnClose(c, err)
}

func (c *Conn) failErrno(op string, e syscall.Errno) { c.fail(os.NewSyscallError(op, e)) }

// socketError is the error pending on the socket, or nil.
func (c *Conn) socketError() error {
	v, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if v != 0 {
		return syscall.Errno(v)
	}
	return nil
}
