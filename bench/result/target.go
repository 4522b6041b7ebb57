package result

import (
	"fmt"
	"math"
	"strings"
)

// Target is a goal of the project: the median of Subject in Scenario is at most Max, or at most Max
// times the median of Versus.
type Target struct {
	Scenario, Subject, Versus string
	Max                       float64
	Figure                    Figure
}

// Figure is what a target is about.
type Figure struct {
	Name string // "": the scenario's own
	of   func(Round) float64
}

// Figures beside the scenario's own.
var (
	p50       = Figure{"p50", func(r Round) float64 { return r.P50Micros }}
	perSecond = Figure{"requests/s", func(r Round) float64 { return r.PerSecond }}
)

// Targets are the goals this project holds itself to.
var Targets = []Target{
	{"keepalive-1", "weir", "floor", 1.08, Figure{}},
	{"keepalive-1", "weir", "nginx", 0.98, Figure{}},
	{"keepalive-64", "weir", "floor", 1.08, Figure{}},
	{"keepalive-64", "weir", "nginx", 0.98, Figure{}},
	{"keepalive-1000", "weir", "floor", 1.08, Figure{}},
	{"keepalive-1000", "weir", "nginx", 0.98, Figure{}},
	{"pipelined-16", "weir", "floor", 1.25, Figure{}},
	{"pipelined-16", "weir", "nginx", 0.10, Figure{}},
	{"close", "weir", "nginx", 1.0, Figure{}},
	{"proxy-small", "weir", "nginx", 0.85, Figure{}},
	{"proxy-1m", "weir", "nginx", 0.75, Figure{}},
	{"proxy-1m", "weir", "nginx-default", 0.65, Figure{}},
	{"static-1m", "weir", "nginx", 1.0, Figure{}},
	{"hosted-64", "weir-mux", "nginx", 0.58, Figure{}},
	{"hosted-64", "weir-mux", "weir-in-process", 2.0, Figure{}},
	{"hosted-64", "weir-http", "nginx", 0.90, Figure{}},
	{"hosted-64", "weir-reuseport", "weir-in-process", 1.05, Figure{}},
	{"hosted-close", "weir-reuseport", "weir-in-process", 1.05, Figure{}},
	{"hosted-100", "weir-handoff", "weir-in-process", 1.10, Figure{}},
	{"hosted-64", "nginx", "weir-mux", 0.74, perSecond}, // 1.35 times as many the other way round
	{"hosted-1", "weir-mux", "nginx", 0.80, p50},
	{"idle-memory", "weir", "", 320, Figure{}},
	{"cold-start", "weir-demo", "", 60, Figure{}},
	{"parser", "weir", "", 250, Figure{}},
}

// Verdict is how a target stands.
type Verdict struct {
	Target
	Unit string
	Got  float64 // NaN: not measured in this run
}

// State is "met", "missed" or "not measured".
func (v Verdict) State() string {
	switch {
	case math.IsNaN(v.Got):
		return "not measured"
	case v.Got <= v.Max:
		return "met"
	}
	return "missed"
}

// Goal renders the target, as in "≤ 1.08 × floor" or "≤ 320 B/connection".
func (v Verdict) Goal() string {
	if v.Versus != "" {
		return strings.TrimSpace(fmt.Sprintf("%s ≤ %.2f × %s", v.Figure.Name, v.Max, v.Versus))
	}
	return fmt.Sprintf("≤ %g %s", v.Max, v.Unit)
}

// Result renders what was measured, "-" for nothing.
func (v Verdict) Result() string {
	if math.IsNaN(v.Got) {
		return "-"
	}
	if v.Versus != "" {
		return fmt.Sprintf("%.3f", v.Got)
	}
	return number(v.Got) + " " + v.Unit
}

// Verdicts judges all targets of the scenarios that ran.
func (r *Report) Verdicts() []Verdict {
	var all []Verdict
	for _, t := range Targets {
		s, ok := r.Scenario(t.Scenario)
		if ok {
			all = append(all, s.judge(t))
		}
	}
	return all
}

func (s Scenario) judge(t Target) Verdict {
	v := Verdict{Target: t, Unit: s.Unit, Got: math.NaN()}
	if t.Figure.of != nil {
		v.Got = s.ratioOf(t.Subject, t.Versus, t.Figure.of)
	} else if t.Versus != "" {
		v.Got = s.Ratio(t.Subject, t.Versus)
	} else if row, ok := s.Row(t.Subject); ok {
		v.Got = row.Value().Median
	}
	return v
}
