//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import (
	"os"
	"time"

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

// poller is kqueue with a pipe for wake-ups (EVFILT_USER is absent on OpenBSD).
type poller struct {
	fd     int
	pipe   [2]int
	raw    bool // raw waits are a Linux technique; ignored here
	kernel [eventsMax]unix.Kevent_t
	gens   []uint32 // by fd: close drops an fd's filters, so only a batch can be stale
}

const wakeGen = 0

func openPoller() (*poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	p := &poller{fd: fd, pipe: [2]int{-1, -1}}
	if err := unix.Pipe(p.pipe[:]); err != nil {
		p.close()
		return nil, os.NewSyscallError("pipe", err)
	}
	for _, end := range p.pipe {
		unix.CloseOnExec(end)
		if err := unix.SetNonblock(end, true); err != nil {
			p.close()
			return nil, os.NewSyscallError("fcntl", err)
		}
	}
	if err := p.change(p.pipe[0], wakeGen, unix.EV_ADD|unix.EV_CLEAR, unix.EVFILT_READ); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) change(fd int, gen uint32, flags int, filters ...int) error {
	for fd >= len(p.gens) {
		p.gens = append(p.gens, make([]uint32, 64)...)
	}
	p.gens[fd] = gen
	changes := make([]unix.Kevent_t, len(filters))
	for i, filter := range filters {
		unix.SetKevent(&changes[i], fd, filter, flags)
	}
	if _, err := unix.Kevent(p.fd, changes, nil, nil); err != nil {
		return os.NewSyscallError("kevent", err)
	}
	return nil
}

// add asks for both always: EVFILT_WRITE tells only of room that was missed.
func (p *poller) add(fd int, gen uint32, _ bool) error {
	return p.change(fd, gen, unix.EV_ADD|unix.EV_CLEAR, unix.EVFILT_READ, unix.EVFILT_WRITE)
}

func (p *poller) addListener(fd int, gen uint32) error {
	return p.change(fd, gen, unix.EV_ADD, unix.EVFILT_READ)
}

func (p *poller) watch(int, uint32, bool) {}

func (p *poller) remove(fd int) {
	_ = p.change(fd, 0, unix.EV_DELETE, unix.EVFILT_READ) // absent filters are no error of ours
	_ = p.change(fd, 0, unix.EV_DELETE, unix.EVFILT_WRITE)
}

func (p *poller) wait(events []event, ms int) int {
	var timeout *unix.Timespec
	if ms >= 0 {
		ts := unix.NsecToTimespec(int64(ms) * int64(time.Millisecond))
		timeout = &ts
	}
	n, err := unix.Kevent(p.fd, nil, p.kernel[:], timeout)
	if err != nil {
		return 0
	}
	out := 0
	for i := range p.kernel[:n] {
		ev := &p.kernel[i]
		if int(ev.Ident) == p.pipe[0] {
			var drain [64]byte
			_, _ = unix.Read(p.pipe[0], drain[:]) // only the edge counts
			continue
		}
		eof := ev.Flags&unix.EV_EOF != 0
		events[out] = event{
			fd: int32(ev.Ident), gen: p.gens[ev.Ident],
			readable: ev.Filter == unix.EVFILT_READ,
			writable: ev.Filter == unix.EVFILT_WRITE,
			hangup:   eof && ev.Filter == unix.EVFILT_READ,
			failed:   eof && ev.Fflags != 0,
		}
		out++
	}
	return out
}

func (p *poller) wake() { _, _ = unix.Write(p.pipe[1], []byte{1}) } // a full pipe is a wake, too

func (p *poller) close() {
	sysClose(p.pipe[0])
	sysClose(p.pipe[1])
	sysClose(p.fd)
}
