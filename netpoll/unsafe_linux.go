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
