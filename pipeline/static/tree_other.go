//go:build !linux

package static

import (
	"os"

	"golang.org/x/sys/unix"
)

// beneath opens files by os.Root, which walks the path segment by segment.
type beneath struct{}

func (*beneath) init(string) error { return nil }
func (*beneath) close() error      { return nil }

func (*beneath) open(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
}
