package netpoll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	familyINET  = unix.AF_INET
	familyINET6 = unix.AF_INET6
)

// The calls below are made raw: none of them blocks (every socket is O_NONBLOCK), so the P need not
// be given up. Addresses are converted inside the call expression, as unsafe.Pointer rule 4 asks.

func sysRecv(fd int, b []byte) (int, syscall.Errno) {
	// SAFETY: b is not empty and stays alive for the call.
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

func sysSend(fd int, b []byte) (int, syscall.Errno) {
	// SAFETY: as sysRecv.
	n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), e
}

// vector is a send of several buffers; it lives in the loop, so that no send allocates.
type vector struct {
	iov [iovecsMax]unix.Iovec
	n   int
}

func (v *vector) add(b []byte) {
	v.iov[v.n].Base = unsafe.SliceData(b)
	v.iov[v.n].SetLen(len(b))
	v.n++
}

func (v *vector) send(fd int, more bool) (int, syscall.Errno) {
	// SAFETY: msg and what it points to stay alive for the call; the kernel keeps no reference.
	msg := unix.Msghdr{Iov: &v.iov[0]}
	msg.SetIovlen(v.n)
	flags := unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if more {
		flags |= unix.MSG_MORE
	}
	n, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)),
		uintptr(flags))
	for i := range v.iov[:v.n] {
		v.iov[i].Base = nil
	}
	v.n = 0
	return int(n), e
}

// rights is control data with one descriptor.
type rights struct {
	head unix.Cmsghdr
	fd   int32
	_    int32 // CMSG_SPACE pads
}

// sysSendFD sends one packet, with descriptor pass unless that is below 0.
func sysSendFD(fd int, b []byte, pass int) syscall.Errno {
	var control rights
	iov := unix.Iovec{Base: unsafe.SliceData(b)}
	iov.SetLen(len(b))
	msg := unix.Msghdr{Iov: &iov}
	msg.SetIovlen(1)
	if pass >= 0 {
		control.head.Level, control.head.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
		control.head.SetLen(unix.CmsgLen(4))
		control.fd = int32(pass)
		// SAFETY: control has the layout and at least the size of such a message.
		msg.Control = (*byte)(unsafe.Pointer(&control))
		msg.SetControllen(unix.CmsgSpace(4))
	}
	// SAFETY: msg and what it points to stay alive for the call; the kernel keeps no reference.
	_, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return e
}

// sysRecvFD receives one packet and the descriptor that came with it, -1 for none. A packet that was
// cut, or had more descriptors, is EMSGSIZE.
func sysRecvFD(fd int, b []byte) (n, got int, e syscall.Errno) {
	var control rights
	iov := unix.Iovec{Base: unsafe.SliceData(b)}
	iov.SetLen(len(b))
	msg := unix.Msghdr{Iov: &iov}
	msg.SetIovlen(1)
	// SAFETY: as sysSendFD. The length leaves room for one descriptor; the kernel drops others.
	msg.Control = (*byte)(unsafe.Pointer(&control))
	msg.SetControllen(unix.CmsgLen(4))
	// SAFETY: as sysSendFD.
	r, _, e := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)),
		unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if e != 0 {
		return 0, -1, e
	}
	got = -1
	if msg.Controllen > 0 && control.head.Level == unix.SOL_SOCKET &&
		control.head.Type == unix.SCM_RIGHTS {
		got = int(control.fd)
	}
	if msg.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		if got >= 0 {
			sysClose(got)
		}
		return 0, -1, unix.EMSGSIZE
	}
	return int(r), got, 0
}

func sysAccept(fd int, peer *peerAddr) (int, syscall.Errno) {
	var sa unix.RawSockaddrInet6
	size := uint32(unix.SizeofSockaddrInet6)
	// SAFETY: sa and size are alive for the call; longer (Unix) addresses are cut by the kernel.
	n, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if e == 0 {
		// SAFETY: sa is at least as long as every layout that setRaw reads.
		peer.setRaw(sa.Family, (*[unix.SizeofSockaddrInet6]byte)(unsafe.Pointer(&sa))[:])
	}
	return int(n), e
}

func sysEpollWait(ep int, events []unix.EpollEvent, ms int, raw bool) (int, syscall.Errno) {
	// SAFETY: events is not empty and stays alive for the call.
	p := unsafe.Pointer(unsafe.SliceData(events))
	if raw {
		n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(p),
			uintptr(len(events)), uintptr(ms), 0, 0)
		return int(n), e
	}
	n, _, e := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(p),
		uintptr(len(events)), uintptr(ms), 0, 0)
	return int(n), e
}

func sysEpollCtl(ep, op, fd int, ev *unix.EpollEvent) syscall.Errno {
	// SAFETY: ev is alive for the call.
	_, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(ev)), 0, 0)
	return e
}

func sysClose(fd int) {
	syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

func threadID() int { return unix.Gettid() }
