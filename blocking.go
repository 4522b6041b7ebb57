package weir

import (
	"fmt"
	"sync/atomic"

	"github.com/panjf2000/ants/v2"
)

// blockingPool runs blocking work on a bounded number of goroutines. The zero value runs none.
type blockingPool struct{ now atomic.Pointer[ants.Pool] }

// resize bounds what begins from now on to size at once; what runs already ends in its own time.
//
// A pool of ants that is tuned down goes on to use the goroutines it has, idle ones first, so that
// under load the lower bound would never come into force. So there is a new pool for a new size.
func (b *blockingPool) resize(size int) error {
	old := b.now.Load()
	if old != nil && old.Cap() == size {
		return nil
	}
	p, err := ants.NewPool(size, ants.WithNonblocking(true),
		ants.WithExpiryDuration(blockingIdleMax))
	if err != nil {
		return fmt.Errorf("weir: blocking pool of %d: %w", size, err)
	}
	b.now.Store(p)
	if old != nil {
		old.Release() // its goroutines end with what they run
	}
	return nil
}

// submit runs job soon; false: as many as may run do. Any goroutine.
func (b *blockingPool) submit(job func()) bool {
	for {
		p := b.now.Load()
		if p == nil {
			return false
		}
		err := p.Submit(job)
		if err == nil || p == b.now.Load() {
			return err == nil
		} // else it was replaced meanwhile
	}
}
