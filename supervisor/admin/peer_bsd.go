//go:build darwin || freebsd

package admin

import "golang.org/x/sys/unix"

// peerCredentials asks at level SOL_LOCAL, which is 0.
func peerCredentials(fd int) peer {
	c, err := unix.GetsockoptXucred(fd, 0, unix.LOCAL_PEERCRED)
	if err != nil {
		return peer{}
	}
	return peer{uid: int(c.Uid), known: true}
}
