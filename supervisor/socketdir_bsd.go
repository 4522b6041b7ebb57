//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package supervisor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// socketPathBytesMax is what sockaddr_un holds beside the final NUL.
const socketPathBytesMax = 103

// changeSocket sets group (unless -1) and mode of the socket at path. There is no O_PATH here: links
// are not followed, but a worker may swap its own socket between two calls.
func changeSocket(path string, gid int, mode uint32) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err == unix.ENOENT {
		return errNoSocket
	} else if err != nil {
		return fmt.Errorf("socket %s: %w", path, os.NewSyscallError("lstat", err))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("socket %s: %w", path, errNotSocket)
	}
	if gid >= 0 && int(st.Gid) != gid {
		if err := unix.Lchown(path, -1, gid); err != nil {
			return fmt.Errorf("socket %s: %w", path, os.NewSyscallError("lchown", err))
		}
	}
	if uint32(st.Mode)&0o777 != mode {
		err := unix.Fchmodat(unix.AT_FDCWD, path, mode, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			return fmt.Errorf("socket %s: %w", path, os.NewSyscallError("chmod", err))
		}
	}
	return nil
}
