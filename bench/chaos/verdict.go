package chaos

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// after is how long a deed may go unnoticed: a request that began so much later can still meet it.
// A stopped or hung worker is found after hang.after and ended within stop_timeout.
var after = map[string]time.Duration{
	"kill": time.Second, "exit": time.Second, "leak": 5 * time.Second, "front": 500 * time.Millisecond,
	"stop": 4 * time.Second, "hang": 4 * time.Second,
}

// tally counts exchanges as they end; those that failed are kept.
type tally struct {
	mu       sync.Mutex
	sent     map[string]int // guarded by mu: by method
	answered map[string]int // guarded by mu
	failed   []*exchange    // guarded by mu; those that failed or lost a connection; at most failedKept
	dropped  int            // guarded by mu: failed ones that were not kept
	slowest  time.Duration  // guarded by mu: of those answered
}

const failedKept = 100_000

func newTally() *tally { return &tally{sent: map[string]int{}, answered: map[string]int{}} }

func (t *tally) add(x *exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[x.method]++
	if x.ok() {
		t.answered[x.method]++
		t.slowest = max(t.slowest, x.end.Sub(x.start))
	}
	switch {
	case x.ok() && x.lost.IsZero():
	case len(t.failed) < failedKept:
		t.failed = append(t.failed, x)
	default:
		t.dropped++
	}
}

func (x *exchange) ok() bool { return x.err == nil && x.status == 200 && !x.wrong }

func (t *tally) total(m map[string]int) (n int) {
	for _, k := range m {
		n += k
	}
	return n
}

// excuse is the deed that let x fail, or "".
func excuse(x *exchange, done []deed) string {
	for _, d := range done {
		if x.ok() { // it lost a connection that only a front's end may end
			if d.kind == "front" && !d.at.Before(x.lost) && !d.at.After(x.end) {
				return d.kind
			}
			continue
		}
		met := !d.at.After(x.end) && !d.at.Add(after[d.kind]).Before(x.start)
		if met && mayFail(x, d.kind) {
			return d.kind
		}
	}
	if x.method == "GET" && x.status >= 502 && strikes(x, done) > replaysMax {
		return "replays used up"
	}
	return ""
}

// replaysMax is how often a request is sent again. design.md section 7, Replay.
const replaysMax = 2

// strikes is how many workers x can have been on that ended or hung meanwhile: each one costs it a
// replay. A worker that hangs takes no longer than 2.2 s until it has been ended.
func strikes(x *exchange, done []deed) (n int) {
	lead := map[string]time.Duration{"kill": 50 * time.Millisecond, "exit": 50 * time.Millisecond,
		"stop": 2200 * time.Millisecond, "hang": 2200 * time.Millisecond}
	for _, d := range done {
		if !d.at.After(x.end) && !d.at.Add(lead[d.kind]).Before(x.start) && d.kind != "front" {
			n++
		}
	}
	return n
}

// mayFail says whether a request of x's kind may fail so by a deed that it met.
func mayFail(x *exchange, kind string) bool {
	switch {
	case x.wrong:
		return false
	case kind == "front": // what was in flight in it; its socket stays open, so connecting may not fail
		return x.err != nil && !strings.HasPrefix(x.err.Error(), "connect:")
	case x.method != "POST" || x.err != nil:
		return false
	case kind == "stop" || kind == "hang":
		return x.status == 504 || x.status == 502
	}
	return x.status == 502
}

// cause names how x failed.
func (x *exchange) cause() string {
	switch {
	case x.ok():
		return "connection ended, answered on another"
	case x.wrong:
		return "another request's answer"
	case errors.Is(x.err, errEnded):
		return errEnded.Error()
	case x.err != nil:
		return x.err.Error()
	}
	return fmt.Sprintf("%d %s", x.status, x.reason)
}

// report prints the run and returns how many requests failed that need not have.
func report(w io.Writer, o *Options, t *tally, m *mischief, took time.Duration) (bad int) {
	counts, needless := map[string]int{}, map[string]int{}
	for _, x := range t.failed {
		why := excuse(x, m.done)
		line := fmt.Sprintf("%-4s %s", x.method, x.cause())
		if why == "" {
			needless[line+" after "+x.end.Sub(x.start).Round(100*time.Millisecond).String()]++
			bad++
			continue
		}
		counts[line+" ("+why+")"]++
	}
	bad += t.dropped
	deeds := map[string]int{}
	for _, d := range m.done {
		deeds[d.kind]++
	}
	sent, answered := t.total(t.sent), t.total(t.answered)
	fmt.Fprintf(w, "%s, %d clients, %d workers, seed %d\n", took.Round(100*time.Millisecond), o.Clients,
		o.Workers, o.Seed)
	fmt.Fprintf(w, "mischief: %s; %d times too few workers were ready\n", listed(deeds), m.skipped)
	fmt.Fprintf(w, "sent %d, answered %d, failed %d; slowest answer %s\n", sent, answered, sent-answered,
		t.slowest.Round(time.Millisecond))
	for _, l := range sorted(counts) {
		fmt.Fprintf(w, "  had to: %6d  %s\n", counts[l], l)
	}
	for _, l := range sorted(needless) {
		fmt.Fprintf(w, "  NEED NOT HAVE: %6d  %s\n", needless[l], l)
	}
	if t.dropped > 0 {
		fmt.Fprintf(w, "  NEED NOT HAVE: %6d  not looked at\n", t.dropped)
	}
	return bad
}

func sorted(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func listed(m map[string]int) string {
	var out []string
	for _, k := range sorted(m) {
		out = append(out, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}
