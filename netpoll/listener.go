package netpoll

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Acceptor is told of accepted connections.
type Acceptor interface {
	// OnAccept must call c.SetHandler, or close c.
	OnAccept(ln *Listener, c *Conn)
}

// Listener is one listening socket in one loop. A TCP address has a socket per loop (SO_REUSEPORT); a
// Unix socket is shared by all loops, and the kernel wakes one of them per connection.
type Listener struct {
	loop     *Loop
	fd       int
	gen      uint32
	acceptor Acceptor
	timer    Timer  // runs while accepting is suspended
	backoff  int64  // ns; doubles with each failure in a row
	paused   bool   // by Pause
	armed    bool   // known to the poller
	noFD     bool   // suspended for want of descriptors
	queued   bool   // in Config.Conns's queue
	batch    int    // accepted per event; see accept
	streak   int    // turns in a row in which that many waited
	turn     uint64 // in which accept ran last
	Tag      any    // the owner's; set before the first OnAccept
}

// Listen takes over fd, a non-blocking listening socket, and accepts on it. The descriptor is closed
// by Close; whoever inherits connections from it elsewhere keeps a duplicate. After an error the
// caller still owns it.
func (l *Loop) Listen(fd int, tag any, a Acceptor) (*Listener, error) {
	l.checkOn()
	if l.stopping.Load() {
		return nil, fmt.Errorf("netpoll: listen on fd %d: %w", fd, ErrStopped)
	}
	ln := &Listener{loop: l, fd: fd, gen: l.nextGen(), acceptor: a, batch: 1, Tag: tag}
	ln.timer.Owner = ln
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("netpoll: listen on fd %d: %w", fd, os.NewSyscallError("fcntl", err))
	}
	// Accepted sockets inherit it. A Unix socket has no such option, and no need.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err := l.poller.addListener(fd, ln.gen); err != nil {
		return nil, fmt.Errorf("netpoll: listen on fd %d: %w", fd, err)
	}
	ln.armed = true
	l.listeners = append(l.listeners, ln)
	return ln, nil
}

// Loop is the loop that owns ln.
func (ln *Listener) Loop() *Loop { return ln.loop }

// accept takes one connection, and more only from a listener that was ready acceptStreak turns in a
// row: each such streak doubles what it takes, up to acceptsPerTurn, until none waits. The kernel
// makes socket and file before it looks for a connection, so to find none costs nearly as much as to
// find one, while the poller, which is level-triggered here, tells for nothing that more wait.
func (ln *Listener) accept() {
	turn := ln.loop.counters.Turns
	if turn != ln.turn+1 {
		ln.streak = 0
	}
	ln.turn = turn
	for range ln.batch {
		if ln.paused || ln.acceptOne(false) != acceptOK {
			ln.batch, ln.streak = 1, 0
			return
		}
	}
	if ln.streak++; ln.streak == acceptStreak {
		ln.batch, ln.streak = min(2*ln.batch, acceptsPerTurn), 0
	}
}

type acceptResult uint8

const (
	acceptOK    acceptResult = iota
	acceptEmpty              // nothing waits
	acceptStop               // suspended
)

// acceptOne takes one connection; beyond asks for one also when Config.Conns is used up.
func (ln *Listener) acceptOne(beyond bool) acceptResult {
	l := ln.loop
	if ln.fd < 0 {
		return acceptStop
	}
	if l.Config.Conns != nil && !l.Config.Conns.take() {
		if !beyond {
			ln.awaitSlot()
			return acceptStop
		}
		l.Config.Conns.force()
	}
	var peer peerAddr
	fd, e := sysAccept(ln.fd, &peer)
	if e != 0 {
		if l.Config.Conns != nil {
			l.Config.Conns.release()
		}
		return ln.acceptFailed(e)
	}
	ln.backoff = 0
	l.counters.Accepted++
	c := l.newConn(fd)
	c.peer = peer
	c.capped = l.Config.Conns != nil
	ln.acceptor.OnAccept(ln, c)
	if c.fd < 0 {
		return acceptOK
	}
	if err := c.register(); err != nil {
		c.fail(err)
	}
	return acceptOK
}

func (ln *Listener) acceptFailed(e errno) acceptResult {
	l := ln.loop
	switch e {
	case unix.EAGAIN:
		return acceptEmpty
	case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM:
		return acceptOK // that connection is gone; the next may be well
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		l.counters.FdLimit++
		ln.noFD, l.fdShort = true, true
		ln.refuseOne()
	default:
		l.counters.AcceptErrors++
	}
	ln.backoff = min(max(2*ln.backoff, int64(acceptBackoffMin)), int64(acceptBackoffMax))
	ln.suspend(ln.backoff)
	return acceptStop
}

// refuseOne uses the reserve descriptor to take one waiting connection and close it, so that its
// client learns at once; the others wait in the backlog until descriptors are free.
func (ln *Listener) refuseOne() {
	l := ln.loop
	if l.reserveFD < 0 {
		l.reserveFD = openReserve()
		return
	}
	sysClose(l.reserveFD)
	var peer peerAddr
	if fd, e := sysAccept(ln.fd, &peer); e == 0 {
		sysClose(fd)
	}
	l.reserveFD = openReserve()
}

func openReserve() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// awaitSlot suspends accepting until a connection counted by Config.Conns closes, on whatever loop.
func (ln *Listener) awaitSlot() {
	l := ln.loop
	l.counters.ConnLimit++
	ln.suspend(int64(capRetry))
	if !ln.queued {
		ln.queued = true
		l.Config.Conns.await(ln)
	}
}

// slotFree ends awaitSlot. Who has no use for the place passes it on.
func (ln *Listener) slotFree() {
	ln.queued = false
	if ln.fd >= 0 && !ln.paused && !ln.noFD {
		ln.loop.Cancel(&ln.timer)
		ln.arm()
		if ln.acceptOne(false) != acceptEmpty {
			return
		}
	}
	ln.loop.Config.Conns.next()
}

// retryAccepts lets listeners that wait for a free descriptor try again soon: one was closed here.
func (l *Loop) retryAccepts() {
	l.fdShort = false
	for _, ln := range l.listeners {
		if ln.noFD && ln.timer.Scheduled() {
			l.wheel.schedule(&ln.timer, l.now)
		}
	}
}

// suspend stops accepting for a while; connections wait in the kernel's backlog.
func (ln *Listener) suspend(d int64) {
	ln.disarm()
	ln.loop.wheel.schedule(&ln.timer, ln.loop.now+d)
}

// OnExpire ends a suspension.
func (ln *Listener) OnExpire(*Timer, int64) {
	if ln.fd >= 0 && !ln.paused {
		ln.arm()
	}
}

func (ln *Listener) arm() {
	ln.noFD = false
	if ln.armed {
		return
	}
	if err := ln.loop.poller.addListener(ln.fd, ln.gen); err != nil {
		ln.loop.counters.AcceptErrors++
		ln.loop.wheel.schedule(&ln.timer, ln.loop.now+int64(acceptBackoffMax))
		return
	}
	ln.armed = true
}

func (ln *Listener) disarm() {
	if ln.armed {
		ln.armed = false
		ln.loop.poller.remove(ln.fd)
	}
}

// Pause stops accepting until Resume.
func (ln *Listener) Pause() {
	if !ln.paused && ln.fd >= 0 {
		ln.paused = true
		ln.disarm()
		ln.loop.Cancel(&ln.timer)
	}
}

// Resume goes on accepting after Pause.
func (ln *Listener) Resume() {
	if ln.paused && ln.fd >= 0 {
		ln.paused = false
		ln.arm()
	}
}

// Drain accepts until nothing waits, also beyond Config.Conns, then closes: no connection that the
// kernel completed is lost.
func (ln *Listener) Drain() {
	for range drainAcceptsMax {
		if ln.acceptOne(true) != acceptOK {
			break
		}
	}
	ln.Close()
}

// Close stops listening here and closes this descriptor.
func (ln *Listener) Close() {
	if fd := ln.Release(); fd >= 0 {
		sysClose(fd)
	}
}

// Release stops listening here and gives the descriptor back to the caller, -1 once closed. It is
// removed from the poller first, because others may hold the same description.
func (ln *Listener) Release() (fd int) {
	l := ln.loop
	if ln.fd < 0 {
		return -1
	}
	ln.disarm()
	l.Cancel(&ln.timer)
	fd, ln.fd = ln.fd, -1
	for i, other := range l.listeners {
		if other == ln {
			l.listeners = append(l.listeners[:i], l.listeners[i+1:]...)
			break
		}
	}
	return fd
}
