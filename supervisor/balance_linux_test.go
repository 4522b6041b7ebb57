package supervisor

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// kernelGroup is n listening sockets that share an address.
func kernelGroup(t *testing.T, n int) (fds []int, address string) {
	t.Helper()
	for i := range n {
		at := "127.0.0.1:0"
		if i > 0 {
			at = address
		}
		fd, err := tcpSocket("tcp4", at, 4096, true)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		t.Cleanup(func() { _ = unix.Close(fd) }) // may be closed already
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		port, err := boundPort(fd)
		if err != nil {
			t.Fatal(err)
		}
		address = fmt.Sprintf("127.0.0.1:%d", port)
	}
	return fds, address
}

// connected makes n connections and returns how many came to each socket.
func connected(t *testing.T, address string, n int, fds []int) []int {
	t.Helper()
	var open []net.Conn
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	counts := make([]int, len(fds))
	for i, fd := range fds {
		for {
			c, _, err := unix.Accept(fd)
			if err != nil {
				break
			}
			counts[i]++
			_ = unix.Close(c) // counted
		}
	}
	for _, c := range open {
		_ = c.Close() // counted
	}
	return counts
}

// TestKernelGroup shows what group relies on.
func TestKernelGroup(t *testing.T) {
	if err := canBalance(); err != nil {
		t.Skip("needs a kernel that takes SO_ATTACH_REUSEPORT_CBPF: ", err)
	}
	fds, address := kernelGroup(t, 4)
	send := func(index int) {
		t.Helper()
		if err := attachBalance(fds[0], []int{index}); err != nil { // the only one that is owned
			t.Fatal(err)
		}
	}
	for i := range fds {
		send(i)
		want := make([]int, 4)
		if want[i] = 8; !slices.Equal(connected(t, address, 8, fds), want) {
			t.Errorf("index %d is not that of the socket opened in its place", i)
		}
	}
	send(99)
	if got := connected(t, address, 64, fds); slices.Max(got) == 64 {
		t.Errorf("an index beyond the last: %v; want a choice by hash", got)
	}
	dup, err := unix.FcntlInt(uintptr(fds[1]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	send(1)
	_ = unix.Close(fds[1]) // the duplicate keeps it
	fds[1] = dup
	if got := connected(t, address, 8, fds); !slices.Equal(got, []int{0, 8, 0, 0}) {
		t.Errorf("a socket of which one descriptor was closed: %v", got)
	}
	_ = unix.Close(dup) // now it goes
	send(1)
	if got := connected(t, address, 8, []int{fds[0], fds[2], fds[3]}); !slices.Equal(got, []int{0, 0, 8}) {
		t.Errorf("after a close index 1 is %v; want the last socket to have moved there", got)
	}
}

// Connections come to the chosen sockets alone, as often to each as to the others.
func TestBalanceProgram(t *testing.T) {
	if err := canBalance(); err != nil {
		t.Skip("needs a kernel that takes SO_ATTACH_REUSEPORT_CBPF: ", err)
	}
	fds, address := kernelGroup(t, 6)
	for _, owned := range [][]int{{0, 1, 2, 3, 4, 5}, {3}, {0, 2, 5}, {3, 4, 5}, {1}, {5}} {
		if err := attachBalance(fds[2], owned); err != nil {
			t.Fatal(err)
		}
		const each = 200
		got := connected(t, address, each*len(owned), fds)
		for i, n := range got {
			switch chosen := slices.Contains(owned, i); {
			case !chosen && n > 0:
				t.Errorf("%v: %d connections to socket %d; want none", owned, n, i)
			case chosen && (n < each/2 || n > 2*each): // 7 standard deviations
				t.Errorf("%v: %d connections to socket %d; want about %d", owned, n, i, each)
			}
		}
	}
	var many []int
	for i := range poolWorkersMax {
		many = append(many, 2*i+1)
	}
	if err := attachBalance(fds[0], many); err != nil {
		t.Errorf("a program for %d sockets: %v", len(many), err)
	}
}
