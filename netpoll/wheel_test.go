package netpoll

import (
	"math/rand/v2"
	"testing"
)

type firing struct {
	timer Timer
	fired int64
	again int64 // reschedule once to here from OnExpire
	w     *wheel
}

func (f *firing) OnExpire(_ *Timer, now int64) {
	f.fired = now
	if f.again != 0 {
		at := f.again
		f.again = 0
		f.w.schedule(&f.timer, at)
	}
}

// TestWheelAgainstList drives random timers against the plain rule: each fires in the first advance at
// or after its time, never before, and no later than one tick.
func TestWheelAgainstList(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var w wheel
	w.init(0)
	now := int64(0)
	live := map[*firing]int64{}
	for step := range 200_000 {
		switch {
		case len(live) < 50 || step%3 == 0:
			f := &firing{w: &w}
			f.timer.Owner = f
			at := now + int64(rnd.Uint64N(1<<(20+rnd.Uint64N(28))))
			w.schedule(&f.timer, at)
			live[f] = at
		case step%7 == 0:
			for f := range live { // cancel or move some timer
				if step%2 == 0 {
					f.timer.unlink()
					delete(live, f)
				} else {
					live[f] = now + int64(rnd.Uint64N(1<<30))
					w.schedule(&f.timer, live[f])
				}
				break
			}
		default:
			if ms := w.waitMS(now); ms >= 0 && step%2 == 0 {
				now += int64(ms) * 1_000_000
			} else {
				now += int64(rnd.Uint64N(1 << (15 + rnd.Uint64N(25))))
			}
			w.advance(now)
			for f, at := range live {
				switch {
				case f.fired != 0 && f.fired < at:
					t.Fatalf("fired at %d, want not before %d", f.fired, at)
				case f.fired == 0 && now >= at+1<<tickShift:
					t.Fatalf("not fired at %d, want %d", now, at)
				case f.fired != 0:
					delete(live, f)
				}
			}
		}
	}
}

func TestWheelRescheduleFromExpire(t *testing.T) {
	var w wheel
	w.init(0)
	f := &firing{w: &w, again: 500 << tickShift}
	f.timer.Owner = f
	w.schedule(&f.timer, 10<<tickShift)
	w.advance(20 << tickShift)
	if f.fired != 20<<tickShift || !f.timer.Scheduled() {
		t.Fatalf("fired %d, scheduled %v; want fired and scheduled again", f.fired, f.timer.Scheduled())
	}
	w.advance(499 << tickShift)
	if f.fired != 20<<tickShift {
		t.Fatalf("fired early, at %d", f.fired)
	}
	w.advance(500 << tickShift)
	if f.fired != 500<<tickShift {
		t.Fatalf("fired = %d, want %d", f.fired, 500<<tickShift)
	}
}

func TestWheelWaitIsNeverPastTheNextTimer(t *testing.T) {
	var w wheel
	w.init(0)
	if ms := w.waitMS(0); ms != -1 {
		t.Fatalf("waitMS of an empty wheel = %d, want -1", ms)
	}
	f := &firing{w: &w}
	f.timer.Owner = f
	w.schedule(&f.timer, 5_000_000_000)
	now := int64(0)
	for turns := 0; f.fired == 0; turns++ {
		ms := w.waitMS(now)
		if ms < 0 || turns > 10 {
			t.Fatalf("waitMS = %d after %d turns", ms, turns)
		}
		now += int64(ms) * 1_000_000
		w.advance(now)
	}
	if f.fired > 5_000_000_000+3<<tickShift {
		t.Fatalf("fired at %d, want about 5 s", f.fired)
	}
}
