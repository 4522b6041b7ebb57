//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	familyINET  = unix.AF_INET
	familyINET6 = unix.AF_INET6
)

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return unix.EIO
}

func sysRecv(fd int, b []byte) (int, syscall.Errno) {
	n, err := unix.Read(fd, b)
	return n, errnoOf(err)
}

func sysSend(fd int, b []byte) (int, syscall.Errno) {
	n, err := unix.Write(fd, b)
	return n, errnoOf(err)
}

// vector is a send of several buffers, joined call by call: writev is not in x/sys for every BSD.
type vector struct {
	bufs [iovecsMax][]byte
	n    int
}

func (v *vector) add(b []byte) {
	v.bufs[v.n] = b
	v.n++
}

func (v *vector) send(fd int, _ bool) (int, syscall.Errno) {
	sent := 0
	for i := 0; i < v.n; i++ {
		n, e := sysSend(fd, v.bufs[i])
		if e != 0 {
			v.n = 0
			if sent > 0 {
				return sent, 0
			}
			return 0, e
		}
		sent += n
		if n < len(v.bufs[i]) {
			break
		}
	}
	v.n = 0
	return sent, 0
}

func sysAccept(fd int, peer *peerAddr) (int, syscall.Errno) {
	syscall.ForkLock.RLock()
	n, sa, err := unix.Accept(fd)
	if err == nil {
		unix.CloseOnExec(n)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, errnoOf(err)
	}
	if err := unix.SetNonblock(n, true); err != nil {
		_ = unix.Close(n) // the connection is given up; nothing was promised on it
		return -1, errnoOf(err)
	}
	*peer = peerAddr{}
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		var raw [8]byte
		binary.BigEndian.PutUint16(raw[2:], uint16(a.Port))
		copy(raw[4:], a.Addr[:])
		peer.setRaw(familyINET, raw[:])
	case *unix.SockaddrInet6:
		var raw [24]byte
		binary.BigEndian.PutUint16(raw[2:], uint16(a.Port))
		copy(raw[8:], a.Addr[:])
		peer.setRaw(familyINET6, raw[:])
	}
	return n, 0
}

func sysClose(fd int) { _ = unix.Close(fd) } // the descriptor is gone whatever close says

func threadID() int { return unix.Getpid() } // no portable thread id; checkOn checks nothing more
