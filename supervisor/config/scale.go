package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Scale says when a pool gets more workers, and when fewer, between the bounds of its workers.
type Scale struct {
	Wait     Duration `json:"wait"`     // of the oldest request in the queue; may be off
	Busy     Percent  `json:"busy"`     // of the slots of ready workers
	Step     int      `json:"step"`     // workers at a time
	Cooldown Duration `json:"cooldown"` // of low load, for one worker fewer
	Memory   Guard    `json:"memory"`
}

// Guard is on or off.
type Guard string

// Guards.
const (
	GuardOn  Guard = "on"
	GuardOff Guard = "off"
)

// Percent is a part of a whole, 1 to 100.
type Percent int

// String is 80%.
func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePercent.
func (p *Percent) UnmarshalText(b []byte) error { return parseInto(p, b, ParsePercent) }

// ParsePercent parses 80%.
func ParsePercent(s string) (Percent, error) {
	if isNumber(s) {
		return 0, &unitError{fmt.Sprintf("%q has no unit", s), s + "%"}
	}
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case !ok || err != nil:
		return 0, &unitError{fmt.Sprintf("%q is not a percentage", s), ""}
	case n < 1 || n > 100:
		return 0, &unitError{fmt.Sprintf("%q is not in 1%% to 100%%", s), ""}
	}
	return Percent(n), nil
}
