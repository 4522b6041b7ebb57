package pipeline

import "sync"

// Key is a typed slot of every Context, for state that middleware keeps per exchange. Make keys at
// init; a value that is a pointer is kept without allocation.
type Key[T any] struct{ index int }

var keys struct {
	sync.Mutex
	names []string
}

// NewKey returns a new key. The name is for messages and must be unique in the process; NewKey
// panics when it is not, and on the 65th key.
func NewKey[T any](name string) Key[T] {
	keys.Lock()
	defer keys.Unlock()
	for _, n := range keys.names {
		if n == name {
			panic("pipeline: key " + name + " made twice")
		}
	}
	if len(keys.names) == keysMax {
		panic("pipeline: more than 64 keys; NewKey is for init")
	}
	keys.names = append(keys.names, name)
	return Key[T]{len(keys.names) - 1}
}

// Get returns the exchange's value; false: none was set.
func (k Key[T]) Get(c *Context) (v T, ok bool) {
	if k.index < len(c.slots) {
		v, ok = c.slots[k.index].(T)
	}
	return v, ok
}

// Set sets the exchange's value; it is forgotten when the exchange completes.
func (k Key[T]) Set(c *Context, v T) {
	for len(c.slots) <= k.index {
		c.slots = append(c.slots, nil)
	}
	c.slots[k.index] = v
}
