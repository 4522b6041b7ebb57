//go:build !linux

package supervisor

import "os"

// newSharedFile is an unlinked temporary file of size bytes: without memfd it cannot be sealed, so
// its holders trust each other not to shorten it.
func newSharedFile(name string, size int, _ bool) (*os.File, error) {
	f, err := os.CreateTemp("", name+"-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close() // reported below
		return nil, err
	}
	if err := f.Truncate(int64(size)); err != nil {
		_ = f.Close() // reported below
		return nil, err
	}
	return f, nil
}

// sealContent does nothing here.
func sealContent(*os.File) error { return nil }
