package supervisor

import "unsafe"

// uint64sOf is b seen as words.
func uint64sOf(b []byte) []uint64 {
	if len(b) == 0 {
		return nil
	}
	// SAFETY: b is part of a mapping, behind a head of a multiple of 8 bytes, so it is aligned; its
	// length is a multiple of counterLineBytes; the memory holds no pointers and is not the collector's.
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/8)
}
