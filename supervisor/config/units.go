package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count is a number that a file may also give as auto or off.
type Count int

// Special counts. A resolved Config holds Auto only in limits.connections.
const (
	Auto     Count = 0
	CountOff Count = -1
)

// Duration is a time.Duration that a file may also give as off.
type Duration time.Duration

// Off is no limit: a Duration of its own, as 0 means at once.
const Off Duration = -1

// Size is a number of bytes; SizeOff is no limit.
type Size int64

// SizeOff is no limit.
const SizeOff Size = -1

// Rate is a number of bytes per second; RateOff is no limit.
type Rate int64

// RateOff is no limit.
const RateOff Rate = -1

// LineRate is a number of lines per second; LineRateOff is no limit.
type LineRate int64

// LineRateOff is no limit.
const LineRateOff LineRate = -1

// Mode is permission bits, written in octal.
type Mode uint32

// IsOff reports no limit.
func (c Count) IsOff() bool { return c == CountOff }

// IsOff reports no limit.
func (d Duration) IsOff() bool { return d < 0 }

// Std is d as a time.Duration; off is 0.
func (d Duration) Std() time.Duration { return max(0, time.Duration(d)) }

// IsOff reports no limit.
func (s Size) IsOff() bool { return s < 0 }

// Bytes is s as a number; off is math.MaxInt64.
func (s Size) Bytes() int64 {
	if s.IsOff() {
		return math.MaxInt64
	}
	return int64(s)
}

func (s Size) widest(o Size) Size {
	if s.IsOff() || o.IsOff() {
		return SizeOff
	}
	return max(s, o)
}

// IsOff reports no limit.
func (r Rate) IsOff() bool { return r < 0 }

// IsOff reports no limit.
func (r LineRate) IsOff() bool { return r < 0 }

// String is auto, off or the number.
func (c Count) String() string {
	switch c {
	case Auto:
		return "auto"
	case CountOff:
		return "off"
	}
	return strconv.Itoa(int(c))
}

// String is off or the duration without zero parts: 1m30s, 5m.
func (d Duration) String() string {
	if d.IsOff() {
		return "off"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// String is off or the size in the unit that is shortest without loss: 64KiB, 30MB.
func (s Size) String() string {
	if s.IsOff() {
		return "off"
	}
	return formatBytes(int64(s))
}

// String is off or the rate: 240B/s.
func (r Rate) String() string {
	if r.IsOff() {
		return "off"
	}
	return formatBytes(int64(r)) + "/s"
}

// String is off or the rate: 10000/s.
func (r LineRate) String() string {
	if r.IsOff() {
		return "off"
	}
	return strconv.FormatInt(int64(r), 10) + "/s"
}

// String is four octal digits.
func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// unitError is a value that does not parse: what is wrong, and what was probably meant.
type unitError struct {
	what       string
	suggestion string
}

func (e *unitError) Error() string { return e.what }

// byteUnits are in the order in which a value is tried for printing; the shortest result wins.
var byteUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

func formatBytes(n int64) string {
	best := ""
	for _, u := range byteUnits {
		if n%u.bytes != 0 || n == 0 && u.bytes != 1 {
			continue
		}
		s := strconv.FormatInt(n/u.bytes, 10) + u.name
		if best == "" || len(s) < len(best) {
			best = s
		}
	}
	return best
}

// ParseDuration parses 30s, 5m, 1h30m, 200ms or off.
func ParseDuration(s string) (Duration, error) {
	if s == "off" {
		return Off, nil
	}
	if isNumber(s) {
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), s + "s"}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, &unitError{fmt.Sprintf("%q is not a duration", s), suggestDuration(s)}
	}
	if d < 0 {
		return 0, &unitError{fmt.Sprintf("%q is negative", s), ""}
	}
	return Duration(d), nil
}

// ParseSize parses 512B, 64KiB, 30MB, 1GiB or off.
func ParseSize(s string) (Size, error) {
	if s == "off" {
		return SizeOff, nil
	}
	n, err := parseBytes(s)
	return Size(n), err
}

// ParseRate parses 240B/s, 1MB/s or off.
func ParseRate(s string) (Rate, error) {
	if s == "off" {
		return RateOff, nil
	}
	if isNumber(s) {
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), s + "B/s"}
	}
	digits, ok := strings.CutSuffix(s, "/s")
	if n, err := parseBytes(digits); err == nil {
		if !ok {
			return 0, &unitError{fmt.Sprintf("%q is a size", s), s + "/s"}
		}
		return Rate(n), nil
	}
	return 0, &unitError{fmt.Sprintf("%q is not a rate", s), ""}
}

// ParseLineRate parses 10000/s or off.
func ParseLineRate(s string) (LineRate, error) {
	if s == "off" {
		return LineRateOff, nil
	}
	digits, ok := strings.CutSuffix(s, "/s")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, &unitError{fmt.Sprintf("%q is not a number of lines per second", s), ""}
	}
	if !ok {
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), s + "/s"}
	}
	return LineRate(n), nil
}

// ParseMode parses octal permission bits: 0660 or 660.
func ParseMode(s string) (Mode, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return 0, &unitError{fmt.Sprintf("%q is not a file mode", s), ""}
	}
	return Mode(n), nil
}

// ParseCount parses a number, auto or off.
func ParseCount(s string) (Count, error) {
	switch s {
	case "auto":
		return Auto, nil
	case "off":
		return CountOff, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, &unitError{fmt.Sprintf("%q is not a number", s), ""}
	}
	if n <= 0 {
		return 0, &unitError{fmt.Sprintf("%q is below 1", s), ""}
	}
	return Count(n), nil
}

func parseBytes(s string) (int64, error) {
	digits := strings.TrimRightFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, &unitError{fmt.Sprintf("%q is not a size", s), ""}
	}
	unit := s[len(digits):]
	if unit == "" {
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), formatBytes(n)}
	}
	for _, u := range byteUnits {
		if u.name != unit {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, &unitError{fmt.Sprintf("%q is too large", s), ""}
		}
		return n * u.bytes, nil
	}
	return 0, &unitError{fmt.Sprintf("%q has an unknown unit", s), digits + nearestUnit(unit)}
}

// nearestUnit is the unit that a newcomer's spelling probably means: k, Kb and kib are KiB.
func nearestUnit(unit string) string {
	switch strings.ToLower(unit)[0] {
	case 'k':
		return "KiB"
	case 'm':
		return "MiB"
	case 'g':
		return "GiB"
	case 't':
		return "TiB"
	}
	return "B"
}

func suggestDuration(s string) string {
	digits := strings.TrimRightFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if !isNumber(digits) {
		return ""
	}
	switch strings.ToLower(strings.TrimSpace(s[len(digits):])) {
	case "s", "sec", "secs", "second", "seconds":
		return digits + "s"
	case "m", "min", "mins", "minute", "minutes":
		return digits + "m"
	case "h", "hour", "hours", "hr", "hrs":
		return digits + "h"
	case "ms", "msec", "millis", "milliseconds":
		return digits + "ms"
	case "d", "day", "days":
		if n, err := strconv.Atoi(digits); err == nil && n < 1e5 {
			return strconv.Itoa(n*24) + "h"
		}
	}
	return ""
}

func isNumber(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// The text forms make JSON and options readable; both directions agree.

// MarshalText is String.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCount.
func (c *Count) UnmarshalText(b []byte) error { return parseInto(c, b, ParseCount) }

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(b []byte) error { return parseInto(d, b, ParseDuration) }

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSize.
func (s *Size) UnmarshalText(b []byte) error { return parseInto(s, b, ParseSize) }

// MarshalText is String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRate.
func (r *Rate) UnmarshalText(b []byte) error { return parseInto(r, b, ParseRate) }

// MarshalText is String.
func (r LineRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseLineRate.
func (r *LineRate) UnmarshalText(b []byte) error { return parseInto(r, b, ParseLineRate) }

// MarshalText is String.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMode.
func (m *Mode) UnmarshalText(b []byte) error { return parseInto(m, b, ParseMode) }

func parseInto[T any](dst *T, b []byte, parse func(string) (T, error)) error {
	v, err := parse(string(b))
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	*dst = v
	return nil
}
