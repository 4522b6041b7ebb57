package netpoll

import "math/bits"

// A tick is 2^20 ns (1.05 ms). Four levels of 64 slots reach 4.9 h; what lies further away waits in
// the last level and is placed again from there.
const (
	tickShift   = 20
	wheelLevels = 4
	slotBits    = 6
	slotMask    = 1<<slotBits - 1
)

// Expirer is told that its timer's time has come.
type Expirer interface {
	OnExpire(t *Timer, now int64)
}

// Timer is one entry of a loop's timing wheel, embedded in what it serves. The zero value with Owner
// set is ready for [Loop.Schedule]; it must not be copied while scheduled.
type Timer struct {
	next, prev *Timer // nil when not scheduled
	when       int64  // ns, loop time
	Owner      Expirer
}

// Scheduled reports whether the timer will fire.
func (t *Timer) Scheduled() bool { return t.next != nil }

// When is the time the timer was last scheduled for, in ns of loop time.
func (t *Timer) When() int64 { return t.when }

func (t *Timer) unlink() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
}

type slot struct{ Timer } // list head: a ring of timers

type level struct {
	occupied uint64
	slots    [slotMask + 1]slot
}

// wheel is a hierarchical timing wheel. A timer is in the level whose slot width fits its distance;
// when the clock reaches a slot of a higher level, its timers are placed again one level lower.
type wheel struct {
	tick   int64 // every timer due at or before it has fired
	levels [wheelLevels]level
	due    slot // being fired
}

func (w *wheel) init(now int64) {
	w.tick = now >> tickShift
	for l := range w.levels {
		for s := range w.levels[l].slots {
			head := &w.levels[l].slots[s].Timer
			head.next, head.prev = head, head
		}
	}
	w.due.next, w.due.prev = &w.due.Timer, &w.due.Timer
}

// schedule (re)places t to fire in the first advance at or after when.
func (w *wheel) schedule(t *Timer, when int64) {
	if t.next != nil {
		t.unlink()
	}
	t.when = when
	w.place(t, max((when+1<<tickShift-1)>>tickShift, w.tick+1))
}

// place puts t into the slot of tick at, which is not before w.tick.
func (w *wheel) place(t *Timer, at int64) {
	l := 0
	for d := at - w.tick; d > slotMask && l < wheelLevels-1; d >>= slotBits {
		l++
	}
	shift := l * slotBits
	if at-w.tick >= 1<<(wheelLevels*slotBits) {
		at = w.tick + 1<<(wheelLevels*slotBits) - 1
	}
	s := int(at>>shift) & slotMask
	lv := &w.levels[l]
	lv.occupied |= 1 << s
	head := &lv.slots[s].Timer
	t.prev, t.next = head.prev, head
	head.prev.next, head.prev = t, t
}

// next is the tick of the next slot to be looked at, or -1 when the wheel is empty.
func (w *wheel) next() int64 {
	best := int64(-1)
	for l := range w.levels {
		occupied := w.levels[l].occupied
		if occupied == 0 {
			continue
		}
		shift := l * slotBits
		block := w.tick>>shift + 1
		ahead := bits.TrailingZeros64(bits.RotateLeft64(occupied, -int(block&slotMask)))
		if at := (block + int64(ahead)) << shift; best < 0 || at < best {
			best = at
		}
	}
	return best
}

// waitMS is how long a wait may last before advance has work, in ms; -1 when there is none.
func (w *wheel) waitMS(now int64) int {
	at := w.next()
	if at < 0 {
		return -1
	}
	ns := at<<tickShift - now
	if ns <= 0 {
		return 0
	}
	return int(min((ns+999_999)/1_000_000, 1<<30))
}

// advance fires every timer that is due at now. A timer that its owner schedules again from OnExpire
// fires in a later call.
func (w *wheel) advance(now int64) {
	target := now >> tickShift
	for {
		at := w.next()
		if at < 0 || at > target {
			w.tick = max(w.tick, target)
			return
		}
		w.tick = at
		for l := wheelLevels - 1; l > 0; l-- {
			if at&(1<<(l*slotBits)-1) == 0 {
				w.cascade(l, int(at>>(l*slotBits))&slotMask)
			}
		}
		w.fire(int(at)&slotMask, now)
	}
}

func (w *wheel) cascade(l, s int) {
	lv := &w.levels[l]
	lv.occupied &^= 1 << s
	head := &lv.slots[s].Timer
	for head.next != head {
		t := head.next
		t.unlink()
		w.place(t, max((t.when+1<<tickShift-1)>>tickShift, w.tick))
	}
}

func (w *wheel) fire(s int, now int64) {
	lv := &w.levels[0]
	if lv.occupied&(1<<s) == 0 {
		return
	}
	lv.occupied &^= 1 << s
	head, due := &lv.slots[s].Timer, &w.due.Timer
	if head.next == head { // every timer of the slot was cancelled
		return
	}
	due.next, due.prev = head.next, head.prev
	due.next.prev, due.prev.next = due, due
	head.next, head.prev = head, head
	for due.next != due {
		t := due.next
		t.unlink()
		t.Owner.OnExpire(t, now)
	}
}
