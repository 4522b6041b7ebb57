package static

import (
	"os"

	"golang.org/x/sys/unix"
)

// beneath opens files by openat2, in one system call whatever the depth. Kernels before 5.6 and
// sandboxes that refuse it leave the work to os.Root.
type beneath struct{ dir *os.File }

func (b *beneath) init(name string) error {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	b.dir = os.NewFile(uintptr(fd), name)
	return nil
}

func (b *beneath) close() error { return b.dir.Close() }

func (b *beneath) open(root *os.Root, name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, // a FIFO must not wait
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(int(b.dir.Fd()), name, &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case (err == unix.EINTR || err == unix.EAGAIN) && try < 16:
			// EAGAIN: a rename raced with the walk, openat2(2)
		case err == unix.ENOSYS || err == unix.EPERM:
			return root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
		default:
			return nil, &os.PathError{Op: "openat2", Path: name, Err: err}
		}
	}
}
