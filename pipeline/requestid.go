package pipeline

import (
	"crypto/rand"
	"encoding/binary"
	"runtime"
)

// idSource makes request ids without a lock or an allocation: 64 random bits of the Context it
// lives in, then a permutation of a counter, so ids of one Context never repeat and those of two
// collide with the chance of two 128-bit random numbers. They are not secrets.
type idSource struct {
	prefix, seed uint64
	count        uint64
	text         [32]byte
}

// lockID is around uses of id and ids while a watchdog may ask for the id, too. Both sides hold it for
// less than a microsecond.
func (c *Context) lockID() {
	for !c.idBusy.CompareAndSwap(false, true) {
		runtime.Gosched()
	}
}

func (c *Context) unlockID() { c.idBusy.Store(false) }

// next returns a new id; the last one's bytes are overwritten.
func (s *idSource) next() string {
	if s.count == 0 {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		s.prefix = binary.LittleEndian.Uint64(b[:])
		s.seed = binary.LittleEndian.Uint64(b[8:])
	}
	s.count++
	putHex(s.text[:16], s.prefix)
	putHex(s.text[16:], mix(s.seed+s.count*0x9e3779b97f4a7c15))
	return view(s.text[:])
}

// mix is the finaliser of SplitMix64, a bijection (Steele, Lea, Flood 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func putHex(dst []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := 15; i >= 0; i-- {
		dst[i] = digits[v&15]
		v >>= 4
	}
}
