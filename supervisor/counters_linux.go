package supervisor

import (
	"os"

	"golang.org/x/sys/unix"
)

// newSharedFile is anonymous memory of size bytes behind a descriptor that can be passed on. Its size
// is sealed; without writable its content will be sealed by sealContent.
func newSharedFile(name string, size int, writable bool) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(int64(size)); err != nil {
		_ = f.Close() // reported below
		return nil, err
	}
	if !writable {
		return f, nil
	}
	return f, sealShared(f, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
}

// sealContent makes f immutable.
func sealContent(f *os.File) error {
	return sealShared(f, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)
}

func sealShared(f *os.File, seals int) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	return os.NewSyscallError("fcntl F_ADD_SEALS", err)
}
