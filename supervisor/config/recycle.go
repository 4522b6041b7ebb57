package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Recycle says when workers are replaced by fresh ones. The zero value of every field is its default.
type Recycle struct {
	Age          Duration     `json:"age"`           // 0 and off: never
	Jitter       Percent      `json:"jitter"`        // of age and requests, per worker; 0 is 10 %
	Requests     Count        `json:"requests"`      // 0 and off: any number
	Memory       Size         `json:"memory"`        // soft; 0 and off: no limit
	MemoryMax    Size         `json:"memory_max"`    // hard; 0 and off: no limit
	MemorySource MemorySource `json:"memory_source"` // "" is rss
	Samples      int          `json:"samples"`       // in a row above memory; 0 is 3
	SampleEvery  Duration     `json:"sample_every"`  // 0 is 5 s
	Errors       Percent      `json:"errors"`        // 0 and off: any share
	At           []string     `json:"at"`            // see ParseAt
	TimeZone     string       `json:"time_zone"`     // of At; "" is local time
	Files        []string     `json:"files"`         // absolute patterns
	Overlap      Overlap      `json:"overlap"`       // "" is true
	Watch        Duration     `json:"watch"`         // of the first fresh worker; 0 and off: none
}

// Overlap says whether a fresh worker starts beside the one that it replaces.
type Overlap string

// Overlaps.
const (
	OverlapTrue  Overlap = "true"  // ready before the old one drains
	OverlapFalse Overlap = "false" // started when the old one is gone
)

// MemorySource is what counts as a worker's memory, that of its whole process group.
type MemorySource string

// Memory sources.
const (
	MemoryRSS MemorySource = "rss" // resident pages
	MemoryPSS MemorySource = "pss" // resident pages, shared ones in proportion
)

// Percent is a share in percent; PercentOff is no limit.
type Percent int

// PercentOff is no limit.
const PercentOff Percent = -1

// IsOff reports no limit.
func (p Percent) IsOff() bool { return p < 0 }

// String is off or the share: 10%.
func (p Percent) String() string {
	if p.IsOff() {
		return "off"
	}
	return strconv.Itoa(int(p)) + "%"
}

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePercent.
func (p *Percent) UnmarshalText(b []byte) error { return parseInto(p, b, ParsePercent) }

// ParsePercent parses 10% or off.
func ParsePercent(s string) (Percent, error) {
	if s == "off" {
		return PercentOff, nil
	}
	if isNumber(s) {
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), s + "%"}
	}
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || !isNumber(digits) {
		return 0, &unitError{fmt.Sprintf("%q is not a share in whole percent", s), ""}
	}
	return Percent(n), nil
}

// At is a time of the week or of every day.
type At struct {
	Day          time.Weekday // -1: every day
	Hour, Minute int
}

// everyDay is At's Day of a time without one.
const everyDay time.Weekday = -1

// ParseAt parses 04:00 or Mon 03:30.
func ParseAt(s string) (At, error) {
	a := At{Day: everyDay}
	clock := s
	if day, rest, ok := strings.Cut(s, " "); ok {
		clock = rest
		for d := range time.Saturday + 1 {
			if strings.EqualFold(day, d.String()[:3]) {
				a.Day = d
			}
		}
		if a.Day == everyDay {
			return a, &unitError{fmt.Sprintf("%q: %q is not a day", s, day), ""}
		}
	}
	t, err := time.Parse("15:04", clock)
	if err != nil || len(clock) != len("15:04") {
		return a, &unitError{fmt.Sprintf("%q is not a time of day", s), ""}
	}
	a.Hour, a.Minute = t.Hour(), t.Minute()
	return a, nil
}

// Next is the first such time after t, in t's zone. A time that the clock skips in spring comes an
// hour later; one that comes twice in autumn counts once.
func (a At) Next(t time.Time) time.Time {
	for i := range 9 {
		n := time.Date(t.Year(), t.Month(), t.Day()+i, a.Hour, a.Minute, 0, 0, t.Location())
		day := time.Date(t.Year(), t.Month(), t.Day()+i, 12, 0, 0, 0, t.Location()).Weekday()
		if n.After(t) && (a.Day == everyDay || a.Day == day) {
			return n
		}
	}
	panic("config: a week without that day")
}

// Location is the zone of At.
func (r *Recycle) Location() (*time.Location, error) {
	if r.TimeZone == "" {
		return time.Local, nil
	}
	return time.LoadLocation(r.TimeZone)
}

func (r *resolver) checkRecycle(key string, c *Recycle) {
	for _, s := range c.At {
		if _, err := ParseAt(s); err != nil {
			r.problem(key+".at", err.Error(), row("pools.*.recycle.at").Expected(), "")
		}
	}
	if _, err := c.Location(); err != nil {
		r.problem(key+".time_zone", fmt.Sprintf("%q is not a time zone known here", c.TimeZone),
			row("pools.*.recycle.time_zone").Expected(), "")
	}
	for _, f := range c.Files {
		if _, err := filepath.Match(f, ""); err != nil || strings.Contains(f, "**") {
			r.problem(key+".files", fmt.Sprintf("%q is not a pattern", f),
				"* and ? within one directory's names, [a-z]", "")
		}
	}
	if len(c.At) > recycleListMax || len(c.Files) > recycleListMax {
		r.problem(key, "has a list that is too long", fmt.Sprintf("at most %d", recycleListMax), "")
	}
	if c.Memory > 0 && c.MemoryMax > 0 && c.MemoryMax <= c.Memory {
		r.problem(key+".memory_max", fmt.Sprintf("%v is not above memory (%v)", c.MemoryMax, c.Memory),
			"a hard limit above the soft one", "")
	}
}

// WithDefaults is r with every zero field replaced by its default.
func (r Recycle) WithDefaults() Recycle {
	if r.Jitter == 0 {
		r.Jitter = 10
	}
	if r.MemorySource == "" {
		r.MemorySource = MemoryRSS
	}
	if r.Samples == 0 {
		r.Samples = 3
	}
	if r.SampleEvery == 0 {
		r.SampleEvery = Duration(5 * time.Second)
	}
	if r.Overlap == "" {
		r.Overlap = OverlapTrue
	}
	return r
}

// Validate reports what cannot be carried out.
func (r *Recycle) Validate() error {
	for _, s := range r.At {
		if _, err := ParseAt(s); err != nil {
			return fmt.Errorf("at: %w", err)
		}
	}
	if _, err := r.Location(); err != nil {
		return fmt.Errorf("time_zone: %w", err)
	}
	for _, f := range r.Files {
		if _, err := filepath.Match(f, ""); err != nil {
			return fmt.Errorf("files: %q: %w", f, err)
		}
	}
	if r.SampleEvery != 0 && time.Duration(r.SampleEvery) < sampleEveryMin || r.Samples < 0 {
		return fmt.Errorf("sample_every: %v is below %v, or samples below 1", r.SampleEvery,
			sampleEveryMin)
	}
	return nil
}
