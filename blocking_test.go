package weir

import (
	"sync"
	"testing"
)

// The bound holds at once after a change, whatever ran before.
func TestBlockingPool(t *testing.T) {
	var b blockingPool
	if b.submit(func() {}) {
		t.Errorf("submit to the zero value = true; want false")
	}
	t.Cleanup(func() { b.now.Load().Release() })
	for _, size := range []int{8, 2, 4, 1, 8} {
		if err := b.resize(size); err != nil {
			t.Fatalf("resize(%d) = %v; want nil", size, err)
		}
		release := make(chan struct{})
		var running sync.WaitGroup
		took := 0
		for range size + 3 {
			running.Add(1)
			if !b.submit(func() { <-release; running.Done() }) {
				running.Done()
				continue
			}
			took++
		}
		if took != size {
			t.Errorf("%d jobs at once; want %d", took, size)
		}
		close(release)
		running.Wait()
	}
}

// What runs survives a change of size.
func TestBlockingResizeWhileRunning(t *testing.T) {
	var b blockingPool
	if err := b.resize(4); err != nil {
		t.Fatal(err)
	}
	release, done := make(chan struct{}), make(chan struct{})
	if !b.submit(func() { <-release; close(done) }) {
		t.Fatal("submit = false; want true")
	}
	if err := b.resize(1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.now.Load().Release() })
	again := make(chan struct{})
	if !b.submit(func() { close(again) }) {
		t.Errorf("submit after resize = false; want true: the job before counts no more")
	}
	<-again
	close(release)
	<-done
}
