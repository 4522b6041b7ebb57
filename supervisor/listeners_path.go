package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

// fileID names a socket's file whatever becomes of its path. Inode numbers are used again at once, so
// the time of its creation belongs to it: nothing writes to a socket's file.
type fileID struct {
	dev, ino uint64
	made     int64 // ModTime, ns
}

func fileIDOf(path string) (fileID, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return fileID{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, fs.ErrInvalid
	}
	return fileID{uint64(sys.Dev), uint64(sys.Ino), st.ModTime().UnixNano()}, nil
}

// listenUnix opens the one socket of path. Mode, owner and group are set between bind and listen:
// nobody can connect before.
func listenUnix(spec config.Listener, path string) (*Listener, error) {
	if most := len(unix.RawSockaddrUnix{}.Path) - 1; len(path) > most {
		return nil, fmt.Errorf("the path has %d bytes; a Unix socket's may have %d", len(path), most)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	fd, err := unixSocket(unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	l := &Listener{spec: spec, network: "unix", actual: spec.Address, fds: []int{fd}}
	err = wrapSyscall("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	if err != nil {
		closeFDs(l.fds)
		return nil, err
	}
	l.file, err = fileIDOf(path)
	if err == nil {
		err = setSocketFile(spec, path)
	}
	if err == nil {
		err = wrapSyscall("listen", unix.Listen(fd, max(spec.Backlog, 1)))
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// unixSocket is a non-blocking socket, close-on-exec.
func unixSocket(kind int) (int, error) {
	syscall.ForkLock.RLock() // where the flags cannot be given to socket(2), no fork in between
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
	if err != nil {
		return -1, wrapSyscall("socket", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // never used
		return -1, wrapSyscall("fcntl", err)
	}
	return fd, nil
}

// removeStale unlinks a socket that nobody listens on. A live one is an error that wraps EADDRINUSE.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode()&fs.ModeSocket == 0:
		return errors.New("the file exists and is not a socket; it is left alone")
	}
	fd, err := unixSocket(unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED:
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	case unix.ENOENT:
		return nil
	case nil, unix.EAGAIN: // EAGAIN: its accept queue is full
		if pid := peerPID(fd); pid != 0 {
			return fmt.Errorf("%w by pid %d (%s)", errInUse, pid, programOf(pid))
		}
		return errInUse
	default:
		return wrapSyscall("connect", err)
	}
}

// setSocketFile sets mode, owner and group of the socket's file.
func setSocketFile(spec config.Listener, path string) error {
	uid, err := lookupUID(spec.Owner)
	if err != nil {
		return err
	}
	gid, err := lookupGID(spec.Group)
	if err != nil {
		return err
	}
	if uid != -1 || gid != -1 {
		if err := os.Lchown(path, uid, gid); err != nil {
			return err
		}
	}
	if spec.Mode == 0 {
		return nil
	}
	return os.Chmod(path, fs.FileMode(spec.Mode))
}

// lookupUID is the number of a user given by name or number; -1 for "".
func lookupUID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return -1, fmt.Errorf("owner %q: %w", name, err)
	}
	return strconv.Atoi(u.Uid)
}

func lookupGID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1, fmt.Errorf("group %q: %w", name, err)
	}
	return strconv.Atoi(g.Gid)
}
