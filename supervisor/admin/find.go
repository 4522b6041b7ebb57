package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Names of files in a runtime directory.
const (
	SocketName = "admin.sock"
	LockName   = "lock" // held by the live instance; holds its pid
)

// ErrNoInstance is wrapped when no instance runs: the command line exits 3.
var ErrNoInstance = errors.New("no running instance")

// AmbiguousError is returned by [Find] when several instances run and none was named.
type AmbiguousError struct {
	Found []Found
}

// Error lists them.
func (e *AmbiguousError) Error() string {
	var b strings.Builder
	b.WriteString("several instances are running; name one with --runtime-dir:")
	for _, f := range e.Found {
		fmt.Fprintf(&b, "\n  --runtime-dir %s (pid %d)", f.Dir, f.PID)
	}
	return b.String()
}

// Found is a live instance.
type Found struct {
	Dir string // runtime directory
	PID int    // 0: unknown
}

// Socket is the path of its admin socket.
func (f Found) Socket() string { return filepath.Join(f.Dir, SocketName) }

// RuntimeDir is where an instance of user uid lives that was not told. told reports that the
// environment ($RUNTIME_DIRECTORY, systemd's) names it.
func RuntimeDir(getenv func(string) string, uid int) (dir string, told bool) {
	if d, _, _ := strings.Cut(getenv("RUNTIME_DIRECTORY"), ":"); d != "" {
		return d, true
	}
	if uid == 0 {
		return "/run/weir", false
	}
	if d := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		return filepath.Join(d, "weir"), false
	}
	return TempRuntimeDir(getenv, uid), false
}

// TempRuntimeDir is the last resort, below the directory for temporary files.
func TempRuntimeDir(getenv func(string) string, uid int) string {
	tmp := getenv("TMPDIR")
	if tmp == "" {
		tmp = "/tmp"
	}
	return filepath.Join(tmp, "weir-"+strconv.Itoa(uid))
}

// Find is the instance in dir, or for "" the only live one that this user may have started. The error
// wraps ErrNoInstance, or fs.ErrPermission for one that this user may not speak to, or is an
// *AmbiguousError.
func Find(dir string, getenv func(string) string) (Found, error) {
	if dir != "" {
		return look(dir)
	}
	found, forbidden := list(getenv)
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Found{}, &AmbiguousError{found}
	case forbidden != nil:
		return Found{}, forbidden
	}
	return Found{}, ErrNoInstance
}

// List is every live instance in the places where one looks for it without being told.
func List(getenv func(string) string) []Found {
	found, _ := list(getenv)
	return found
}

// list is List, and the error of one that this user may not speak to.
func list(getenv func(string) string) (found []Found, forbidden error) {
	uid := os.Geteuid()
	told, _ := RuntimeDir(getenv, uid)
	bases := []string{told, TempRuntimeDir(getenv, uid), "/run/weir"}
	if d := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		bases = append(bases, filepath.Join(d, "weir"))
	}
	var dirs []string
	for _, b := range bases {
		more, _ := filepath.Glob(b + "-[0-9]*") // a path with a bad pattern has no others
		dirs = append(append(dirs, b), more...)
	}
	slices.Sort(dirs)
	for _, d := range slices.Compact(dirs) {
		if len(found) == instancesMax {
			break
		}
		f, err := look(d)
		switch {
		case err == nil:
			found = append(found, f)
		case errors.Is(err, fs.ErrPermission):
			forbidden = err
		}
	}
	return found, forbidden
}

// look finds the instance that answers in dir. The error wraps ErrNoInstance or fs.ErrPermission.
func look(dir string) (Found, error) {
	st, err := os.Stat(dir)
	if err == nil && !trusted(st) {
		return Found{}, fmt.Errorf("%w in %s", ErrNoInstance, dir)
	}
	f := Found{Dir: dir}
	if err == nil {
		var c net.Conn
		if c, err = net.DialTimeout("unix", f.Socket(), dialTimeout); err == nil {
			_ = c.Close() // nothing was asked
			f.PID = LockedBy(dir)
			return f, nil
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return Found{}, fmt.Errorf("%s: %w; only root and the user of the instance may", f.Socket(),
			fs.ErrPermission)
	}
	return Found{}, fmt.Errorf("%w in %s", ErrNoInstance, dir)
}

// trusted reports that nobody but this user or root can have made the directory: in /tmp anybody
// could answer for us.
func trusted(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && st.IsDir() && (sys.Uid == 0 || int(sys.Uid) == os.Geteuid())
}

// LockedBy is the pid in the lock file of dir, 0 if there is none.
func LockedBy(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, LockName))
	if err != nil || len(b) > lockBytesMax {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}
