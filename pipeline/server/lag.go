package server

import "time"

// lagWindow keeps the largest lag of a loop in the last lagWindowSeconds.
//
// A loop's lag is how long something that is due waits for the present turn to end. The watchdog sees how
// long that has lasted already: seen at times that do not depend on the turns, what has passed of them and
// what is left are distributed alike, so it measures the wait without a word from the loop, and the mean
// of what it sees is the mean wait. While the loop waits for events, it is 0.
type lagWindow struct {
	most [lagWindowSeconds]time.Duration // by second, modulo
	last int64                           // second of the last note
}

// note adds one look and returns the largest lag of the window.
func (w *lagWindow) note(lag time.Duration, second int64) (most time.Duration) {
	for s := max(w.last+1, second-lagWindowSeconds+1); s <= second; s++ {
		w.most[s%lagWindowSeconds] = 0
	}
	w.last = max(w.last, second) // the wall clock may be put back
	at := &w.most[w.last%lagWindowSeconds]
	*at = max(*at, lag)
	for _, m := range w.most {
		most = max(most, m)
	}
	return most
}
