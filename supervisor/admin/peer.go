package admin

import "net"

// peer is the process at the other end of a connection.
type peer struct {
	uid   int
	known bool
}

func peerOf(c net.Conn) peer {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return peer{}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return peer{}
	}
	var p peer
	if err := raw.Control(func(fd uintptr) { p = peerCredentials(int(fd)) }); err != nil {
		return peer{}
	}
	return p
}
