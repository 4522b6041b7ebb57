package netpoll

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// event is what the kernel said of one descriptor.
type event struct {
	fd       int32
	gen      uint32
	readable bool
	writable bool
	hangup   bool // the peer sends no more
	failed   bool // error pending on the socket
}

// poller is epoll with an eventfd for wake-ups.
type poller struct {
	fd     int
	wakeFD int
	raw    bool // waits keep the P for rawWaitMS first
	kernel [eventsMax]unix.EpollEvent
}

const wakeGen = 0 // generation of the eventfd; connections and listeners start at 1

func openPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakeFD, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		sysClose(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &poller{fd: fd, wakeFD: wakeFD}
	if err := p.ctl(unix.EPOLL_CTL_ADD, wakeFD, wakeGen, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) ctl(op, fd int, gen, mask uint32) error {
	ev := unix.EpollEvent{Events: mask, Fd: int32(fd), Pad: int32(gen)}
	if e := sysEpollCtl(p.fd, op, fd, &ev); e != 0 {
		return os.NewSyscallError("epoll_ctl", e)
	}
	return nil
}

const (
	maskIn  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	maskOut = maskIn | unix.EPOLLOUT
)

func (p *poller) add(fd int, gen uint32, out bool) error {
	if out {
		return p.ctl(unix.EPOLL_CTL_ADD, fd, gen, maskOut)
	}
	return p.ctl(unix.EPOLL_CTL_ADD, fd, gen, maskIn)
}

// watch changes what is asked; what is the case already is reported as a new edge. It cannot fail on
// a registered descriptor.
func (p *poller) watch(fd int, gen uint32, out bool) {
	ev := unix.EpollEvent{Events: maskIn, Fd: int32(fd), Pad: int32(gen)}
	if out {
		ev.Events = maskOut
	}
	if e := sysEpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &ev); e != 0 {
		panic("netpoll: epoll_ctl of a registered fd: " + e.Error())
	}
}

func (p *poller) addListener(fd int, gen uint32) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, gen, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
}

func (p *poller) remove(fd int) {
	sysEpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, &unix.EpollEvent{})
}

// wait fills events with what is ready, after at most ms (< 0: unbounded).
//
// A wait that blocks in Syscall pays the runtime's hand-off at every turn. So the first rawWaitMS are
// waited raw: the thread keeps its P, and the runtime's preemption signal ends the wait with EINTR.
// After EINTR the loop must pass a preemption point, or a collection waits for the next event.
func (p *poller) wait(events []event, ms int) int {
	var n int
	var e syscall.Errno
	switch {
	case ms == 0:
		n, e = sysEpollWait(p.fd, p.kernel[:], 0, true)
	case !p.raw:
		n, e = sysEpollWait(p.fd, p.kernel[:], ms, false)
	case ms > 0 && ms <= rawWaitMS:
		n, e = sysEpollWait(p.fd, p.kernel[:], ms, true)
	default:
		n, e = sysEpollWait(p.fd, p.kernel[:], rawWaitMS, true)
		if n == 0 && e == 0 {
			n, e = sysEpollWait(p.fd, p.kernel[:], max(ms-rawWaitMS, -1), false)
		}
	}
	if e != 0 {
		runtime.Gosched()
		return 0
	}
	out := 0
	for i := range p.kernel[:n] {
		ev := &p.kernel[i]
		gen := uint32(ev.Pad)
		if gen == wakeGen {
			continue
		}
		m := ev.Events
		events[out] = event{
			fd: ev.Fd, gen: gen,
			readable: m&unix.EPOLLIN != 0,
			writable: m&unix.EPOLLOUT != 0,
			hangup:   m&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0,
			failed:   m&unix.EPOLLERR != 0,
		}
		out++
	}
	return out
}

// wake makes wait return. The eventfd is edge-triggered, so it is never read: each write is an edge.
func (p *poller) wake() {
	one := [8]byte{1}
	_, _ = unix.Write(p.wakeFD, one[:]) // EAGAIN after 2^64 wakes would still be an edge
}

func (p *poller) close() {
	sysClose(p.wakeFD)
	sysClose(p.fd)
}
