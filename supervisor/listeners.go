package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// Listener is one address and its open listening sockets. The supervisor keeps them open whatever
// becomes of fronts, so that the kernel goes on accepting connections meanwhile.
type Listener struct {
	spec      config.Listener
	network   string // "tcp" or "unix"
	actual    string // the address with its real port
	fds       []int  // one per loop of all fronts, or a single one that all share
	inherited bool   // systemd's: never unlinked
	file      fileID // of a Unix socket's file, so that only ours is unlinked
	group     *group // whose the sockets are instead, once spec.Pool has one
	steered   bool   // a program chooses among the sockets; see successor
}

// Address is the listener's name: the address as configured.
func (l *Listener) Address() string { return l.spec.Address }

// Actual is the address with its real port.
func (l *Listener) Actual() string { return l.actual }

// ListenError says why an address could not be listened on, and what to do about it.
type ListenError struct {
	Address string
	Err     error
	Hint    string // may be empty
}

// Error is one line: bind :80: permission denied; HINT.
func (e *ListenError) Error() string {
	s := "bind " + e.Address + ": " + bareError(e.Err)
	if e.Hint != "" {
		s += e.Hint
	}
	return s
}

// Unwrap is the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// bareError is err without the system calls that it passed: a user knows what bind means.
func bareError(err error) string {
	switch e := err.(type) { // not errors.As: what wraps them has more to say
	case *os.SyscallError:
		return e.Err.Error()
	case *fs.PathError:
		return e.Err.Error()
	}
	return err.Error()
}

// errInUse is what a live Unix socket is reported by: bind itself would say the same of a stale one.
var errInUse = fmt.Errorf("in use (%w)", unix.EADDRINUSE)

// listen opens the sockets of spec: those that systemd passed, or new ones. For TCP, want sockets are
// opened that share the address by SO_REUSEPORT; a Unix socket is always a single one.
//
// The error is a *ListenError.
func listen(spec config.Listener, want int, in *inheritance) (*Listener, error) {
	if spec.Pool != "" {
		want = 1 // its group opens more
	}
	if l := in.take(spec, want); l != nil {
		return l, nil
	}
	var l *Listener
	var err error
	if path, ok := strings.CutPrefix(spec.Address, "unix:"); ok {
		l, err = listenUnix(spec, path)
	} else {
		l, err = listenTCP(spec, want, false)
	}
	if err == nil {
		return l, nil
	}
	var le *ListenError
	if errors.As(err, &le) {
		return nil, le
	}
	return nil, &ListenError{Address: spec.Address, Err: err, Hint: listenHint(spec.Address, err)}
}

// listenAll opens all specs or none. While an address is in use it tries again for inUseRetry: a
// predecessor may be about to end.
func listenAll(ctx context.Context, specs []config.Listener, want int, in *inheritance) ([]*Listener,
	error) {
	if len(specs) > listenersMax {
		return nil, fmt.Errorf("supervisor: %d listeners, more than %d", len(specs), listenersMax)
	}
	until := time.Now().Add(inUseRetry)
	opened := make([]*Listener, 0, len(specs))
	for _, spec := range specs {
		l, err := listen(spec, want, in)
		for errors.Is(err, unix.EADDRINUSE) && time.Now().Before(until) && pause(ctx, inUseRetryEvery) {
			l, err = listen(spec, want, in)
		}
		if err != nil {
			for _, l := range opened {
				l.close()
			}
			return nil, err
		}
		opened = append(opened, l)
	}
	return opened, nil
}

// pause waits for d; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// frontListeners are those of ls where fronts accept.
func frontListeners(ls []*Listener) []*Listener {
	return slices.DeleteFunc(slices.Clone(ls), func(l *Listener) bool { return l.spec.Pool != "" })
}

// socketsOf is what the front in slot gets.
func (l *Listener) socketsOf(slot, loops int) []int {
	if len(l.fds) == 1 {
		return l.fds
	}
	return l.fds[slot*loops : (slot+1)*loops]
}

// sockets are the descriptors, whoever accepts there.
func (l *Listener) sockets() []int {
	if l.group != nil {
		return l.group.descriptors()
	}
	return l.fds
}

// adjust applies what spec changes about an open listener.
func (l *Listener) adjust(spec config.Listener) error {
	old := l.spec
	l.respec(spec)
	if l.inherited {
		return nil // its options are systemd's
	}
	if old.Backlog != spec.Backlog {
		for _, fd := range l.sockets() {
			if err := setBacklog(fd, spec.Backlog); err != nil {
				return &ListenError{Address: spec.Address, Err: err}
			}
		}
	}
	path, ok := strings.CutPrefix(spec.Address, "unix:")
	if ok && (old.Mode != spec.Mode || old.Owner != spec.Owner || old.Group != spec.Group) {
		return setSocketFile(spec, path)
	}
	return nil
}

// respec changes what was asked for; a group may be about to open one more socket.
func (l *Listener) respec(spec config.Listener) {
	if l.group != nil {
		l.group.all.mu.Lock()
		defer l.group.all.mu.Unlock()
	}
	l.spec = spec
}

// close closes the sockets and removes a Unix socket's file if it is still ours.
func (l *Listener) close() {
	closeFDs(l.fds)
	l.fds = nil
	if path, ok := strings.CutPrefix(l.spec.Address, "unix:"); ok && !l.inherited {
		if id, err := fileIDOf(path); err == nil && id == l.file {
			_ = unix.Unlink(path) // left over it is harmless: the next start finds it stale
		}
	}
}

// setBacklog changes the length of the accept queue of a listening socket; 0 leaves it.
func setBacklog(fd, backlog int) error {
	if backlog <= 0 {
		return nil
	}
	return wrapSyscall("listen", unix.Listen(fd, backlog))
}

// URL is how a person reaches the listener: http://127.0.0.1:8080, or unix:/run/shop.sock.
func (l *Listener) URL() string {
	if l.network == "unix" {
		return l.actual
	}
	host, port, err := net.SplitHostPort(l.actual)
	if err != nil {
		return l.actual
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // every address of this machine
	}
	if port == "80" {
		return "http://" + bracketed(host)
	}
	return "http://" + net.JoinHostPort(host, port)
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// listenHint says what to do about err, as a clause to append.
func listenHint(address string, err error) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return portOwnerHint(address)
	case errors.Is(err, fs.ErrPermission) && isPrivileged(address):
		return fmt.Sprintf("; ports below 1024 need a privilege: run "+
			"'setcap cap_net_bind_service=+ep %s', use a systemd socket, or take a port ≥ 1024 such as :8080",
			exePath())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "; no interface of this machine has that address"
	}
	return ""
}

func isPrivileged(address string) bool {
	_, port, err := net.SplitHostPort(address)
	n, nerr := strconv.Atoi(port)
	return err == nil && nerr == nil && n < 1024
}

func portOwnerHint(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return ""
	}
	pid, program := portOwner(address)
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" by pid %d (%s)", pid, program)
}
