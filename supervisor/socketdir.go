package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// socketDir is the directory of one worker's sockets: {runtime}/w/POOL-N. The worker owns it; the
// front's group may pass through it; nobody else may.
type socketDir struct {
	path   string
	worker account
	front  account
}

// workerDir is the directory of w's sockets.
func workerDir(runtime string, w WorkerRef) string {
	return filepath.Join(runtime, "w", dirName(w))
}

// dirName is POOL-N, @NAME-N for a sidecar: no pool's name begins like this.
func dirName(w WorkerRef) string {
	if isSidecar(w.Pool) {
		return fmt.Sprintf("@%s-%d", strings.TrimPrefix(w.Pool, sidecarPrefix), w.N)
	}
	return fmt.Sprintf("%s-%d", w.Pool, w.N)
}

// shared reports whether worker and front are the same user, so that no group is needed.
func (d *socketDir) shared() bool { return d.worker.uid == d.front.uid }

func (d *socketDir) socket() string { return filepath.Join(d.path, "sock") }
func (d *socketDir) notify() string { return filepath.Join(d.path, "notify") }

// make creates the directory. One of that name is of an earlier life of this supervisor: N is new.
func (d *socketDir) make() error {
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	if d.shared() && !d.worker.switched {
		return nil
	}
	gid, mode := d.front.gid, fs.FileMode(0o710)
	if d.shared() {
		gid, mode = d.worker.gid, 0o700
	}
	if err := os.Chown(d.path, d.worker.uid, gid); err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	if err := os.Chmod(d.path, mode); err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	return nil
}

// errNoSocket: there is no socket yet.
var errNoSocket = errors.New("no socket")

// admit lets the front connect to the socket at path and nobody else: front's group 0660, or 0600 for
// the same user. The worker owns the directory and might put a link there: what is changed is the
// file that was looked at.
func (d *socketDir) admit(path string) error {
	gid, mode := d.front.gid, uint32(0o660)
	if d.shared() {
		gid, mode = -1, 0o600
	}
	return changeSocket(path, gid, mode)
}

// errNotSocket: something else is where the socket should be.
var errNotSocket = errors.New("is not a socket")

func isAddrInUse(err error) bool { return errors.Is(err, unix.EADDRINUSE) }
