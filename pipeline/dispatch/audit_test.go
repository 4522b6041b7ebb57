package dispatch

import (
	"strings"
	"testing"
)

// Slots that got lost, or came from nowhere, are found and put right; nobody else's are touched.
func TestAuditCorrectsSlots(t *testing.T) {
	f := startFront(t, 2, Options{})
	for n := uint64(1); n <= 3; n++ {
		f.add(n, startWorker(t, serveHello), 4)
	}
	c := f.dial()
	c.get("/").want("a request wakes the audit", 200, "")
	workers := *f.workers.Load()
	workers[0].free.Add(-2)
	workers[1].free.Add(1)
	want := map[string]bool{"1: ": true, "2: ": true}
	for range 2 {
		got := <-f.told.audited
		if !want[got[:3]] || !strings.Contains(got, "of 4 slots were free") {
			t.Errorf("Audited %q; want workers 1 and 2, once each", got)
		}
		delete(want, got[:3])
	}
	f.audit()
	f.eventually("without traffic it rests", func() bool { return !f.audits.running.Load() })
}

// A count during which a slot moved proves nothing.
func TestAuditThrowsUnsteadyCountsAway(t *testing.T) {
	f := startFront(t, 1, Options{})
	f.audits.running.Store(true) // rounds are the test's alone
	f.add(1, startWorker(t, serveHello), 4)
	w := (*f.workers.Load())[0]
	w.free.Add(-1)
	done := make(chan bool)
	f.loops[0].Post(func() {
		for range 2 * auditStrikes {
			c := &count{workers: []*worker{w}, before: []uint32{w.moves.Load()}, pending: 1,
				held: make([]int32, 1), missing: make([]int32, 1), steady: make([]bool, 1)}
			w.moves.Add(1)
			c.add(f.shards[0])
			f.audits.judge(c)
		}
		done <- true
	})
	<-done
	if got := w.free.Load(); got != 3 {
		t.Errorf("%d free slots; want 3: nothing was proven", got)
	}
	w.free.Add(1)
}
