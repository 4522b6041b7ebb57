// Package result holds what the bench measured and renders it: text table, Markdown, SVG, JSON.
//
// It is pure: numbers in, bytes out.
package result

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Report is one run of the bench; its JSON form is results.json.
type Report struct {
	Started   time.Time  `json:"started"`
	Commit    string     `json:"commit"`
	Machine   Machine    `json:"machine"`
	Options   Options    `json:"options"`
	Client    Named      `json:"client"`
	Subjects  []Subject  `json:"subjects"`
	Absent    []Named    `json:"absent"` // subjects that could not run, and why
	Scenarios []Scenario `json:"scenarios"`
}

// Machine is where the numbers were taken.
type Machine struct {
	OS     string `json:"os"`
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memory_bytes"`
	Go     string `json:"go"`
}

// Options are the settings of the run that change what is measured.
type Options struct {
	Rounds    int           `json:"rounds"`
	Duration  time.Duration `json:"duration_ns"`
	ServerCPU int           `json:"server_cpu"`
	ClientCPU int           `json:"client_cpu"`
	WorkerCPU int           `json:"worker_cpu"`
	OpenFiles uint64        `json:"open_files_max"`
}

// Named is a name with a line about it.
type Named struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Subject is a server under test.
type Subject struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Probed  bool              `json:"probed"`
	Failed  []string          `json:"probe_failures"` // of the parity probe; empty: it passed
	Head    string            `json:"answer_head"`    // of the fixed answer, as sent
	Configs map[string]string `json:"configs"`        // by mode: arguments and configuration file
}

// EngineOnly reports that s failed the parity probe: its numbers are an engine's, not a server's.
func (s Subject) EngineOnly() bool { return len(s.Failed) > 0 }

// Verdict is how s came through the parity probe, in words.
func (s Subject) Verdict() string {
	switch {
	case !s.Probed:
		return "not probed"
	case s.EngineOnly():
		return "engine only; failed: " + s.FailedNames()
	}
	return "passed"
}

// FailedNames lists the probes that s failed, without what went wrong in each.
func (s Subject) FailedNames() string {
	names := make([]string, len(s.Failed))
	for i, f := range s.Failed {
		names[i], _, _ = strings.Cut(f, " (")
	}
	return strings.Join(names, ", ")
}

// Scenario is one workload with a row per subject.
type Scenario struct {
	Name string `json:"name"`
	Text string `json:"text"`
	Unit string `json:"unit"` // of Round.Value
	Rows []Row  `json:"rows"`
}

// Row is one subject in one scenario.
type Row struct {
	Subject string  `json:"subject"`
	Note    string  `json:"note,omitempty"`
	Failure string  `json:"failure,omitempty"` // why there are no or fewer rounds
	Rounds  []Round `json:"rounds"`
}

// Round is one measurement. Everything but Value is zero where there was no load.
type Round struct {
	Value     float64 `json:"value"` // CPU-µs per request in load scenarios; lower is better
	Requests  int64   `json:"requests,omitempty"`
	PerSecond float64 `json:"requests_per_second,omitempty"`
	P50Micros float64 `json:"p50_us,omitempty"`
	P99Micros float64 `json:"p99_us,omitempty"`
	ServerCPU float64 `json:"server_cpu,omitempty"` // CPUs busy with the server; 1 is one whole CPU
	ClientCPU float64 `json:"client_cpu,omitempty"`
	Bytes     float64 `json:"bytes_per_request,omitempty"`
	Errors    int64   `json:"errors"`
}

// Spread is a set of values by its middle and its ends.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf returns the spread of one field over all rounds of r; NaN in all parts without rounds.
func (r Row) SpreadOf(field func(Round) float64) Spread {
	values := make([]float64, len(r.Rounds))
	for i, round := range r.Rounds {
		values[i] = field(round)
	}
	return NewSpread(values)
}

// Value returns the spread of the scenario's own figure.
func (r Row) Value() Spread { return r.SpreadOf(func(r Round) float64 { return r.Value }) }

// Errors adds up the failures of all rounds.
func (r Row) Errors() (n int64) {
	for _, round := range r.Rounds {
		n += round.Errors
	}
	return n
}

// NewSpread sorts a copy of values; the median of an even count is the mean of the middle two.
func NewSpread(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// Row returns the row of a subject; ok is false when it has no rounds.
func (s Scenario) Row(subject string) (row Row, ok bool) {
	for _, r := range s.Rows {
		if r.Subject == subject {
			return r, len(r.Rounds) > 0
		}
	}
	return Row{}, false
}

// Ratio returns the median of subject divided by that of other, NaN when either has none.
func (s Scenario) Ratio(subject, other string) float64 {
	return s.ratioOf(subject, other, func(r Round) float64 { return r.Value })
}

// ratioOf is Ratio of another figure.
func (s Scenario) ratioOf(subject, other string, field func(Round) float64) float64 {
	a, ok := s.Row(subject)
	b, also := s.Row(other)
	if !ok || !also {
		return math.NaN()
	}
	return a.SpreadOf(field).Median / b.SpreadOf(field).Median
}

// Scenario returns a scenario by name.
func (r *Report) Scenario(name string) (Scenario, bool) {
	i := slices.IndexFunc(r.Scenarios, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return r.Scenarios[i], true
}

// JSON renders the report with everything in it.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("result: encode report: %w", err)
	}
	return append(b, '\n'), nil
}
