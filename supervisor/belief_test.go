package supervisor

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

// believer is what is believed of a worker that says what the test wants.
type believer struct {
	*testing.T
	c    *Counters
	b    belief
	now  time.Time
	cols map[string]int
}

func newBeliever(t *testing.T) *believer {
	names := []string{"requests", "bytes_in", counterOpen, counterLag}
	c, err := NewCounters(names, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // memory of our own
	x := &believer{T: t, c: c, now: time.Unix(1e9, 0), cols: c.index}
	x.b = newBelief(c, x.now)
	return x
}

// says has the worker write a value, and looks d later.
func (x *believer) says(name string, value uint64, d time.Duration) {
	x.c.Row(0)[x.cols[name]] = value
	x.now = x.now.Add(d)
	x.b.look(x.c, x.now)
}

func (x *believer) want(why, name string, want uint64, odd string) {
	x.Helper()
	if got := x.b.of(x.c, name); got != want || x.b.odd != odd {
		x.Errorf("%s: %s is %d, odd is %q; want %d, %q", why, name, got, x.b.odd, want, odd)
	}
	x.b.odd = ""
}

func TestBelief(t *testing.T) {
	x := newBeliever(t)
	const look = 200 * time.Millisecond
	x.says("requests", 100, 0)
	x.want("at once", "requests", 100, "")
	x.says("requests", 2_000_000, look)
	x.want("as fast as there is", "requests", 2_000_000, "")
	x.says("requests", 1_000_000, look)
	x.want("backwards", "requests", 2_000_000, "requests")
	x.says("requests", 2_000_001, look)
	x.want("and on", "requests", 2_000_001, "")
	x.says("requests", 1<<63, look)
	most := uint64(2_000_001 + memberCountRate/5 + memberCountsSlack)
	x.want("a jump", "requests", most, "requests")
	x.says("requests", 0, time.Hour)
	x.want("back from it", "requests", most, "requests")
	x.says("requests", math.MaxUint64, 0)
	x.want("to the end", "requests", most+memberCountsSlack, "requests")
	x.says("requests", 5, -time.Hour) // no clock of ours goes back; none is trusted either
	x.want("over the end", "requests", most+memberCountsSlack, "requests")

	x = newBeliever(t)
	x.says("bytes_in", 0, time.Hour)
	x.says("bytes_in", 1<<46, look)
	x.want("an upload of an hour, counted at its end", "bytes_in", 1<<46, "")
	x.says("bytes_in", 1<<60, look)
	if got := x.b.of(x.c, "bytes_in"); got > 1<<47 {
		t.Errorf("bytes_in is %d after an hour; want what a worker can take", got)
	}
	before := x.b.of(x.c, "bytes_in")
	x.says("bytes_in", math.MaxUint64, 0)
	x.want("and nothing on top of it", "bytes_in", before, "bytes_in")

	x.says(counterOpen, 7, 0)
	x.want("a gauge", counterOpen, 7, "")
	x.says(counterOpen, 3, 0)
	x.want("a gauge may fall", counterOpen, 3, "")
	x.says(counterOpen, math.MaxUint64, 0)
	x.want("below zero, or beyond everything", counterOpen, memberOpenMax, counterOpen)
	x.says(counterLag, math.MaxUint64, 0)
	x.b.odd = ""
	x.says(counterOpen, 0, 0)
	x.want("of single loops", counterLag, 0, "")
	x.want("unknown", "nothing", 0, "")
}

// loadSum is what pools were told of the loads of workers, in all.
type loadSum struct {
	LinkEvents
	completed, errors uint64
	inFlight          map[uint64]int
	served            int
}

func (l *loadSum) WorkerServed(WorkerRef) { l.served++ }

func (l *loadSum) PoolLoad(p PoolLoad) {
	for _, w := range p.Workers {
		l.completed += w.Completed
		l.errors += w.Errors
		l.inFlight[w.N] = w.InFlight
	}
}

// What a hostile worker writes does not spoil the sums of its pool and of all, nor what outlives it.
func TestHostileMember(t *testing.T) {
	x := gather(t, false)
	lines, sum := &strings.Builder{}, &loadSum{inFlight: map[uint64]int{}}
	x.gs.log, x.gs.events = slog.New(slog.NewTextHandler(lines, nil)), sum
	for n := range uint64(2) {
		x.joins(n + 1)
		x.gs.WorkerReady(x.ref(n+1), Endpoint{})
	}
	honest, liar := x.g.members[1].counters.Row(0), x.g.members[2].counters.Row(0)
	look := func(why string, completed, errors uint64, inFlight int) {
		t.Helper()
		x.now = x.now.Add(groupReportEvery)
		x.gs.look()
		if sum.completed != completed || sum.errors != errors || sum.inFlight[2] != inFlight {
			t.Errorf("%s: %d completed, %d errors, %d held by worker 2; want %d, %d, %d", why, sum.completed,
				sum.errors, sum.inFlight[2], completed, errors, inFlight)
		}
	}
	honest[0], honest[1], honest[2] = 12, 10, 2
	liar[0], liar[1] = 4, 3
	look("what is true", 13, 2, 1)
	liar[0], liar[1], liar[2] = 1<<63, 5, 1<<62
	look("more errors than answers", 15, 2+5, memberOpenMax)
	liar[0], liar[1], liar[2] = 0, 0, 0
	look("backwards", 15, 7, memberOpenMax)
	const most = memberCountRate/5 + memberCountsSlack
	liar[1] = math.MaxUint64
	look("a jump", 15+most, 2+most, 0)
	honest[1] = 12
	x.gs.look()
	if got, want := x.gs.counter(counterCompleted), uint64(12+5+most); got != want {
		t.Errorf("%d completed in all; want %d", got, want)
	}
	x.gs.ended(x.ref(2))
	if got, want := x.gs.counter(counterCompleted), uint64(12+5+most); got != want {
		t.Errorf("%d completed in all, when the liar has ended; want %d", got, want)
	}
	if got := strings.Count(lines.String(), "level=WARN"); got != 1 || sum.served != 2 ||
		!strings.Contains(lines.String(), "worker=shop/2 counter=requests\n") {
		t.Errorf("%d warnings, %d served; want one that names worker and counter, and 2, in\n%s", got,
			sum.served, lines)
	}
}
