package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/config"
)

func mustListen(t *testing.T, spec config.Listener, want int) *Listener {
	t.Helper()
	l, err := listen(spec, want, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// acceptAll takes the connections that wait and counts them by socket.
func acceptAll(t *testing.T, l *Listener) []int {
	t.Helper()
	counts := make([]int, len(l.fds))
	for i, fd := range l.fds {
		for {
			c, _, err := unix.Accept(fd)
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			counts[i]++
			_ = unix.Close(c)
		}
	}
	return counts
}

func dial(t *testing.T, network, address string) {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
}

func TestListenTCPSharesPort(t *testing.T) {
	l := mustListen(t, config.Listener{Address: "127.0.0.1:0", Backlog: 64}, 3)
	if len(l.fds) != 3 || strings.HasSuffix(l.actual, ":0") {
		t.Fatalf("listen = %d sockets on %s; want 3 on a real port", len(l.fds), l.actual)
	}
	for i, fd := range l.fds {
		if got, _ := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); got == 0 {
			t.Errorf("socket %d: TCP_NODELAY is not set", i)
		}
		flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		fdFlags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if flags&unix.O_NONBLOCK == 0 || fdFlags&unix.FD_CLOEXEC == 0 {
			t.Errorf("socket %d: flags %#x, %#x; want O_NONBLOCK, FD_CLOEXEC", i, flags, fdFlags)
		}
	}
	for range 64 {
		dial(t, "tcp", l.actual)
	}
	total, busy := 0, 0
	for _, n := range acceptAll(t, l) {
		total += n
		if n > 0 {
			busy++
		}
	}
	if total != 64 || busy < 2 {
		t.Errorf("accepted %d over %d sockets; want 64 over 2 or 3", total, busy)
	}
	if got := l.socketsOf(2, 1); len(got) != 1 || got[0] != l.fds[2] {
		t.Errorf("socketsOf(2, 1) = %v; want [%d]", got, l.fds[2])
	}
}

// SO_REUSEPORT must not let a second instance of the same user in.
func TestListenTCPIsExclusive(t *testing.T) {
	l := mustListen(t, config.Listener{Address: "127.0.0.1:0"}, 2)
	_, port, _ := net.SplitHostPort(l.actual)
	for _, address := range []string{l.actual, ":" + port, "0.0.0.0:" + port} {
		for _, want := range []int{1, 2} {
			other, err := listen(config.Listener{Address: address}, want, nil)
			if err == nil {
				other.close()
				t.Errorf("second listen on %s (%d sockets) succeeded", address, want)
				continue
			}
			var le *ListenError
			if !errors.Is(err, unix.EADDRINUSE) || !errors.As(err, &le) || le.Address != address {
				t.Errorf("second listen on %s = %v; want a ListenError with EADDRINUSE", address, err)
			}
		}
	}
}

func TestListenDualStack(t *testing.T) {
	l := mustListen(t, config.Listener{Address: ":0"}, 2)
	_, port, _ := net.SplitHostPort(l.actual)
	dial(t, "tcp4", "127.0.0.1:"+port)
	want := 1
	if c, err := net.Dial("tcp6", "[::1]:"+port); err == nil {
		want = 2
		t.Cleanup(func() { _ = c.Close() })
	}
	if n := acceptAll(t, l); n[0]+n[1] != want {
		t.Errorf("accepted %v; want %d in all", n, want)
	}
	if got, want := l.URL(), "http://localhost:"+port; got != want {
		t.Errorf("URL() = %s; want %s", got, want)
	}
}

func TestListenIPv6Only(t *testing.T) {
	l, err := listen(config.Listener{Address: "[::]:0"}, 1, nil)
	if noIPv6(err) {
		t.Skip("no IPv6 here")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	_, port, _ := net.SplitHostPort(l.actual)
	if c, err := net.Dial("tcp4", "127.0.0.1:"+port); err == nil {
		_ = c.Close()
		t.Error("[::] took an IPv4 connection")
	}
	dial(t, "tcp6", "[::1]:"+port)
	if n := acceptAll(t, l); n[0] != 1 {
		t.Errorf("accepted %v; want 1", n)
	}
}

func TestListenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 108))
	for _, tc := range []struct{ desc, address, want string }{
		{"no port", "127.0.0.1", "bind 127.0.0.1: missing port"},
		{"foreign address", "192.0.2.1:0", "bind 192.0.2.1:0: cannot assign requested address; " +
			"no interface of this machine has that address"},
		{"not a socket", "unix:" + file, "is not a socket; it is left alone"},
		{"path too long", "unix:" + long, fmt.Sprintf("the path has %d bytes", len(long))},
		{"no directory", "unix:/does/not/exist", "no such file or directory"},
	} {
		l, err := listen(config.Listener{Address: tc.address}, 1, nil)
		if err == nil {
			l.close()
			t.Errorf("%s: listen succeeded", tc.desc)
		} else if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: listen = %v; want %q in it", tc.desc, err, tc.want)
		}
	}
}

func TestListenHints(t *testing.T) {
	for _, tc := range []struct {
		address string
		err     error
		want    string
	}{
		{":80", os.NewSyscallError("bind", unix.EACCES), "setcap cap_net_bind_service=+ep"},
		{":80", os.NewSyscallError("bind", unix.EACCES), "systemd socket"},
		{":80", os.NewSyscallError("bind", unix.EACCES), "port ≥ 1024"},
	} {
		e := &ListenError{tc.address, tc.err, listenHint(tc.address, tc.err)}
		if got := e.Error(); !strings.HasPrefix(got, "bind :80: permission denied; ") ||
			!strings.Contains(got, tc.want) {
			t.Errorf("%v on %s: %q; want %q in it", tc.err, tc.address, got, tc.want)
		}
	}
	if got := listenHint(":8080", unix.EACCES); got != "" {
		t.Errorf("hint for a port that needs no privilege: %q", got)
	}
	for _, address := range []string{":http", "unix:/x", "localhost"} {
		if isPrivileged(address) {
			t.Errorf("isPrivileged(%q)", address)
		}
	}
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	spec := config.Listener{Address: "unix:" + path, Mode: 0o640, Backlog: 16}
	l := mustListen(t, spec, 4)
	if len(l.fds) != 1 || len(l.socketsOf(3, 1)) != 1 {
		t.Fatalf("listen = %d sockets; want a single one for all loops", len(l.fds))
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode = %v, %v; want 0640", st.Mode(), err)
	}
	dial(t, "unix", path)
	if n := acceptAll(t, l); n[0] != 1 {
		t.Errorf("accepted %v; want 1", n)
	}
	_, err := listen(spec, 1, nil)
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("listen on a live socket = %v; want EADDRINUSE", err)
	}
	if err := l.adjust(config.Listener{Address: spec.Address, Mode: 0o600, Backlog: 8}); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode after adjust = %v, %v; want 0600", st.Mode(), err)
	}
	l.close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after close the file is there: %v", err)
	}
}

func TestListenUnixStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	spec := config.Listener{Address: "unix:" + path}
	dead := mustListen(t, spec, 1)
	closeFDs(dead.fds) // a crash: the file stays
	dead.fds = nil
	l := mustListen(t, spec, 1)
	dial(t, "unix", path)
	dead.close() // must not remove its successor's file
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's file: %v", err)
	}
	if n := acceptAll(t, l); n[0] != 1 {
		t.Errorf("accepted %v; want 1", n)
	}
}

// TestListenUnixLeavesOthers: a socket's file is removed only when connect(2) says that nobody is there.
// A datagram socket gives EPROTOTYPE, a live one with a full queue EAGAIN.
func TestListenUnixLeavesOthers(t *testing.T) {
	dir := t.TempDir()
	bound := func(name string, kind int) (path string, fd int) {
		path = filepath.Join(dir, name)
		fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) }) // a socket of the test
		return path, fd
	}
	datagrams, _ := bound("d", unix.SOCK_DGRAM)
	full, fd := bound("f", unix.SOCK_STREAM)
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := unixSocket(unix.SOCK_STREAM)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(c) }) // never accepted
		if err := unix.Connect(c, &unix.SockaddrUnix{Name: full}); err == unix.EAGAIN {
			break
		} else if err != nil {
			t.Skipf("a full queue is something else here: %v", err)
		}
	}
	for _, path := range []string{datagrams, full} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := listen(config.Listener{Address: "unix:" + path}, 1, nil); err == nil {
			l.close()
			t.Errorf("%s: listen took the place of a live socket", path)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: the file is gone or another one: %v", path, err)
		}
	}
}

func TestListenAllIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	good := config.Listener{Address: "unix:" + filepath.Join(dir, "a")}
	bad := config.Listener{Address: "unix:" + filepath.Join(dir, "missing", "b")}
	if _, err := listenAll(context.Background(), []config.Listener{good, bad}, 1, nil); err == nil {
		t.Fatal("listenAll succeeded")
	}
	if _, err := os.Lstat(filepath.Join(dir, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the first listener stayed: %v", err)
	}
}

// A predecessor that is about to end must not make the start fail.
func TestListenAllRetriesInUse(t *testing.T) {
	old := mustListen(t, config.Listener{Address: "127.0.0.1:0"}, 1)
	fds := old.fds
	old.fds = nil
	time.AfterFunc(3*inUseRetryEvery, func() { closeFDs(fds) })
	ls, err := listenAll(context.Background(), []config.Listener{{Address: old.actual}}, 2, nil)
	if err != nil {
		t.Fatalf("listenAll = %v", err)
	}
	ls[0].close()
}

func TestInheritSockets(t *testing.T) {
	ours := mustListen(t, config.Listener{Address: "127.0.0.1:0"}, 1)
	path := filepath.Join(t.TempDir(), "s")
	unixL := mustListen(t, config.Listener{Address: "unix:" + path}, 1)
	pipe, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer w.Close()
	const first = 400 // far above what tests open
	for i, fd := range []int{ours.fds[0], int(pipe.Fd()), unixL.fds[0], unixL.fds[0]} {
		if err := unix.Dup2(fd, first+i); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"LISTEN_FDS": "4", "LISTEN_PID": "77", "LISTEN_FDNAMES": "web:pipe:sock:sock"}
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if in := inheritSockets(func(k string) string { return env[k] }, 78, first, logger); in != nil {
		t.Fatal("took sockets meant for another process")
	}
	in := inheritSockets(func(k string) string { return env[k] }, 77, first, logger)
	if in == nil || len(in.sockets) != 3 || !strings.Contains(log.String(), "name=pipe") {
		t.Fatalf("inheritSockets = %+v, log %q; want 3 sockets and a warning about the pipe", in, &log)
	}
	l, err := listen(config.Listener{Address: ours.actual}, 2, in)
	if err != nil || !l.inherited || len(l.fds) != 1 || l.fds[0] != first {
		t.Fatalf("listen on an inherited address = %+v, %v; want fd %d", l, err, first)
	}
	defer l.close()
	u, err := listen(config.Listener{Address: "unix:" + path}, 2, in)
	if err != nil || len(u.fds) != 2 {
		t.Fatalf("listen on an inherited path = %+v, %v; want both sockets", u, err)
	}
	u.close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("an inherited socket's file was removed: %v", err)
	}
	if len(in.sockets) != 0 {
		t.Errorf("left over: %+v", in.sockets)
	}
}

// What goes into the fd store must come back as the same listener.
func TestFDStore(t *testing.T) {
	path := filepath.Join(shortDir(t), "notify")
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	if err := notify.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"NOTIFY_SOCKET": path}
	getenv := func(k string) string { return env[k] }
	if newFDStore(getenv, discardLog()) != nil {
		t.Error("a store although systemd has none")
	}
	env["FDSTORE"] = "100"
	store := newFDStore(getenv, discardLog())
	sock := filepath.Join(shortDir(t), "s")
	l := mustListen(t, config.Listener{Address: "unix:" + sock}, 1)
	store.add(l)
	buf, oob := make([]byte, 1000), make([]byte, 1000)
	n, oobn, _, _, err := notify.ReadMsgUnix(buf, oob)
	if want := "FDSTORE=1\nFDNAME=" + storeName(l.Address()); err != nil || string(buf[:n]) != want {
		t.Fatalf("notified %q, %v; want %q", buf[:n], err, want)
	}
	fds, err := parseRights(oob[:oobn], nil)
	if err != nil || len(fds) != 1 {
		t.Fatalf("%d descriptors, %v; want 1", len(fds), err)
	}
	l.close()
	dial(t, "unix", sock) // as the store holds it, nobody is refused
	in := &inheritance{sockets: []inheritedSocket{{fd: fds[0]}}}
	if err := in.sockets[0].inspect(); err != nil {
		t.Fatal(err)
	}
	again, err := listen(config.Listener{Address: "unix:" + sock}, 1, in)
	if err != nil {
		t.Fatal(err)
	}
	if got := acceptAll(t, again); got[0] != 1 {
		t.Errorf("the successor accepted %v; want the one that waited", got)
	}
	store.remove(again)
	again.close()
	n, _, _, _, err = notify.ReadMsgUnix(buf, oob)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "FDSTOREREMOVE=1\nFDNAME=weir_unix_/") {
		t.Errorf("notified %q, %v; want FDSTOREREMOVE", buf[:n], err)
	}
}

func TestInheritedUnusedIsClosed(t *testing.T) {
	l := mustListen(t, config.Listener{Address: "127.0.0.1:0"}, 1)
	fd, err := unix.Dup(l.fds[0])
	if err != nil {
		t.Fatal(err)
	}
	in := &inheritance{sockets: []inheritedSocket{{fd: fd, name: "x"}}}
	var log strings.Builder
	in.closeUnused(slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("unused socket: %v; want %v", err, unix.EBADF)
	}
	if !strings.Contains(log.String(), "no binding") {
		t.Errorf("log %q; want a warning", log.String())
	}
}

func TestListenerURL(t *testing.T) {
	for _, tc := range []struct{ network, actual, want string }{
		{"tcp", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"tcp", "127.0.0.1:80", "http://127.0.0.1"},
		{"tcp", ":8080", "http://localhost:8080"},
		{"tcp", "[::]:80", "http://localhost"},
		{"tcp", "[::1]:80", "http://[::1]"},
		{"tcp", "[::1]:8080", "http://[::1]:8080"},
		{"unix", "unix:/run/x.sock", "unix:/run/x.sock"},
	} {
		if got := (&Listener{network: tc.network, actual: tc.actual}).URL(); got != tc.want {
			t.Errorf("URL of %s = %s; want %s", tc.actual, got, tc.want)
		}
	}
}
