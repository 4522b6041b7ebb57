// Command floor is the least that a Go event loop must do for an HTTP answer: wait, receive, count
// the ends of heads, send a fixed answer for each. It parses nothing and is no server; its CPU time
// per request is what every other subject of the bench is divided by.
//
// It waits as Weir's loop does: first in RawSyscall with a bound of 5 ms, then in Syscall without
// one, and passes a preemption point after EINTR, because the runtime cannot stop a raw wait.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	bodyInlineMax = 64 << 10 // a file up to this size is sent from memory, a larger one by sendfile
	readBytes     = 64 << 10
	eventsMax     = 512
	fdsMax        = 1 << 16
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	file := flag.String("file", "", "answer with this file instead of 13 bytes")
	closing := flag.Bool("close", false, "close after each answer")
	flag.Parse()
	addr, err := netip.ParseAddrPort(*listen)
	if err != nil || !addr.Addr().Is4() {
		log.Fatalf("floor: listen on %s: want IPv4:PORT", *listen)
	}
	runtime.GOMAXPROCS(2) // the loop and one for the collector, as Weir's front has
	go collectOnSignal()
	runtime.LockOSThread()
	l, err := newLoop(addr, *file, *closing)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(l.run())
}

// collectOnSignal returns free memory to the system on SIGUSR1, for the idle-memory scenario.
func collectOnSignal() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	for range c {
		debug.FreeOSMemory()
	}
}

// readable is what every connection is registered for, edge-triggered.
const readable = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff

var headEnd = []byte("\r\n\r\n")

type loop struct {
	poll, listener int
	answer         []byte   // head and inline body
	file           *os.File // sent after answer; nil: none
	fileSize       int64
	closing        bool
	conns          []conn // by fd
	buf, out       []byte
}

// conn is what could not be sent at once: bytes, then file content [off, end).
type conn struct {
	unsent   []byte
	off, end int64
	armed    bool // EPOLLOUT
}

func newLoop(addr netip.AddrPort, file string, closing bool) (*loop, error) {
	l := &loop{closing: closing, conns: make([]conn, fdsMax), buf: make([]byte, readBytes)}
	if err := l.prepareAnswer(file); err != nil {
		return nil, err
	}
	var err error
	const kind = unix.SOCK_STREAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	l.listener, err = unix.Socket(unix.AF_INET, kind, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	for _, opt := range [][2]int{{unix.SOL_SOCKET, unix.SO_REUSEADDR},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY}} {
		if err := unix.SetsockoptInt(l.listener, opt[0], opt[1], 1); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	sa := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	if err := unix.Bind(l.listener, sa); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(l.listener, 4096); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	if l.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if errno := control(l.poll, unix.EPOLL_CTL_ADD, l.listener, unix.EPOLLIN); errno != 0 {
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	return l, nil
}

func (l *loop) prepareAnswer(file string) error {
	kind, body := "text/plain", []byte("Hello, World!")
	size := int64(len(body))
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		if size = info.Size(); size <= bodyInlineMax {
			if body, err = os.ReadFile(file); err != nil {
				return fmt.Errorf("floor: %w", err)
			}
		} else {
			l.file, l.fileSize, body = f, size, nil
		}
	}
	keep := ""
	if l.closing {
		keep = "Connection: close\r\n"
	}
	l.answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: floor\r\n"+
		"Date: Sun, 22 Nov 2026 21:03:47 GMT\r\n"+
		"Content-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s", kind, size, keep, body)
	return nil
}

func (l *loop) run() error {
	events := make([]unix.EpollEvent, eventsMax)
	for {
		n, errno := wait(l.poll, events)
		if errno == unix.EINTR {
			runtime.Gosched() // lets a stop-the-world take this thread
			continue
		}
		if errno != 0 {
			return os.NewSyscallError("epoll_pwait", errno)
		}
		for i := range events[:n] {
			fd := int(events[i].Fd)
			if fd == l.listener {
				l.accept()
				continue
			}
			l.onEvent(fd, events[i].Events)
		}
	}
}

// accept takes one connection per event: to ask whether there is another costs nearly as much as to
// take one, and the poller is level-triggered.
func (l *loop) accept() {
	fd, errno := accept(l.listener)
	if errno != 0 {
		return // EAGAIN, or a connection that has already gone
	}
	if fd >= len(l.conns) {
		closeFD(fd) // beyond our table; the client counts it as an error
		return
	}
	l.conns[fd] = conn{}
	if control(l.poll, unix.EPOLL_CTL_ADD, fd, readable) != 0 {
		closeFD(fd)
	}
}

func (l *loop) onEvent(fd int, events uint32) {
	c := &l.conns[fd]
	if events&unix.EPOLLOUT != 0 && (len(c.unsent) > 0 || c.off < c.end) && !l.flush(fd, c) {
		return
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	gone := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	for {
		n, errno := recv(fd, l.buf)
		if errno == unix.EAGAIN || errno == unix.EINTR {
			return
		}
		if n <= 0 {
			l.close(fd, c)
			return
		}
		if !l.reply(fd, c, bytes.Count(l.buf[:n], headEnd)) {
			return
		}
		if n < len(l.buf) && !gone {
			return
		}
	}
}

// reply sends count answers; false means that the connection is closed.
func (l *loop) reply(fd int, c *conn, count int) bool {
	if count == 0 {
		return true
	}
	out := l.answer
	if count > 1 {
		l.out = l.out[:0]
		for range count {
			l.out = append(l.out, l.answer...)
		}
		out = l.out
	}
	flags := 0
	if l.file != nil {
		flags, c.off, c.end = unix.MSG_MORE, 0, l.fileSize
	}
	if len(c.unsent) > 0 {
		c.unsent = append(c.unsent, out...)
		return true
	}
	n, errno := send(fd, out, flags)
	if errno != 0 && errno != unix.EAGAIN {
		l.close(fd, c)
		return false
	}
	if n = max(n, 0); n < len(out) {
		c.unsent = append(c.unsent, out[n:]...)
		return l.awaitWritable(fd, c)
	}
	if c.off < c.end {
		return l.flush(fd, c)
	}
	if l.closing {
		l.close(fd, c)
		return false
	}
	return true
}

// flush continues what an earlier send left; false means that the connection is closed.
func (l *loop) flush(fd int, c *conn) bool {
	if len(c.unsent) > 0 {
		n, errno := send(fd, c.unsent, 0)
		if errno == unix.EAGAIN {
			return true
		}
		if errno != 0 {
			l.close(fd, c)
			return false
		}
		if c.unsent = c.unsent[n:]; len(c.unsent) > 0 {
			return true
		}
	}
	for c.off < c.end {
		n, err := unix.Sendfile(fd, int(l.file.Fd()), &c.off, int(c.end-c.off))
		if err == unix.EAGAIN {
			return l.awaitWritable(fd, c)
		}
		if err != nil || n == 0 {
			l.close(fd, c)
			return false
		}
	}
	if l.closing {
		l.close(fd, c)
		return false
	}
	return true
}

// awaitWritable arms EPOLLOUT, once: most connections never need it, and arming it from the start
// costs every new one a needless event.
func (l *loop) awaitWritable(fd int, c *conn) bool {
	if c.armed {
		return true
	}
	c.armed = true
	if control(l.poll, unix.EPOLL_CTL_MOD, fd, readable|unix.EPOLLOUT) != 0 {
		l.close(fd, c)
		return false
	}
	return true
}

func (l *loop) close(fd int, c *conn) {
	*c = conn{}
	closeFD(fd)
}
