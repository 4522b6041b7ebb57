package frame

import "iter"

// Table holds the open streams of a connection by id. As ids only grow and streams end, a place is an id
// modulo the size: nothing is searched, and nothing is allocated but to grow. The zero value is empty.
type Table[T any] struct {
	at []entry[T] // a power of two of places
	n  int
}

type entry[T any] struct {
	id uint32 // 0: free
	v  *T
}

const (
	tableMin = 64
	tableMax = 1 << 22 // places; ids that need more are a peer's that wants our memory
)

// Get is the stream with that id, nil if none is open.
//
// Hot path: once per frame. No allocation: TestAllocs.
func (t *Table[T]) Get(id uint32) *T {
	if len(t.at) == 0 {
		return nil
	}
	if e := &t.at[id&uint32(len(t.at)-1)]; e.id == id {
		return e.v
	}
	return nil
}

// Next is the first id after last that needs no growth of the table, or last + 1 when the table is half
// full: for the side that gives ids.
func (t *Table[T]) Next(last uint32) uint32 {
	for id := last + 1; 2*t.n < len(t.at); id++ {
		if t.at[id&uint32(len(t.at)-1)].id == 0 {
			return id
		}
	}
	return last + 1
}

// Put adds a stream whose id, not 0, is not in the table. false: there is no room for it.
//
// Hot path: once per stream. No allocation but to grow: TestAllocs.
func (t *Table[T]) Put(id uint32, v *T) bool {
	for 2*t.n >= len(t.at) || t.at[id&uint32(len(t.at)-1)].id != 0 {
		if !t.grow() {
			return false
		}
	}
	t.at[id&uint32(len(t.at)-1)] = entry[T]{id, v}
	t.n++
	return true
}

// grow doubles the table until all have places of their own.
func (t *Table[T]) grow() bool {
	for size := max(2*len(t.at), tableMin); size <= tableMax; size *= 2 {
		next := make([]entry[T], size)
		fits := true
		for _, e := range t.at {
			if e.id == 0 {
				continue
			}
			place := &next[e.id&uint32(size-1)]
			if fits = place.id == 0; !fits {
				break
			}
			*place = e
		}
		if fits {
			t.at = next
			return true
		}
	}
	return false
}

// Delete removes a stream.
func (t *Table[T]) Delete(id uint32) {
	if len(t.at) == 0 {
		return
	}
	if e := &t.at[id&uint32(len(t.at)-1)]; e.id == id && id != 0 {
		*e = entry[T]{}
		t.n--
	}
}

// Len is how many streams are open.
func (t *Table[T]) Len() int { return t.n }

// All iterates over the streams; the loop may delete any of them. Those that are added meanwhile may be
// left out.
func (t *Table[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := 0; i < len(t.at); i++ {
			if v := t.at[i].v; v != nil && !yield(v) {
				return
			}
		}
	}
}
