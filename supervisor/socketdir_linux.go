package supervisor

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// socketPathBytesMax is what sockaddr_un holds beside the final NUL.
const socketPathBytesMax = 107

// changeSocket sets group (unless -1) and mode of the socket at path, through an O_PATH descriptor.
func changeSocket(path string, gid int, mode uint32) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return errNoSocket
	}
	if err != nil {
		return fmt.Errorf("socket %s: %w", path, os.NewSyscallError("open", err))
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("socket %s: %w", path, os.NewSyscallError("fstat", err))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("socket %s: %w", path, errNotSocket)
	}
	proc := "/proc/self/fd/" + strconv.Itoa(fd)
	if gid >= 0 && int(st.Gid) != gid {
		if err := unix.Fchownat(unix.AT_FDCWD, proc, -1, gid, 0); err != nil {
			return fmt.Errorf("socket %s: %w", path, os.NewSyscallError("chown", err))
		}
	}
	if st.Mode&0o777 != mode {
		if err := unix.Fchmodat(unix.AT_FDCWD, proc, mode, 0); err != nil {
			return fmt.Errorf("socket %s: %w", path, os.NewSyscallError("chmod", err))
		}
	}
	return nil
}
