package supervisor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// probe looks for the worker's endpoint until it is there or the worker has ended: evReady. The main
// loop keeps the deadline.
func (p *process) probe() {
	said, interval := p.readySaid, probeIntervalMin
	asks := p.conf.Ready.Probe.Kind == config.KindHTTP
	if p.conf.Ready.Probe.Kind == config.KindNotify || p.accepts() {
		select {
		case <-said:
			said = nil
		case <-p.exited:
			return
		}
	}
	if p.conf.Sidecar.Is { // it has no endpoint
		text := "its program runs"
		if p.conf.Ready.Probe.Kind == config.KindNotify {
			text = "READY=1"
		}
		p.env.post(event{worker: p.ref, kind: evReady, text: text})
		return
	}
	if p.accepts() { // what it accepts from it is given when it is in rotation
		p.env.post(event{worker: p.ref, kind: evReady, text: "READY=1",
			endpoint: Endpoint{Network: string(config.DispatchReuseport)}})
		return
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		e, err := p.find(said == nil)
		if err == nil && asks {
			err = p.answers(e)
			interval = max(interval, probeAskInterval)
		}
		if err == nil {
			p.admit(e)
			return
		}
		if errors.Is(err, errForeignPort) {
			interval = probeForeignInterval // looking at all processes is not cheap
		}
		timer.Reset(interval)
		select {
		case <-p.exited:
			return
		case <-said:
			said, interval = nil, probeIntervalMin
		case <-timer.C:
			interval = min(interval+interval/8+probeIntervalMin/8, max(interval, probeIntervalMax))
		}
	}
}

// admit warms a ready worker up and tells of it: evReady, or evExamined if it fails.
func (p *process) admit(e Endpoint) {
	if err := p.warm(e); err != nil {
		p.env.post(event{worker: p.ref, kind: evExamined, text: err.Error()})
		return
	}
	p.env.post(event{worker: p.ref, kind: evReady, endpoint: e})
}

// errForeignPort: somebody else listens on PORT.
var errForeignPort = errors.New("held by another process")

// find is one look: the endpoint that takes connections, or why there is none. said: READY=1 came.
func (p *process) find(said bool) (Endpoint, error) {
	at := Endpoint{Network: "unix", Address: p.contract.socket}
	if p.contract.listen {
		if said || p.conf.Ready.Probe.Kind == config.KindHTTP { // which sees more
			return at, nil
		}
		return at, p.takesInherited()
	}
	err := p.dir.admit(at.Address)
	if err == nil {
		err = p.serving(at)
	}
	if err == nil {
		return at, nil
	}
	for _, ip := range loopbacks {
		tcp := Endpoint{Network: "tcp", Address: p.portAddress(ip)}
		if p.serving(tcp) != nil {
			continue
		}
		if !p.ownsPort() {
			return tcp, fmt.Errorf("port %d: %w", p.contract.port, errForeignPort)
		}
		return tcp, nil
	}
	return at, err
}

func (p *process) portAddress(ip netip.Addr) string {
	return netip.AddrPortFrom(ip, uint16(p.contract.port)).String()
}

// serving connects to e and closes at once. nil: somebody listens there.
func (p *process) serving(e Endpoint) error {
	if e.Network == "unix" {
		return p.connectUnix(e.Address)
	}
	c, err := net.DialTimeout(e.Network, e.Address, probeDialTimeout)
	if err != nil {
		return err
	}
	return c.Close()
}

// connectUnix connects without waiting: EAGAIN is a full backlog, so somebody listens. The listener
// must be the worker's user, or us, who may have made the socket for it.
func (p *process) connectUnix(path string) error {
	kind := unix.SOCK_STREAM
	if p.conf.Dispatch == config.DispatchHandoff {
		kind = unix.SOCK_SEQPACKET
	}
	fd, err := socketCloexec(unix.AF_UNIX, kind)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if err := unix.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case nil:
		return checkPeer(fd, p.user.uid)
	case unix.EAGAIN:
		return nil
	default:
		return os.NewSyscallError("connect", err)
	}
}

// takesInherited finds out whether the worker takes connections from an inherited socket, which anybody can
// connect to before it does. A connection whose client said that it sends nothing is closed by a
// server that has accepted it. A worker that lives inheritReadyAfter counts as ready in any case.
func (p *process) takesInherited() error {
	c, err := net.DialTimeout("unix", p.contract.socket, probeDialTimeout)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // nothing was written
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(inheritReadyAfter)); err != nil {
		return err
	}
	over := make(chan struct{})
	defer close(over)
	go func() { // ends with this call
		select {
		case <-p.exited:
		case <-p.readySaid:
		case <-over:
			return
		}
		_ = c.SetReadDeadline(time.Unix(1, 0)) // wake the read
	}()
	n, err := c.Read(make([]byte, 1))
	switch {
	case p.hasExited():
		return errors.New("the worker has ended")
	case n > 0 || err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return err // reset: closed unaccepted
}

func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// describe says what a worker that is not ready does instead.
func (p *process) describe() string {
	p.mu.Lock()
	pid, stage := p.pid, p.stage
	p.mu.Unlock()
	if stage != "" {
		return stage
	}
	if pid == 0 {
		return "its process was not started within ready.timeout"
	}
	if p.conf.Sidecar.Is || p.accepts() {
		return "it did not say READY=1"
	}
	var b strings.Builder
	if p.conf.Ready.Probe.Kind == config.KindNotify {
		select {
		case <-p.readySaid:
			b.WriteString("it said READY=1 but takes no connection; ")
		default:
			b.WriteString("it did not say READY=1; ")
		}
	}
	b.WriteString("it listens on ")
	switch at, known := p.listening(pid); {
	case !known:
		b.WriteString("addresses that cannot be seen here")
	case len(at) == 0:
		b.WriteString("nothing")
	default:
		b.WriteString(strings.Join(at, ", "))
	}
	b.WriteString(", expected WEIR_SOCKET=" + p.contract.socket + " or PORT=" +
		strconv.Itoa(p.contract.port) + " on loopback")
	if pid, program := p.portThief(); pid != 0 {
		fmt.Fprintf(&b, ", which pid %d (%s) has taken", pid, program)
	}
	return b.String()
}

// portThief is the process that took PORT before the worker, pid 0 if there is none to be seen.
func (p *process) portThief() (pid int, program string) {
	if p.ownsPort() {
		return 0, ""
	}
	for _, ip := range loopbacks {
		if pid, program = portOwner(p.portAddress(ip)); pid != 0 {
			return pid, program
		}
	}
	return 0, ""
}

// listenInherited makes the listening socket for fd 3, in blocking mode, as systemd does.
func listenInherited(path string) (int, error) {
	fd, err := socketCloexec(unix.AF_UNIX, unix.SOCK_STREAM)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, inheritBacklog))
	}
	if err != nil {
		_ = unix.Close(fd) // unused
		return -1, fmt.Errorf("socket %s: %w", path, err)
	}
	return fd, nil
}

func socketCloexec(family, kind int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, kind, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}
