package result

import (
	"fmt"
	"math"
)

// Target is a goal of the project: the median of Subject in Scenario is at most Max, or at most Max
// times the median of Versus.
type Target struct {
	Scenario, Subject, Versus string
	Max                       float64
}

// Targets are the goals this project holds itself to.
var Targets = []Target{
	{"keepalive-1", "weir", "floor", 1.08},
	{"keepalive-1", "weir", "nginx", 0.98},
	{"keepalive-64", "weir", "floor", 1.08},
	{"keepalive-64", "weir", "nginx", 0.98},
	{"keepalive-1000", "weir", "floor", 1.08},
	{"keepalive-1000", "weir", "nginx", 0.98},
	{"pipelined-16", "weir", "floor", 1.25},
	{"pipelined-16", "weir", "nginx", 0.10},
	{"close", "weir", "nginx", 1.0},
	{"proxy-small", "weir", "nginx", 0.85},
	{"proxy-1m", "weir", "nginx", 0.75},
	{"static-1m", "weir", "nginx", 1.0},
	{"hosted-64", "weir-reuseport", "weir-in-process", 1.05},
	{"hosted-close", "weir-reuseport", "weir-in-process", 1.05},
	{"idle-memory", "weir", "", 320},
	{"cold-start", "weir-demo", "", 60},
	{"parser", "weir", "", 250},
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
		return fmt.Sprintf("≤ %.2f × %s", v.Max, v.Versus)
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
	if t.Versus != "" {
		v.Got = s.Ratio(t.Subject, t.Versus)
	} else if row, ok := s.Row(t.Subject); ok {
		v.Got = row.Value().Median
	}
	return v
}
