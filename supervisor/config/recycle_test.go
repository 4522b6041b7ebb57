package config

import (
	"strings"
	"testing"
	"time"
)

func TestParsePercent(t *testing.T) {
	for _, tt := range []struct {
		in, err string
		want    Percent
	}{
		{"10%", "", 10}, {"0%", "", 0}, {"off", "", PercentOff}, {"10", "has no unit", 0},
		{"-1%", "whole percent", 0}, {"1.5%", "whole percent", 0}, {"x%", "whole percent", 0},
		{"%", "whole percent", 0},
	} {
		got, err := ParsePercent(tt.in)
		if got != tt.want || (err == nil) != (tt.err == "") ||
			err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("ParsePercent(%q) = %v, %v; want %v, %q", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestAtNext(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here:", err)
	}
	for _, tt := range []struct{ desc, at, from, want string }{
		{"later today", "04:00", "2026-11-26 03:59", "2026-11-26 04:00"},
		{"that very moment has passed", "04:00", "2026-11-26 04:00", "2026-11-27 04:00"},
		{"a day of the week", "Mon 03:30", "2026-11-26 12:00", "2026-11-30 03:30"},
		{"a week later", "mon 03:30", "2026-11-30 03:30", "2026-12-07 03:30"},
		{"over the end of a year", "00:00", "2026-12-31 23:59", "2027-01-01 00:00"},
		{"skipped in spring", "02:30", "2026-03-28 12:00", "2026-03-29 03:30"},
		{"the day after that", "02:30", "2026-03-29 03:30", "2026-03-30 02:30"},
	} {
		a, err := ParseAt(tt.at)
		if err != nil {
			t.Errorf("ParseAt(%q): %v", tt.at, err)
			continue
		}
		from, err := time.ParseInLocation("2006-01-02 15:04", tt.from, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Next(from).Format("2006-01-02 15:04"); got != tt.want {
			t.Errorf("%s: %s after %s = %s; want %s", tt.desc, tt.at, tt.from, got, tt.want)
		}
	}
	a, _ := ParseAt("02:30") // parsed above
	first := a.Next(time.Date(2026, 10, 24, 12, 0, 0, 0, berlin))
	if n := a.Next(first); n.Day() != 26 {
		t.Errorf("a time that comes twice in autumn: %s, then %s; want the day after", first, n)
	}
}

func TestRecycleErrors(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ text, want string }{
		{"age: 5", `pools.p.recycle.age: "5" has no unit`},
		{"jitter: 10", `"10" has no unit, expected a share such as 10%, or off, did you mean 10%`},
		{"jitter: 60%", `"60%" is above the maximum of 50%`},
		{"errors: 0%", `"0%" is no limit that could be kept`},
		{"sample_every: 1ms", `"1ms" is below the minimum of 100ms`},
		{"at: [\"4:00\"]", `"4:00" is not a time of day`},
		{"at: [\"25:00\"]", `"25:00" is not a time of day`},
		{"at: [\"Mox 04:00\"]", `"Mox" is not a day`},
		{"time_zone: Nowhere/At", `"Nowhere/At" is not a time zone known here`},
		{"files: [\"a/**/b\"]", `is not a pattern`},
		{"files: [\"[\"]", `is not a pattern`},
		{"overlap: maybe", `"maybe" is not known, expected true or false`},
		{"memory: 2MiB, memory_max: 1MiB", `1MiB is not above memory (2MiB)`},
	} {
		wantError(t, tt.text, m.file(pool("recycle: {"+tt.text+"}")), tt.want)
	}
}
