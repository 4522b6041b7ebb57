//go:build linux

package netpoll

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Posts of many goroutines: none is lost, each goroutine's stay in order, whether the loop sleeps or
// not.
func TestPostOrder(t *testing.T) {
	tl := startLoop(t, Config{})
	const posters, each = 8, 20_000
	var next [posters]int
	var wrong int
	var wg sync.WaitGroup
	for p := range posters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				if !tl.Post(func() {
					if next[p] != i {
						wrong++
					}
					next[p]++
				}) {
					t.Error("Post = false on a running loop")
				}
				if i%1000 == p {
					runtime.Gosched() // let the loop fall asleep
				}
			}
		}()
	}
	wg.Wait()
	tl.on(func() {
		for p, n := range next {
			if n != each || wrong != 0 {
				t.Errorf("poster %d: %d of %d ran, %d out of order", p, n, each, wrong)
			}
		}
	})
}

// One post at a time meets the loop at every stage of falling asleep; a lost wake-up hangs the test.
func TestPostWakes(t *testing.T) {
	for _, plain := range []bool{false, true} {
		tl := startLoop(t, Config{PlainWait: plain})
		done := make(chan struct{})
		for i := range 4000 {
			for range i % 64 {
				runtime.Gosched()
			}
			tl.Post(func() { done <- struct{}{} })
			<-done
		}
	}
}

func TestStop(t *testing.T) {
	l, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { l.Run(); close(done) }()
	asleep := make(chan struct{})
	l.Post(func() { close(asleep) })
	<-asleep
	for !(l.awake.Load() == 0) {
		runtime.Gosched()
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() { defer wg.Done(); l.Stop() }()
	}
	wg.Wait()
	<-done
	l.Stop()
	if l.Post(func() {}) {
		t.Error("Post = true after Stop")
	}
	if _, err := l.Dial(&Address{}, nil); err == nil {
		t.Error("Dial after Stop: no error")
	}
	l, err = New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	l.Stop() // before Run: Run only disposes
	l.Run()
}

// TestPostAgainstStop: what Post said true of runs, however close the end is; so nobody who waits for it
// waits for ever.
func TestPostAgainstStop(t *testing.T) {
	const posters = 4
	for range rounds(200, 50) {
		l, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { l.Run(); close(ended) }()
		var taken, ran atomic.Int64
		var wg sync.WaitGroup
		for range posters {
			wg.Go(func() {
				for l.Post(func() { ran.Add(1) }) {
					taken.Add(1)
				}
			})
		}
		for taken.Load() == 0 {
			runtime.Gosched()
		}
		l.Stop()
		wg.Wait()
		<-ended
		if taken.Load() != ran.Load() {
			t.Fatalf("%d posts taken, %d run", taken.Load(), ran.Load())
		}
	}
}

func rounds(all, short int) int {
	if testing.Short() {
		return short
	}
	return all
}

// At Stop every connection is told, and none can be opened from there.
func TestStopTellsConnections(t *testing.T) {
	l, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	h := &handLoop{l, t}
	s := &script{}
	var dialErr error
	s.on = func(*Conn, string) { _, dialErr = l.Dial(address(t, "tcp", "127.0.0.1:1"), s) }
	h.pair(s)
	ran := false
	l.Post(func() { ran = true })
	l.Stop()
	l.Run()
	s.want(t, "close")
	if dialErr == nil || !ran {
		t.Fatalf("Dial in OnClose: %v, want an error; posted before Stop ran: %v", dialErr, ran)
	}
}

// Lag tells from outside that a handler holds the loop up.
func TestLag(t *testing.T) {
	tl := startLoop(t, Config{})
	entered, leave := make(chan struct{}), make(chan struct{})
	tl.Post(func() { close(entered); <-leave })
	<-entered
	lag := func() (lasted time.Duration) { _, lasted = tl.Lag(); return }
	for lag() < 5*time.Millisecond {
		runtime.Gosched()
	}
	first, _ := tl.Lag()
	if again, _ := tl.Lag(); again != first || first == 0 {
		t.Errorf("turn %d, then %d; want one", first, again)
	}
	close(leave)
	for lag() != 0 {
		runtime.Gosched()
	}
}

// ticker keeps its loop in waits of a few ms, which are raw.
type ticker struct {
	timer Timer
	l     *Loop
	ticks int
}

func (k *ticker) OnExpire(_ *Timer, now int64) {
	k.ticks++
	k.l.Schedule(&k.timer, now+4*int64(time.Millisecond))
}

// Loops that wait raw keep their P, and a collection needs every P to stop. Three things see to it, and
// any one suffices here: the bound of a raw wait, the runtime's signal that ends it with EINTR, and a
// preemption point after that. Tried by hand: a raw wait without bound under asyncpreemptoff=1, where
// no signal comes, hangs the first collection and so this test. Without the Gosched alone it passes,
// because turn's own calls are preemption points as long as the compiler does not inline them all.
func TestRawWaitsDoNotStallCollections(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	var ticks [2]ticker
	var loops [2]*testLoop
	for i := range loops {
		tl := startLoop(t, Config{Index: i})
		loops[i] = tl
		ticks[i] = ticker{l: tl.Loop}
		ticks[i].timer.Owner = &ticks[i]
		tl.on(func() { ticks[i].OnExpire(nil, tl.Now()) })
	}
	worst := time.Duration(0)
	for range 100 {
		began := time.Now()
		runtime.GC()
		worst = max(worst, time.Since(began))
	}
	t.Logf("worst collection %v", worst)
	if worst > 500*time.Millisecond {
		t.Fatalf("worst collection took %v", worst)
	}
	for i, tl := range loops {
		tl.on(func() {
			if ticks[i].ticks < 2 {
				t.Errorf("loop %d ticked %d times: it was not in raw waits", i, ticks[i].ticks)
			}
		})
	}
}
