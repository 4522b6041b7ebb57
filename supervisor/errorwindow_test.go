package supervisor

import (
	"testing"
	"time"
)

func TestErrorWindow(t *testing.T) {
	var e errorWindow
	now := time.Unix(1e9, 0)
	at := func(d time.Duration, completed, errors uint64, want tally) {
		t.Helper()
		now = now.Add(d)
		e.note(&traffic{completed: completed, errors: errors}, now)
		if got := e.sum(now); got != want {
			t.Errorf("after %s more: %+v; want %+v", d, got, want)
		}
	}
	at(0, 10, 5, tally{10, 5})
	at(30*time.Second, 20, 5, tally{20, 5})
	at(30*time.Second, 20, 5, tally{10, 0})
	at(-time.Minute, 21, 6, tally{11, 1})
	at(time.Minute, 21, 6, tally{11, 1})
	at(3*time.Minute, 21, 6, tally{})
	at(time.Hour, 22, 7, tally{1, 1})
	if s := (tally{0, 3}); s.size() != 3 || s.share() != 1 {
		t.Errorf("broken exchanges: %d, %f; want 3 of 3", s.size(), s.share())
	}
}
