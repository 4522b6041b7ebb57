package admin

import "golang.org/x/sys/unix"

func peerCredentials(fd int) peer {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{}
	}
	return peer{uid: int(c.Uid), known: true}
}
