package netpoll

import "golang.org/x/sys/unix"

// Unacked is the bytes that the kernel holds for the peer: sent by us, not acknowledged (TCP) or not
// read (Unix). One system call.
func (c *Conn) Unacked() int {
	n, err := unix.IoctlGetInt(int(c.fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
