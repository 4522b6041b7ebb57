package netpoll

import "golang.org/x/sys/unix"

const sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

func recvmsg(sock int, b, control []byte) (n, used, flags int, err error) {
	for {
		n, used, flags, _, err = unix.Recvmsg(sock, b, control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			return n, used, flags, err
		}
	}
}
