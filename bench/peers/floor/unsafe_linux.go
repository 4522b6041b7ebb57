package main

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawWaitMS bounds the wait in which the runtime cannot take the processor back.
const rawWaitMS = 5

// wait returns ready events: first a raw wait of rawWaitMS, then one without bound.
func wait(poll int, events []unix.EpollEvent) (int, syscall.Errno) {
	n := uintptr(len(events))
	// SAFETY: events is not empty; the kernel writes at most n entries into it, here and below.
	r, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(poll),
		uintptr(unsafe.Pointer(&events[0])), n, rawWaitMS, 0, 0)
	if r != 0 {
		return int(r), errno
	}
	const forever = ^uintptr(0)
	r, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(poll),
		uintptr(unsafe.Pointer(&events[0])), n, forever, 0, 0)
	return int(r), errno
}

func accept(listener int) (int, syscall.Errno) {
	const flags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	r, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, flags, 0, 0)
	return int(r), errno
}

func recv(fd int, b []byte) (int, syscall.Errno) {
	// SAFETY: b is not empty; the kernel writes at most len(b) bytes into it.
	r, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(r), errno
}

func send(fd int, b []byte, flags int) (int, syscall.Errno) {
	// SAFETY: b is not empty; the kernel only reads it.
	r, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
	return int(r), errno
}

func control(poll, op, fd int, events uint32) syscall.Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd)}
	// SAFETY: ev outlives the call; the kernel only reads it.
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(poll), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

// closeFD cannot fail in a way that matters: the descriptor is released in any case.
func closeFD(fd int) { _, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
