package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/supervisor/admin"
)

// runtimeDir is the directory of a running instance. The lock file in it is locked while the instance
// lives; the kernel unlocks it however the process ends.
type runtimeDir struct {
	path   string
	lock   *os.File
	shared bool // made because the usual one was taken: removed at the end
}

// errDirTaken: another live instance holds the directory.
var errDirTaken = errors.New("in use")

// runtimePlace is where a runtime directory may be.
type runtimePlace struct {
	path     string
	explicit bool        // the user's choice: taken as it is, no other will do
	mode     fs.FileMode // of a new directory
}

// claimRuntimeDir makes and locks the directory. A live instance in the usual place makes it take
// PLACE-PID instead, and say so in note; one that dies just now is waited for.
func claimRuntimeDir(ctx context.Context, p runtimePlace) (d *runtimeDir, note string, err error) {
	until := time.Now().Add(dirTakenRetry)
	d, err = lockDir(p)
	for errors.Is(err, errDirTaken) && time.Now().Before(until) && pause(ctx, dirTakenRetryEvery) {
		d, err = lockDir(p)
	}
	if !errors.Is(err, errDirTaken) {
		return d, "", err
	}
	owner := admin.LockedBy(p.path)
	if p.explicit {
		return nil, "", fmt.Errorf("supervisor: runtime directory %s: in use by pid %d", p.path, owner)
	}
	usual := p.path
	p.path += "-" + strconv.Itoa(os.Getpid())
	if d, err = lockDir(p); err != nil {
		return nil, "", err
	}
	d.shared = true
	return d, fmt.Sprintf("runtime directory %s is in use by pid %d; using %s", usual, owner, p.path), nil
}

// lockDir makes p if need be, checks it and takes its lock.
func lockDir(p runtimePlace) (*runtimeDir, error) {
	if !filepath.IsAbs(p.path) {
		return nil, fmt.Errorf("supervisor: runtime directory %s: not absolute", p.path)
	}
	err := os.Mkdir(p.path, p.mode)
	if errors.Is(err, fs.ErrNotExist) && p.explicit {
		err = os.MkdirAll(p.path, p.mode)
	}
	if err == nil {
		err = os.Chmod(p.path, p.mode) // whatever the umask
	} else if errors.Is(err, fs.ErrExist) {
		err = checkRuntimeDir(p)
	}
	if err != nil {
		return nil, runtimeDirError(p.path, err)
	}
	for range 3 { // a file may be replaced between open and lock, but not for ever
		f, err := os.OpenFile(filepath.Join(p.path, admin.LockName), os.O_RDWR|os.O_CREATE|
			syscall.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, runtimeDirError(p.path, err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = f.Close() // not ours
			if err == unix.EWOULDBLOCK {
				return nil, errDirTaken
			}
			return nil, runtimeDirError(p.path, os.NewSyscallError("flock", err))
		}
		if sameFile(f) {
			return &runtimeDir{path: p.path, lock: f}, writePID(f)
		}
		_ = f.Close() // an instance that ended removed it just now
	}
	return nil, errDirTaken
}

// checkRuntimeDir refuses what somebody else could have prepared for us.
func checkRuntimeDir(p runtimePlace) error {
	st, err := os.Lstat(p.path)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case st.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link")
	case !st.IsDir():
		return errors.New("it is not a directory")
	case p.explicit:
		return nil
	case !ok || int(sys.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, not to %d", sys.Uid, os.Geteuid())
	}
	return os.Chmod(p.path, p.mode) // an older version's, or a changed --user
}

func runtimeDirError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("supervisor: runtime directory %s: %w; choose another with --runtime-dir", path, err)
}

// sameFile reports that f's path still names f.
func sameFile(f *os.File) bool {
	a, err := f.Stat()
	b, err2 := os.Lstat(f.Name())
	return err == nil && err2 == nil && os.SameFile(a, b)
}

func writePID(f *os.File) error {
	err := f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return errors.Join(runtimeDirError(filepath.Dir(f.Name()), err), f.Close())
	}
	return nil
}

// release unlocks the directory. The usual one stays, with its lock file: removing that could pull it
// from under a successor.
func (d *runtimeDir) release() {
	if d.shared {
		_ = os.RemoveAll(d.path) // leftovers are harmless: nobody answers in them
	}
	_ = d.lock.Close() // unlocks
}
