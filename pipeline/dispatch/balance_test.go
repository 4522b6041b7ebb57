package dispatch

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/protocol/http1"
)

// crew is workers that say their number and count what they get.
type crew struct {
	got   []atomic.Int32
	delay []time.Duration // before an answer
}

func newCrew(f *front, n, concurrency int) *crew {
	f.t.Helper()
	w := &crew{got: make([]atomic.Int32, n), delay: make([]time.Duration, n)}
	for i := range n {
		f.add(uint64(i+1), startWorker(f.t, func(c *workerConn) {
			for c.request() != nil {
				w.got[i].Add(1)
				if d := w.delay[i]; d > 0 {
					<-time.After(d)
				}
				c.respond(fmt.Sprint(i + 1))
			}
		}), concurrency)
	}
	return w
}

// flood sends count requests over clients connections; fields makes those of the i-th.
func (f *front) flood(clients, count int, fields func(i int) string) {
	f.t.Helper()
	var wg sync.WaitGroup
	for k := range clients {
		c := f.dial()
		wg.Go(func() {
			for i := k; i < count; i += clients {
				if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields(i)); err != nil {
					f.t.Error(err)
					return
				}
				if resp, _ := c.response("GET"); resp.StatusCode != 200 {
					f.t.Errorf("request %d: %d; want 200", i, resp.StatusCode)
					return
				}
			}
		})
	}
	wg.Wait()
}

func noFields(int) string { return "" }

func keyField(i int) string { return fmt.Sprintf("X-Key: %d\r\nCookie: a=1; k=%d\r\n", i, i) }

// TestBalanceEven: under uniform load every rule gives each worker its part, within 10 %. On a busy
// machine a worker may be kept from running for a while, and then rightly gets less: three
// attempts.
func TestBalanceEven(t *testing.T) {
	const n, count = 4, 6400
	for _, b := range []Balance{
		{Rule: LeastInFlight}, {Rule: RoundRobin}, {Rule: Random2}, {Rule: HashHeader, Name: "x-key"},
		{Rule: HashCookie, Name: "k"}, {Rule: Sticky},
	} {
		t.Run(fmt.Sprintf("%+v", b), func(t *testing.T) {
			f := startFront(t, 2, Options{Balance: b})
			w := newCrew(f, n, 16)
			even := false
			for attempt := 0; attempt < 3 && !even; attempt++ {
				var got [n]int
				f.flood(8, count, keyField)
				even = true
				for i := range n {
					got[i] = int(w.got[i].Swap(0))
					even = even && got[i] >= count/n*9/10 && got[i] <= count/n*11/10
				}
				t.Logf("%d requests: %v", count, got)
			}
			if !even {
				t.Errorf("want %d for each, within 10 %%", count/n)
			}
			f.audit()
		})
	}
}

// TestBalanceSlowWorker: one that takes longer gets less.
func TestBalanceSlowWorker(t *testing.T) {
	for _, b := range []Balance{{Rule: LeastInFlight}, {Rule: Random2}} {
		f := startFront(t, 1, Options{Balance: b})
		w := newCrew(f, 3, 16)
		w.delay[0] = 5 * time.Millisecond
		f.flood(12, 3000, noFields)
		if slow, fast := w.got[0].Load(), w.got[1].Load(); slow*2 > fast {
			t.Errorf("%+v: the slow worker got %d, another %d; want less than half", b, slow, fast)
		}
		f.audit()
	}
}

// whereIs is the workers that requests with each of n keys go to, one after another.
func (c *client) whereIs(n int, fields func(i int) string) []string {
	c.t.Helper()
	out := make([]string, n)
	for i := range out {
		c.write("GET / HTTP/1.1\r\nHost: x\r\n" + fields(i) + "\r\n")
		_, out[i] = c.response("GET")
	}
	return out
}

// TestHashMovement: a key stays where it is, and moves only from a worker that goes or to one that
// comes.
func TestHashMovement(t *testing.T) {
	for _, b := range []Balance{{HashHeader, "X-Key"}, {HashCookie, "k"}} {
		f := startFront(t, 1, Options{Balance: b})
		newCrew(f, 4, 8)
		c := f.dial()
		before := c.whereIs(200, keyField)
		f.DrainWorker(2)
		<-f.told.drained
		without, moved := c.whereIs(200, keyField), 0
		for i := range before {
			if without[i] != before[i] {
				moved++
				if before[i] != "2" {
					t.Errorf("%+v: key %d moved from %s to %s; only those of 2 may", b, i, before[i], without[i])
				}
			}
		}
		if moved < 20 || moved > 90 {
			t.Errorf("%+v: %d of 200 keys moved with one of 4 workers", b, moved)
		}
		f.RemoveWorker(2)
		f.add(5, startWorker(t, func(c *workerConn) {
			for c.request() != nil {
				c.respond("5")
			}
		}), 8)
		for i, at := range c.whereIs(200, keyField) {
			if at != without[i] && at != "5" {
				t.Errorf("%+v: key %d moved from %s to %s; only to the new one", b, i, without[i], at)
			}
		}
		f.audit()
	}
}

// TestHashBound: a key that everybody has does not drown its worker; without a key the least loaded
// one is taken.
func TestHashBound(t *testing.T) {
	f := startFront(t, 1, Options{Balance: Balance{HashHeader, "X-Key"}})
	a, release := held(t)
	f.add(1, a, 32)
	f.add(2, a, 32)
	var clients []*client
	send := func(field string) {
		clients = append(clients, f.dial().write("GET / HTTP/1.1\r\nHost: x\r\n"+field+"\r\n"))
		f.eventually("taken", func() bool {
			s := f.Snapshot().Workers
			return s[0].InFlight+s[1].InFlight == len(clients)
		})
	}
	for range 16 {
		send("X-Key: same\r\n")
	}
	s := f.Snapshot().Workers
	if most := max(s[0].InFlight, s[1].InFlight); most != 10 { // 16/2 * 1.25
		t.Errorf("in flight %d and %d; want 10 on the key's own worker", s[0].InFlight, s[1].InFlight)
	}
	for range 4 {
		send("")
	}
	if s = f.Snapshot().Workers; s[0].InFlight != s[1].InFlight {
		t.Errorf("in flight %d and %d; want those without a key to level it", s[0].InFlight,
			s[1].InFlight)
	}
	for _, c := range clients {
		release <- struct{}{}
		defer c.want("answered", 200, "done")
	}
}

// TestHashClient: the client is whom trusted proxies say it is, and nobody else.
func TestHashClient(t *testing.T) {
	f := startFront(t, 1, Options{Balance: Balance{Rule: HashClient}})
	newCrew(f, 4, 8)
	c := f.dial()
	plain := func(i int) string { return fmt.Sprintf("X-Forwarded-For: 192.0.2.%d\r\n", i) }
	chain := func(i int) string {
		return fmt.Sprintf("X-Forwarded-For: 198.51.100.%d,192.0.2.%d\r\n"+
			"X-Forwarded-For: 127.0.0.9\r\n", i, i)
	}
	for i, at := range c.whereIs(32, plain) {
		if first := c.whereIs(1, noFields)[0]; at != first {
			t.Fatalf("a stranger's field %d moved it from %s to %s", i, first, at)
		}
	}
	f.Update(Options{
		Balance:        Balance{Rule: HashClient},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	a, b := c.whereIs(32, plain), c.whereIs(32, chain)
	if got, want := strings.Join(b, ""), strings.Join(a, ""); got != want {
		t.Errorf("behind two proxies: %s; want %s", got, want)
	}
	if strings.Count(strings.Join(a, ""), a[0]) == 32 {
		t.Error("32 clients went to one worker")
	}
}

func TestCookieOf(t *testing.T) {
	for _, tc := range []struct{ fields, want string }{
		{"", ""},
		{"Cookie: k=v\r\n", "v"},
		{"Cookie: a=b; k=v; c=d\r\n", "v"},
		{"Cookie: a=b;k=v\r\n", "v"},
		{"Cookie: a=b\r\nCookie: k=v\r\n", "v"},
		{"Cookie: k=first; k=second\r\n", "first"},
		{"Cookie: kk=no; K=no; xk=no; k\r\n", ""},
		{"Cookie: k=a=b\r\n", "a=b"},
		{"Cookie: ;;; ; k=v;\r\n", "v"},
		{"Cookie: k=\r\n", ""},
	} {
		var r http1.Request
		head := []byte("GET / HTTP/1.1\r\nHost: x\r\n" + tc.fields + "\r\n")
		lim := http1.Limits{HeadBytes: 1 << 12, RequestLineBytes: 1 << 10, Fields: 9}
		if n, err := r.Parse(head, 0, &lim); n != len(head) {
			t.Fatalf("Parse(%q) = %d, %v", head, n, err)
		}
		if got := string(cookieOf(&r, "k")); got != tc.want {
			t.Errorf("cookieOf(%q) = %q; want %q", tc.fields, got, tc.want)
		}
	}
}
