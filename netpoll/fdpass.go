package netpoll

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrControlTruncated is returned by RecvFDs when more descriptors came than were asked for. Those
// that did come were closed: a message without all its descriptors means nothing.
var ErrControlTruncated = errors.New("netpoll: descriptors cut off on receipt")

// SendFDs sends b, with fds attached to its first byte, over the Unix socket sock, and returns how
// much of b was taken; the descriptors went if it is not 0. The caller keeps its own descriptors, and
// must have removed those of connections from their loop: see [Conn.Detach].
//
// b must not be empty, fds at most passFDsMax. On a full socket the error is EAGAIN, to errors.Is.
func SendFDs(sock int, b []byte, fds []int) (n int, err error) {
	if len(b) == 0 || len(fds) > passFDsMax {
		return 0, fmt.Errorf("netpoll: send %d descriptors with %d bytes: %w",
			len(fds), len(b), os.ErrInvalid)
	}
	var control []byte
	if len(fds) > 0 {
		control = unix.UnixRights(fds...)
	}
	for {
		n, err = unix.SendmsgN(sock, b, control, nil, sendFlags)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, os.NewSyscallError("sendmsg", err)
	}
	return n, nil
}

// RecvFDs receives into b from the Unix socket sock, and appends the descriptors that came along, all
// close-on-exec, to fds. At most fdsMax of them are taken; more is ErrControlTruncated, and on any
// error every one that came is closed. The peer's end is io.EOF; an empty socket EAGAIN, to errors.Is.
func RecvFDs(sock int, b []byte, fds []int, fdsMax int) (n int, got []int, err error) {
	if len(b) == 0 || fdsMax > passFDsMax {
		return 0, fds, fmt.Errorf("netpoll: receive %d descriptors with %d bytes: %w",
			fdsMax, len(b), os.ErrInvalid)
	}
	control := make([]byte, unix.CmsgSpace(fdsMax*4))
	n, used, flags, err := recvmsg(sock, b, control)
	if err != nil {
		return 0, fds, os.NewSyscallError("recvmsg", err)
	}
	came, err := rightsIn(control[:used])
	// CMSG_SPACE pads: room for an odd count holds one descriptor more.
	if flags&unix.MSG_CTRUNC != 0 || len(came) > fdsMax {
		err = ErrControlTruncated
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		for _, fd := range came {
			sysClose(fd)
		}
		return 0, fds, err
	}
	return n, append(fds, came...), nil
}

// rightsIn is the descriptors in received control data, also when part of it is malformed.
func rightsIn(control []byte) (fds []int, err error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	for i := range messages {
		if messages[i].Header.Level != unix.SOL_SOCKET || messages[i].Header.Type != unix.SCM_RIGHTS {
			continue // credentials, say
		}
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return fds, os.NewSyscallError("recvmsg", err)
		}
		fds = append(fds, more...)
	}
	return fds, nil
}
