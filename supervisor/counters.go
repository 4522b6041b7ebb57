package supervisor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Counters is a table of uint64 in shared memory: one row per event loop of a front, one column per
// name. The supervisor owns the memory and reads it; the front maps it and each loop adds to its own
// row, without lock or atomic. So counts survive a front's crash: its successor goes on adding.
//
// A column that is a gauge (say, open connections) must be stored as an absolute value, so that a new
// front corrects what its predecessor left.
//
// Layout, in the machine's byte order: a head of 128 bytes
//
//	[0,8)   magic "WEIRCNT\x01"
//	[8,12)  version, 1
//	[12,16) rows
//	[16,20) bytes from one row to the next, a multiple of 128
//	[20,24) columns
//	[24,32) FNV-1a of the names, each followed by a NUL
//
// then the rows.
type Counters struct {
	file  *os.File // nil after mapping on the front's side
	mem   []byte
	cells []uint64 // mem behind the head
	names []string
	index map[string]int
	rows  int
	cols  int // cells from one row to the next
}

var counterMagic = [8]byte{'W', 'E', 'I', 'R', 'C', 'N', 'T', 1}

const counterVersion = 1

// ErrCountersMismatch is returned by [OpenCounters] for memory that was laid out for other names or
// another version of Weir.
var ErrCountersMismatch = errors.New("supervisor: counters: layout does not match")

// NewCounters makes a table of zeroes with rows rows and one column per name. On Linux the memory is
// a memfd sealed against resizing, so that no holder of the descriptor can make a reader fault.
func NewCounters(names []string, rows int) (*Counters, error) {
	if rows < 1 || rows > loopsMax || len(names) > counterNamesMax {
		return nil, fmt.Errorf("supervisor: counters: %d rows of %d names: out of range", rows, len(names))
	}
	for _, n := range names {
		if n == "" || len(n) > counterNameMaxLen {
			return nil, fmt.Errorf("supervisor: counters: name %q: empty or too long", n)
		}
	}
	size := counterHeadBytes + rows*counterStride(len(names))
	f, err := newSharedFile("weir-counters", size, true)
	if err != nil {
		return nil, fmt.Errorf("supervisor: counters: %w", err)
	}
	c, err := mapCounters(f, size, names, rows)
	if err != nil {
		_ = f.Close() // the mapping failed; there is nothing to keep
		return nil, err
	}
	c.writeHead()
	return c, nil
}

// OpenCounters maps the table behind f, laid out for exactly names. It takes f.
func OpenCounters(f *os.File, names []string) (*Counters, error) {
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("supervisor: counters: %w", err)
	}
	var head [counterHeadBytes]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("supervisor: counters: head: %w", err)
	}
	rows := int(binary.NativeEndian.Uint32(head[12:]))
	stride := counterStride(len(names))
	switch {
	case [8]byte(head[:8]) != counterMagic,
		binary.NativeEndian.Uint32(head[8:]) != counterVersion,
		binary.NativeEndian.Uint32(head[16:]) != uint32(stride),
		binary.NativeEndian.Uint32(head[20:]) != uint32(len(names)),
		binary.NativeEndian.Uint64(head[24:]) != hashNames(names),
		rows < 1 || rows > loopsMax,
		st.Size() != int64(counterHeadBytes+rows*stride):
		return nil, ErrCountersMismatch
	}
	c, err := mapCounters(f, int(st.Size()), names, rows)
	if err != nil {
		return nil, err
	}
	c.file = nil
	return c, nil
}

func mapCounters(f *os.File, size int, names []string, rows int) (*Counters, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("supervisor: counters: %w", os.NewSyscallError("mmap", err))
	}
	c := &Counters{
		file: f, mem: mem, cells: uint64sOf(mem[counterHeadBytes:]), names: names, rows: rows,
		cols: counterStride(len(names)) / 8, index: make(map[string]int, len(names)),
	}
	for i, n := range names {
		c.index[n] = i
	}
	return c, nil
}

func (c *Counters) writeHead() {
	copy(c.mem, counterMagic[:])
	binary.NativeEndian.PutUint32(c.mem[8:], counterVersion)
	binary.NativeEndian.PutUint32(c.mem[12:], uint32(c.rows))
	binary.NativeEndian.PutUint32(c.mem[16:], uint32(c.cols*8))
	binary.NativeEndian.PutUint32(c.mem[20:], uint32(len(c.names)))
	binary.NativeEndian.PutUint64(c.mem[24:], hashNames(c.names))
}

// Rows is the number of rows, one per loop.
func (c *Counters) Rows() int { return c.rows }

// Names are the columns, in order. The caller must not change them.
func (c *Counters) Names() []string { return c.names }

// Row is the cells of one loop, in the order of Names. Only that loop writes them, with plain adds;
// nobody else may. Valid until Close.
func (c *Counters) Row(loop int) []uint64 {
	if loop < 0 || loop >= c.rows {
		panic(fmt.Sprintf("supervisor: counters: row %d of %d", loop, c.rows))
	}
	start := loop * c.cols
	return c.cells[start : start+len(c.names) : start+len(c.names)]
}

// Read is the sum of one column over all rows; 0 for an unknown name. The rows are read one after
// the other: the sum of a moving counter is between its values before and after.
func (c *Counters) Read(name string) uint64 {
	i, ok := c.index[name]
	if !ok {
		return 0
	}
	return c.sum(i)
}

// cell is one column of one row; 0 for an unknown name.
func (c *Counters) cell(row int, name string) uint64 {
	i, ok := c.index[name]
	if !ok || row < 0 || row >= c.rows {
		return 0
	}
	return atomic.LoadUint64(&c.cells[row*c.cols+i])
}

// Each calls f with every name and its sum, in the order of Names.
func (c *Counters) Each(f func(name string, sum uint64)) {
	for i, n := range c.names {
		f(n, c.sum(i))
	}
}

func (c *Counters) sum(column int) (total uint64) {
	for r := range c.rows {
		total += atomic.LoadUint64(&c.cells[r*c.cols+column])
	}
	return total
}

// Close unmaps the table. Nobody may hold a Row any more.
func (c *Counters) Close() error {
	mem := c.mem
	c.mem, c.cells, c.rows = nil, nil, 0
	err := unix.Munmap(mem)
	if c.file != nil {
		err = errors.Join(err, c.file.Close())
	}
	return err
}

// counterStride is the length in bytes of a row of n cells.
func counterStride(n int) int {
	return max(1, (n*8+counterLineBytes-1)/counterLineBytes) * counterLineBytes
}

func hashNames(names []string) uint64 {
	h := fnv.New64a()
	for _, n := range names {
		h.Write([]byte(n))
		h.Write([]byte{0})
	}
	return h.Sum64()
}
