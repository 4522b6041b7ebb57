package dispatch

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRequests: who is on a worker and who waits, oldest first, as many as were asked for; a loop that is
// held up is silent and holds up nobody.
func TestRequests(t *testing.T) {
	f, g := gated(t, 2, Options{})
	within := 20 * time.Second
	list := func(q RequestQuery) (rows string, all, silent int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		found, all, silent := f.Requests(ctx, q)
		for i, r := range found {
			rows += fmt.Sprintf("%d %s %s %s;", r.Worker, r.Stage, r.Method, r.Path)
			if i > 0 && r.Elapsed > found[i-1].Elapsed {
				t.Errorf("%+v is behind %+v; want the oldest first", r, found[i-1])
			}
			if r.ID == "" || r.Elapsed < q.Older {
				t.Errorf("%+v, asked for %+v; want an id, and none that is younger", r, q)
			}
		}
		return rows, all, silent
	}
	want := func(why string, q RequestQuery, want string, wantAll int) {
		t.Helper()
		if got, all, silent := list(q); got != want || all != wantAll || silent != 0 {
			t.Errorf("%s: %q of %d, %d loops silent; want %q of %d", why, got, all, silent, want, wantAll)
		}
	}
	long := "/" + strings.Repeat("x", 300)
	<-time.After(20 * time.Millisecond) // loop time is read once a turn
	f.queue("/2?secret")
	<-time.After(20 * time.Millisecond)
	f.queue(long)
	first, second, third := "1 sent GET /first;", "0 queued GET /2;", "0 queued GET "+long[:reportPathBytesMax]+";"
	want("all", RequestQuery{Max: 9}, first+second+third, 3)
	want("the oldest", RequestQuery{Max: 2}, first+second, 3)
	want("of a worker", RequestQuery{Worker: 1, Max: 9}, first, 1)
	want("of another", RequestQuery{Worker: 2, Max: 9}, "", 0)
	want("old ones", RequestQuery{Older: time.Hour, Max: 9}, "", 0)

	leave, in := make(chan struct{}), make(chan struct{})
	f.loops[1].Post(func() { close(in); <-leave })
	<-in
	within = 50 * time.Millisecond
	if got, _, silent := list(RequestQuery{Max: 9}); silent == 0 {
		t.Errorf("with a loop held up: %q, %d silent; want it", got, silent)
	}
	close(leave)
	within = 20 * time.Second
	g.order(2)
	g.release <- struct{}{}
	f.eventually("nothing is under way", func() bool {
		rows, all, silent := list(RequestQuery{Max: 9})
		return rows == "" && all == 0 && silent == 0
	})
}
