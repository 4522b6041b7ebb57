package static

import (
	"io/fs"
	"os"
	"sync"
)

// tree is the root directory, by name: when the name comes to mean another directory, as it does
// when a release is a moved symlink, that one is opened. Nothing outside it can be reached.
type tree struct {
	name string
	mu   sync.RWMutex // open holds it shared, so that no directory is closed under it
	info fs.FileInfo
	root *os.Root
	beneath
}

func openTree(name string) (*tree, error) {
	t := &tree{name: name}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	return t, t.reopen(info)
}

// open opens a file below the root for reading. In the pool for blocking work.
func (t *tree) open(name string) (*os.File, error) {
	if err := t.follow(); err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.beneath.open(t.root, name)
}

// stat looks at a file below the root, which need not be readable. In the pool for blocking work.
func (t *tree) stat(name string) (fs.FileInfo, error) {
	if err := t.follow(); err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.root.Stat(name)
}

// follow opens the directory that the name has come to mean.
func (t *tree) follow() error {
	info, err := os.Stat(t.name)
	if err != nil {
		return err
	}
	t.mu.RLock()
	moved := !os.SameFile(info, t.info)
	t.mu.RUnlock()
	if moved {
		return t.reopen(info)
	}
	return nil
}

func (t *tree) reopen(info fs.FileInfo) error {
	root, err := os.OpenRoot(t.name)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root != nil {
		_ = t.beneath.close() // a directory only looked into: nothing can be lost
		_ = t.root.Close()
	}
	t.root, t.info = root, info
	return t.beneath.init(t.name)
}

// Close closes the directory.
func (t *tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.beneath.close() // a directory only looked into: nothing can be lost
	return t.root.Close()
}
