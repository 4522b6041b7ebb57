package proc

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const statTail = " S 100 4711 4711 0 -1 4194560 1 0 0 0 250 75 9 9 20 0 3 0 987654 1 1 1"

func TestParseStat(t *testing.T) {
	want := Stat{Key: Key{4711, 987654}, PPID: 100, State: 'S', User: 2500 * time.Millisecond,
		System: 750 * time.Millisecond, Reaped: 180 * time.Millisecond}
	for _, tc := range []struct{ text, comm string }{
		{"4711 (nginx)" + statTail, "nginx"},
		{"4711 (tmux: server (1) x)" + statTail + "\n", "tmux: server (1) x"},
		{"4711 () S 1 (x)" + statTail, ") S 1 (x"},
	} {
		want.Comm = tc.comm
		if got, err := ParseStat([]byte(tc.text)); err != nil || got != want {
			t.Errorf("ParseStat(%q) = %+v, %v; want %+v", tc.text, got, err, want)
		}
	}
	for _, bad := range []string{"", "4711", "4711 (x", ") 4711 (", "x (x)" + statTail,
		"4711 (x) S 1 2 3", "4711 (x)" + strings.Replace(statTail, "250", "-", 1)} {
		if got, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("ParseStat(%q) = %+v; want an error", bad, got)
		}
	}
}

func TestDescendants(t *testing.T) {
	all := map[int]Stat{}
	for _, p := range []struct {
		pid, ppid int
		state     byte
	}{{1, 0, 'S'}, {10, 1, 'S'}, {11, 10, 'S'}, {12, 11, 'R'}, {13, 10, 'Z'}, {20, 1, 'S'},
		{30, 99, 'S'}} {
		all[p.pid] = Stat{Key: Key{PID: p.pid}, PPID: p.ppid, State: p.state}
	}
	for root, want := range map[int][]int{10: {10, 11, 12}, 20: {20}, 30: {30}, 99: nil, 7: nil} {
		var got []int
		for _, s := range descendants(all, root) {
			got = append(got, s.PID)
		}
		slices.Sort(got)
		// 30 names 99 as its parent, which has no entry of its own: 99 is gone, so 30 is no one's.
		if !slices.Equal(got, want) {
			t.Errorf("descendants(%d) = %v; want %v", root, got, want)
		}
	}
}

func TestUsageSince(t *testing.T) {
	a, b, c := Key{1, 1}, Key{2, 1}, Key{2, 9} // c reuses b's pid
	for _, tc := range []struct {
		desc          string
		before, after Usage
		want          time.Duration
		gone          bool
	}{
		{"two processes", Usage{a: 5, b: 10}, Usage{a: 7, b: 20}, 12, false},
		{"a new one counts whole", Usage{a: 5}, Usage{a: 7, b: 20}, 22, false},
		{"one has left", Usage{a: 5, b: 10}, Usage{a: 7}, 0, true},
		{"a pid used again is another process", Usage{b: 10}, Usage{c: 3}, 0, true},
	} {
		got, err := tc.after.Since(tc.before)
		if got != tc.want || (err != nil) != tc.gone {
			t.Errorf("%s: Since = %v, %v; want %v, error %v", tc.desc, got, err, tc.want, tc.gone)
		}
	}
}

func TestParsePSS(t *testing.T) {
	text := "55d0-7ffe ---p 00000000 00:00 0   [rollup]\nRss:   5320 kB\n" +
		"Pss:                1234 kB\n" +
		"Pss_Dirty:    77 kB\n"
	if got, err := ParsePSS([]byte(text)); err != nil || got != 1234<<10 {
		t.Errorf("ParsePSS = %d, %v; want %d", got, err, 1234<<10)
	}
	for _, bad := range []string{"", "Rss: 1 kB\nPss_Anon: 3 kB\n", "Pss: many kB\n"} {
		if got, err := ParsePSS([]byte(bad)); err == nil {
			t.Errorf("ParsePSS(%q) = %d; want an error", bad, got)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var tl tail
	for range 3 {
		_, _ = tl.Write([]byte(strings.Repeat("x", outputBytesMax-1))) // never fails
	}
	_, _ = tl.Write([]byte("end"))
	if got := tl.String(); len(got) != outputBytesMax || !strings.HasSuffix(got, "xend") {
		t.Errorf("tail holds %d bytes ending in %q; want %d ending in xend", len(got),
			got[len(got)-4:], outputBytesMax)
	}
}
