//go:build linux

package netpoll

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// packets notes what comes over a link.
type packets struct {
	got  []string
	fds  []int
	room int
	end  error
}

func (p *packets) OnPacket(_ *Link, b []byte, fd int) {
	p.got, p.fds = append(p.got, string(b)), append(p.fds, fd)
}
func (p *packets) OnRoom(*Link)             { p.room++ }
func (p *packets) OnEnd(_ *Link, err error) { p.end = err }

// linkPair is a link on h and the descriptor of its other end.
func linkPair(t testing.TB, h *Loop, p LinkHandler) (*Link, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	k, err := h.AdoptLink(fds[0], p)
	if err != nil {
		t.Fatal(err)
	}
	return k, fds[1]
}

// A connection that is given away leaves whole: what was read goes along, nothing comes from the old
// registration any more, and its peer talks to whoever has it.
func TestGive(t *testing.T) {
	h := newHandLoop(t, Config{})
	k, far := linkPair(t, h.Loop, &packets{})
	keep := &keeper{}
	c, peer := h.pair(keep)
	send(t, peer, "rest")
	h.step()
	if string(c.Input()) != "rest" {
		t.Fatalf("Input = %q", c.Input())
	}
	id := SocketID(c.FD())
	if err := c.Give(k, append([]byte("head:"), c.Input()...)); err != nil {
		t.Fatal(err)
	}
	if !c.Closed() || h.Conns() != 0 {
		t.Errorf("closed %v, %d connections; want it gone", c.Closed(), h.Conns())
	}
	b := make([]byte, 64)
	n, fd, e := sysRecvFD(far, b)
	if e != 0 || string(b[:n]) != "head:rest" || fd < 0 || SocketID(fd) != id {
		t.Fatalf("received %q, fd %d, %v", b[:n], fd, e)
	}
	send(t, peer, "more")
	h.step() // a registration that outlived the descriptor would be an event of an unknown one
	took := &keeper{}
	back, err := h.AdoptFrom(fd, netip.MustParseAddrPort("192.0.2.1:80"), false, took)
	if err != nil {
		t.Fatal(err)
	}
	back.PushInput([]byte("rest"))
	h.step()
	h.step()
	if got := string(back.Input()); got != "restmore" || back.Peer().String() != "192.0.2.1:80" {
		t.Errorf("after the return: %q from %v", got, back.Peer())
	}
}

// keeper consumes nothing.
type keeper struct{ idle }

func (*keeper) OnData(*Conn, []byte) int { return 0 }

// A full link takes nothing, and the connection stays as it was: it is read on.
func TestGiveFull(t *testing.T) {
	h := newHandLoop(t, Config{})
	p := &packets{}
	k, far := linkPair(t, h.Loop, p)
	big := make([]byte, 64<<10)
	for k.send(big, -1) == nil {
	}
	c, peer := h.pair(echo{})
	if err := c.Give(k, []byte("x")); err != ErrLinkFull {
		t.Fatalf("Give = %v; want ErrLinkFull", err)
	}
	k.blocked = false // as if nobody had noticed before
	if err := c.Give(k, []byte("x")); err != ErrLinkFull || c.Closed() {
		t.Fatalf("Give = %v, closed %v; want ErrLinkFull", err, c.Closed())
	}
	send(t, peer, "ping")
	h.step()
	if got, _ := recv(peer); got != "ping" {
		t.Fatalf("echo %q after a failed Give", got)
	}
	k.Say([]byte("late"))
	for n, _, e := sysRecvFD(far, make([]byte, PacketMax)); e == 0 && n > 4; n, _, e = sysRecvFD(far, make([]byte, PacketMax)) {
	}
	h.step()
	if p.room != 1 {
		t.Errorf("OnRoom came %d times; want 1", p.room)
	}
	b := make([]byte, 64)
	if n, _, e := sysRecvFD(far, b); e != 0 || string(b[:n]) != "late" {
		t.Errorf("queued packet: %q, %v", b[:n], e)
	}
	if err := c.Give(k, []byte("y")); err != nil {
		t.Errorf("Give with room again: %v", err)
	}
}

// Packets come in order and whole; the end and what breaks the rules end the link, without a leak.
func TestLinkReceives(t *testing.T) {
	h := newHandLoop(t, Config{})
	p := &packets{}
	_, far := linkPair(t, h.Loop, p)
	for range packetsPerTurn + 5 {
		if e := sysSendFD(far, []byte("a"), far); e != 0 {
			t.Fatal(e)
		}
	}
	h.step()
	h.step()
	if len(p.got) != packetsPerTurn+5 {
		t.Fatalf("%d packets; want %d", len(p.got), packetsPerTurn+5)
	}
	for _, fd := range p.fds {
		unix.Close(fd)
	}
	before := openFDs()
	if _, err := SendFDs(far, []byte("two"), []int{far, far}); err != nil {
		t.Fatal(err)
	}
	h.step()
	if p.end == nil || openFDs() != before-1 {
		t.Errorf("two descriptors: end %v, %d descriptors; want an error and %d", p.end, openFDs(), before-1)
	}
	q := &packets{}
	_, other := linkPair(t, h.Loop, q)
	unix.Shutdown(other, unix.SHUT_WR)
	h.step()
	if q.end != io.EOF {
		t.Errorf("end = %v; want EOF", q.end)
	}
}

// BenchmarkHandOff moves one TCP connection to and fro: the time of a Give (epoll_ctl, sendmsg, close)
// and of a take (recvmsg, epoll_ctl).
func BenchmarkHandOff(b *testing.B) {
	l, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { l.Stop(); l.Run() }()
	k, far := linkPair(b, l, &packets{})
	fds := tcpPair(b)
	c, err := l.Adopt(fds[0], echo{})
	if err != nil {
		b.Fatal(err)
	}
	msg, into := bytes.Repeat([]byte("x"), 200), make([]byte, 4096)
	var give, take time.Duration
	for b.Loop() {
		t0 := time.Now()
		if err := c.Give(k, msg); err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		_, fd, _ := sysRecvFD(far, into)
		if c, err = l.AdoptFrom(fd, netip.AddrPort{}, false, echo{}); err != nil {
			b.Fatal(err)
		}
		give, take = give+t1.Sub(t0), take+time.Since(t1)
	}
	b.ReportMetric(float64(give.Nanoseconds())/float64(b.N), "give-ns/op")
	b.ReportMetric(float64(take.Nanoseconds())/float64(b.N), "take-ns/op")
}

// tcpPair is a connection over loopback.
func tcpPair(t testing.TB) [2]int {
	t.Helper()
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(ln, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ln)
	at, _ := unix.Getsockname(ln)
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Connect(c, at)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := unix.Accept4(ln, unix.SOCK_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(c) })
	return [2]int{s, c}
}
