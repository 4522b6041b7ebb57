package frame

import (
	"math/rand/v2"
	"testing"
)

// TestTable: against a map, with streams that live for very different times.
func TestTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var tab Table[int]
	want := map[uint32]*int{}
	last := uint32(0)
	for range 200_000 {
		if len(want) < 300 && rnd.IntN(2) == 0 {
			last = tab.Next(last)
			v := new(int)
			*v = int(last)
			if !tab.Put(last, v) {
				t.Fatalf("no room for %d among %d", last, tab.Len())
			}
			want[last] = v
			continue
		}
		for id := range want { // any
			if id != 1 { // which lives for ever
				tab.Delete(id)
				delete(want, id)
			}
			break
		}
		if id := rnd.Uint32N(last + 1); tab.Get(id) != want[id] {
			t.Fatalf("Get(%d) = %v; want %v", id, tab.Get(id), want[id])
		}
	}
	n := 0
	for v := range tab.All() {
		if want[uint32(*v)] != v {
			t.Errorf("All has %d", *v)
		}
		n++
	}
	if n != len(want) || tab.Len() != n || len(tab.at) > 2048 {
		t.Errorf("%d streams, Len %d, want %d; %d places", n, tab.Len(), len(want), len(tab.at))
	}
}

// TestTableBound: ids made to collide cost no more than the bound.
func TestTableBound(t *testing.T) {
	var tab Table[int]
	v := 0
	if !tab.Put(1, &v) || tab.Put(1+2*tableMax, &v) {
		t.Error("a table beyond its bound")
	}
	if tab.Get(1) != &v || tab.Len() != 1 {
		t.Error("the first stream was lost")
	}
}
