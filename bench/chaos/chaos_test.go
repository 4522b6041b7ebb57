package chaos

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestExcuse: what may fail, and what may not.
func TestExcuse(t *testing.T) {
	t0 := time.Unix(1000, 0)
	at := func(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }
	ended := fmt.Errorf("%w: EOF", errEnded)
	for _, tc := range []struct {
		desc string
		x    exchange
		kind string // done at 10 s
		want string
	}{
		{"POST on a killed worker", exchange{method: "POST", start: at(9.9), end: at(10.1), status: 502}, "kill", "kill"},
		{"GET on a killed worker", exchange{method: "GET", start: at(9.9), end: at(10.1), status: 502}, "kill", ""},
		{"GET on three killed workers", exchange{method: "GET", start: at(9.9), end: at(10.1), status: 502},
			"kill,kill,kill", "replays used up"},
		{"GET on two", exchange{method: "GET", start: at(9.9), end: at(10.1), status: 502}, "kill,kill", ""},
		{"POST before the kill", exchange{method: "POST", start: at(9), end: at(9.9), status: 502}, "kill", ""},
		{"POST long after", exchange{method: "POST", start: at(12), end: at(12.1), status: 502}, "kill", ""},
		{"POST refused", exchange{method: "POST", start: at(9.9), end: at(10.1), status: 503}, "kill", ""},
		{"POST on a stopped worker", exchange{method: "POST", start: at(12), end: at(12.5), status: 504}, "stop", "stop"},
		{"GET on a stopped worker", exchange{method: "GET", start: at(12), end: at(12.5), status: 504}, "stop", ""},
		{"GET in a killed front", exchange{method: "GET", start: at(9.9), end: at(10.1), err: ended}, "front", "front"},
		{"connecting to a killed front", exchange{method: "GET", start: at(9.9), end: at(10.1), err: errors.New("connect: refused")}, "front", ""},
		{"another's answer", exchange{method: "POST", start: at(9.9), end: at(10.1), status: 200, wrong: true}, "front", ""},
		{"reset by a living front", exchange{method: "GET", start: at(9.9), end: at(10.1), err: ended}, "kill", ""},
		{"connection lost with a front", exchange{method: "GET", start: at(11), end: at(11.1), status: 200, lost: at(5)}, "front", "front"},
		{"connection lost since the front", exchange{method: "GET", start: at(11), end: at(11.1), status: 200, lost: at(10.5)}, "front", ""},
		{"connection lost without", exchange{method: "GET", start: at(11), end: at(11.1), status: 200, lost: at(5)}, "kill", ""},
	} {
		var done []deed
		for k := range strings.SplitSeq(tc.kind, ",") {
			done = append(done, deed{k, at(10)})
		}
		if got := excuse(&tc.x, done); got != tc.want {
			t.Errorf("%s: excuse %q; want %q", tc.desc, got, tc.want)
		}
	}
}

// TestReport: what need not have failed is counted and named.
func TestReport(t *testing.T) {
	now := time.Unix(1000, 0)
	ta := newTally()
	for _, x := range []exchange{
		{method: "GET", start: now, end: now, status: 200},
		{method: "GET", start: now, end: now, status: 502, reason: "Abandoned_By_Worker"},
		{method: "POST", start: now, end: now, status: 502, reason: "Abandoned_By_Worker"},
	} {
		ta.add(&x)
	}
	var out strings.Builder
	bad := report(&out, &Options{}, ta, &mischief{done: []deed{{"kill", now}}}, time.Second)
	if bad != 1 {
		t.Errorf("%d need not have failed; want 1", bad)
	}
	for _, want := range []string{
		"sent 3, answered 1, failed 2", "had to:      1  POST 502 Abandoned_By_Worker (kill)",
		"NEED NOT HAVE:      1  GET  502 Abandoned_By_Worker",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report %q; want in it %q", out.String(), want)
		}
	}
}

func TestParseFlags(t *testing.T) {
	if o, err := ParseFlags([]string{"-duration", "5s", "-only", "kill,front"}); err != nil ||
		o.Duration != 5*time.Second || len(o.Kinds) != 2 || o.Workers != 4 {
		t.Errorf("ParseFlags = %+v, %v", o, err)
	}
	for _, bad := range [][]string{
		{"-only", "smash"}, {"-duration", "1ms"}, {"-every", "1ms"}, {"-clients", "0"}, {"-workers", "1"},
		{"-posts", "-1"}, {"more"},
	} {
		if o, err := ParseFlags(bad); err == nil {
			t.Errorf("ParseFlags(%q) = %+v; want an error", bad, o)
		}
	}
}
