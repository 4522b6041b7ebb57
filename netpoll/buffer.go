package netpoll

import "os"

// Buffer is a piece of memory from a loop's free list, or a range of a file in an outbound queue.
//
// It belongs to one owner at a time: a connection's inbound or outbound queue, or whoever took it by
// [Conn.TakeInput]. Its bytes are [r, w) of b.
type Buffer struct {
	next  *Buffer
	b     []byte
	r, w  int
	class uint8

	file     *os.File // outbound file range; nil for bytes
	fileFD   int
	off, end int64
	warm     int64 // pages below it were read already
}

// Bytes is what the buffer holds; valid until it is released.
func (b *Buffer) Bytes() []byte { return b.b[b.r:b.w] }

// freeLists holds a loop's free buffers, one list per class, and the count of bytes handed out.
type freeLists struct {
	heads [len(classBytes)]*Buffer
	count [len(classBytes)]int
	used  int // bytes in buffers that are not on a list
}

// classFor is the smallest class of at least n bytes; maxClass+1 when there is none.
func classFor(n int) int {
	for i, size := range classBytes {
		if n <= size {
			return i
		}
	}
	return maxClass + 1
}

func (f *freeLists) acquire(class int) *Buffer {
	f.used += classBytes[class]
	if b := f.heads[class]; b != nil {
		f.heads[class] = b.next
		f.count[class]--
		b.next = nil
		return b
	}
	return &Buffer{b: make([]byte, classBytes[class]), class: uint8(class)}
}

// acquireFor is a buffer of at least n bytes.
func (f *freeLists) acquireFor(n int) *Buffer {
	if class := classFor(n); class <= maxClass {
		return f.acquire(class)
	}
	return f.acquireOver(n)
}

// acquireOver makes a buffer beyond the largest class; it is not kept when released.
func (f *freeLists) acquireOver(n int) *Buffer {
	f.used += n
	return &Buffer{b: make([]byte, n), class: uint8(maxClass + 1)}
}

func (f *freeLists) release(b *Buffer) {
	f.used -= len(b.b)
	if f.used < 0 {
		panic("netpoll: buffer released twice")
	}
	poison(b.b)
	b.r, b.w = 0, 0
	if int(b.class) > maxClass {
		return
	}
	b.next = f.heads[b.class]
	f.heads[b.class] = b
	f.count[b.class]++
}

// trim drops half of what each list holds above freeKeep, so that a burst's memory goes back.
func (f *freeLists) trim() {
	for class := range f.heads {
		for surplus := (f.count[class] - freeKeep[class] + 1) / 2; surplus > 0; surplus-- {
			f.heads[class] = f.heads[class].next
			f.count[class]--
		}
	}
}

func (f *freeLists) surplus() bool {
	for class, n := range f.count {
		if n > freeKeep[class] {
			return true
		}
	}
	return false
}

// ReleaseBuffer gives back a buffer taken from a connection that is closed meanwhile.
func (l *Loop) ReleaseBuffer(b *Buffer) { l.release(b) }
