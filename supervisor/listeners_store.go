package supervisor

import (
	"log/slog"
	"strings"

	"golang.org/x/sys/unix"
)

// fdStore is systemd's store of descriptors for this service: listening sockets in it outlive the
// supervisor, so that a restart refuses nobody. nil where there is none (FileDescriptorStoreMax= is 0,
// or systemd is older than 254).
//
// sd_pid_notify_with_fds(3), FDSTORE=1.
type fdStore struct {
	address string // NOTIFY_SOCKET
	log     *slog.Logger
}

func newFDStore(getenv func(string) string, log *slog.Logger) *fdStore {
	address := getenv("NOTIFY_SOCKET")
	if address == "" || getenv("FDSTORE") == "" || getenv("FDSTORE") == "0" {
		return nil
	}
	return &fdStore{address, log}
}

// add stores the sockets of l. A stored Unix socket's file is not removed at our end: its successor
// inherits the socket under that path.
func (s *fdStore) add(l *Listener) {
	if s == nil {
		return
	}
	for rest := l.fds; len(rest) > 0; {
		n := min(len(rest), controlFDsMax)
		if err := s.send("FDSTORE=1\nFDNAME="+storeName(l.Address()), rest[:n]); err != nil {
			s.log.Warn("systemd's fd store", "address", l.Address(), "err", err)
			return
		}
		rest = rest[n:]
	}
	l.inherited = true
}

// remove takes a listener that is used no more out of the store.
func (s *fdStore) remove(l *Listener) {
	if s == nil {
		return
	}
	if err := s.send("FDSTOREREMOVE=1\nFDNAME="+storeName(l.Address()), nil); err != nil {
		s.log.Warn("systemd's fd store", "address", l.Address(), "err", err)
	}
}

func (s *fdStore) send(state string, fds []int) error {
	fd, err := unixSocket(unix.SOCK_DGRAM)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	to := &unix.SockaddrUnix{Name: s.address}
	return wrapSyscall("sendmsg", unix.Sendmsg(fd, []byte(state), oob, to, 0))
}

// storeName is address as a name that systemd takes: no colons and no control characters.
func storeName(address string) string {
	return "weir_" + strings.Map(func(r rune) rune {
		if r <= ' ' || r == ':' || r > '~' {
			return '_'
		}
		return r
	}, address)
}
