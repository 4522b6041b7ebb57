//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const sendFlags = unix.MSG_DONTWAIT

// sysSendFD sends one packet, with descriptor pass unless that is below 0.
func sysSendFD(fd int, b []byte, pass int) syscall.Errno {
	var control []byte
	if pass >= 0 {
		control = unix.UnixRights(pass)
	}
	_, err := unix.SendmsgN(fd, b, control, nil, sendFlags)
	return errnoOf(err)
}

// sysRecvFD receives one packet and the descriptor that came with it, -1 for none. A packet that was
// cut, or had more descriptors, is EMSGSIZE.
func sysRecvFD(fd int, b []byte) (n, got int, e syscall.Errno) {
	control := make([]byte, unix.CmsgSpace(4))
	n, used, flags, err := recvmsg(fd, b, control)
	if err != nil {
		return 0, -1, errnoOf(err)
	}
	fds, err := rightsIn(control[:used])
	if err != nil || len(fds) > 1 || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		for _, f := range fds {
			sysClose(f)
		}
		return 0, -1, unix.EMSGSIZE
	}
	if len(fds) == 1 {
		return n, fds[0], 0
	}
	return n, -1, 0
}

// recvmsg marks what came close-on-exec under the fork lock, where the system has no flag for it.
func recvmsg(sock int, b, control []byte) (n, used, flags int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for {
		n, used, flags, _, err = unix.Recvmsg(sock, b, control, unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		fds, _ := rightsIn(control[:used]) // the caller meets the error again
		for _, fd := range fds {
			unix.CloseOnExec(fd)
		}
	}
	return n, used, flags, err
}
