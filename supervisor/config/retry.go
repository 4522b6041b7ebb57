package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Retry bounds how often requests are sent once more after a worker took a byte of them.
type Retry struct {
	Rate  Frequency `json:"rate"`  // of the pool; may be off
	Share Percent   `json:"share"` // and this share of its requests; may be off
	Max   Count     `json:"max"`   // of one request; may be off
}

// Circuit keeps a worker that fails from requests.
type Circuit struct {
	Failures Count    `json:"failures"` // in a row; may be off
	Open     Duration `json:"open"`     // until it is tried again; doubles
}

// Frequency is a number of events per second; FrequencyOff is none.
type Frequency int64

// FrequencyOff is none.
const FrequencyOff Frequency = -1

// IsOff reports none.
func (f Frequency) IsOff() bool { return f < 0 }

// String is off or the frequency: 10/s.
func (f Frequency) String() string {
	if f.IsOff() {
		return "off"
	}
	return strconv.FormatInt(int64(f), 10) + "/s"
}

// MarshalText is String.
func (f Frequency) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is ParseFrequency.
func (f *Frequency) UnmarshalText(b []byte) error { return parseInto(f, b, ParseFrequency) }

// ParseFrequency parses 10/s or off.
func ParseFrequency(s string) (Frequency, error) {
	if s == "off" {
		return FrequencyOff, nil
	}
	digits, ok := strings.CutSuffix(s, "/s")
	if !isNumber(digits) {
		return 0, &unitError{fmt.Sprintf("%q is not a number per second", s), ""}
	}
	if !ok {
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), s + "/s"}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, &unitError{fmt.Sprintf("%q is too large", s), ""}
	}
	return Frequency(n), nil
}
