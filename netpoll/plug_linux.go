package netpoll

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Plug stops the kernel from queueing more connections to a listening socket, of whichever holder,
// while those that it has queued can still be accepted: closing the socket then resets nobody. Closing
// alone would reset every connection that came since the last accept, and shutdown(2) of a TCP socket
// the whole queue.
//
// At a TCP socket SYN segments are dropped; the client sends another after a second and finds who
// listens there then. Handshakes that have begun complete: give them a round trip before the last
// accept. A Unix socket refuses at once, and for good, and polls as readable from then on.
// The effect belongs to the socket, so a socket that is to live on elsewhere must not be plugged.
//
// tcp(7), socket(7) SO_ATTACH_FILTER: a filter of a TCP socket sees segments from their header on.
func Plug(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	switch {
	case err != nil:
		return fmt.Errorf("netpoll: plug fd %d: %w", fd, os.NewSyscallError("getsockopt", err))
	case domain == unix.AF_UNIX:
		err = os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_RD))
	default:
		err = os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET,
			unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(dropSYN)), Filter: &dropSYN[0]}))
	}
	if err != nil {
		return fmt.Errorf("netpoll: plug fd %d: %w", fd, err)
	}
	return nil
}

// dropSYN is a filter that drops segments which ask for a connection.
var dropSYN = [...]unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13}, // flags of the TCP header
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jt: 1}, // SYN without ACK
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	{Code: unix.BPF_RET | unix.BPF_K},
}

// Waiting is how many connections wait at a listening TCP socket to be accepted.
//
// Linux net/ipv4/tcp.c, tcp_get_info: tcpi_unacked of a socket that listens.
func Waiting(fd int) (int, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, fmt.Errorf("netpoll: waiting at fd %d: %w", fd, os.NewSyscallError("getsockopt", err))
	}
	return int(info.Unacked), nil
}

// Refuse has a listening TCP socket listen no more, of whichever holder: new connections are refused,
// and those that wait are reset.
func Refuse(fd int) error {
	if err := unix.Shutdown(fd, unix.SHUT_RD); err != nil {
		return fmt.Errorf("netpoll: refuse at fd %d: %w", fd, os.NewSyscallError("shutdown", err))
	}
	return nil
}

// Unplug takes Plug back from a TCP socket; no effect on one that is not plugged.
func Unplug(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("netpoll: unplug fd %d: %w", fd, os.NewSyscallError("setsockopt", err))
	}
	return nil
}
