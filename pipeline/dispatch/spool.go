package dispatch

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Spool keeps request bodies until they are whole, so that a client that takes its time over one holds
// no worker: small ones in memory, the others in files without a name. One serves all pools of a front.
type Spool struct {
	set  atomic.Pointer[SpoolOptions]
	disk atomic.Int64 // bytes that bodies have in files, or will
	held atomic.Int64 // bytes that they have in memory
	told atomic.Int64 // when Failed was last called, Unix ns
}

// SpoolOptions configure a Spool.
type SpoolOptions struct {
	Dir    string      // for files; must exist
	Memory int64       // bytes of one body that stay in memory
	Disk   int64       // bytes of all bodies in files
	Failed func(error) // a file could not be written, now and then; any goroutine
}

// NewSpool makes a spool without a body.
func NewSpool(o SpoolOptions) *Spool {
	sp := new(Spool)
	sp.Update(o)
	return sp
}

// Update replaces the options; bodies under way stay where they are.
func (sp *Spool) Update(o SpoolOptions) { sp.set.Store(&o) }

// SpoolStatus is what a spool holds, of one moment, in bytes.
type SpoolStatus struct {
	Memory int64 `json:"memory"`
	Disk   int64 `json:"disk"`
}

// Snapshot is what the spool holds. Any goroutine.
func (sp *Spool) Snapshot() SpoolStatus {
	return SpoolStatus{Memory: sp.held.Load(), Disk: sp.disk.Load()}
}

// reserve takes n bytes of the disk; false: there are not so many left.
func (sp *Spool) reserve(n int64) bool {
	if sp.disk.Add(n) > sp.set.Load().Disk {
		sp.disk.Add(-n)
		return false
	}
	return true
}

// hasRoom says whether n more bytes would go on the disk now. They are taken as they come, so that nobody
// keeps others out by promises.
func (sp *Spool) hasRoom(n int64) bool { return sp.disk.Load()+n <= sp.set.Load().Disk }

// fits says whether a body of n bytes stays in memory.
func (sp *Spool) fits(n int64) bool {
	return n <= sp.set.Load().Memory && sp.held.Load()+n <= spoolHeldMax
}

// create makes a file without a name. In the pool for blocking work.
func (sp *Spool) create() (*os.File, error) {
	dir := sp.set.Load().Dir
	if f, err := openUnnamed(dir); err == nil {
		return f, nil
	}
	f, err := os.CreateTemp(dir, "weir-body-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// fail tells of an error, now and then.
func (sp *Spool) fail(err error) {
	now, last := time.Now().UnixNano(), sp.told.Load()
	f := sp.set.Load().Failed
	if f != nil && now-last >= int64(spoolTellEvery) && sp.told.CompareAndSwap(last, now) {
		f(err)
	}
}

// isFull says whether err means that there is no room left on the file system.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
