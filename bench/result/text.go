package result

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// LoadUnit is the unit of the scenarios that send requests.
const LoadUnit = "CPU-µs/request"

// number renders a figure with about three digits.
func number(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// WriteText prints a scenario as an aligned table: one line per subject, then its targets.
func (s Scenario) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n", s.Name, s.Text)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	header, cells := s.Columns()
	fmt.Fprintln(tw, strings.Join(header, "\t")+"\t")
	for i, line := range cells {
		fmt.Fprintln(tw, strings.Join(line, "\t")+"\t"+remark(s.Rows[i]))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, t := range Targets {
		if t.Scenario == s.Name {
			v := s.judge(t)
			fmt.Fprintf(&b, "  target %s %s: %s, %s\n", v.Subject, v.Goal(), v.Result(), v.State())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// remark is what a row says beside its numbers.
func remark(r Row) string {
	var parts []string
	for _, p := range []string{r.Note, r.Failure} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if n := r.Errors(); n > 0 {
		parts = append(parts, fmt.Sprintf("INVALID: %d errors", n))
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, "; ")
}

// Columns returns the header and one line of cells per row of s, for text and Markdown alike.
func (s Scenario) Columns() (header []string, lines [][]string) {
	header = []string{"subject", s.Unit, "min–max"}
	load := s.Unit == LoadUnit
	if load {
		header = append(header, "requests/s", "p50 µs", "p99 µs", "server CPU", "client CPU",
			"bytes", "errors")
	}
	for _, r := range s.Rows {
		if len(r.Rounds) > 0 {
			header = append(header, "× "+r.Subject)
		}
	}
	for _, r := range s.Rows {
		lines = append(lines, s.cells(r, load))
	}
	return header, lines
}

func (s Scenario) cells(r Row, load bool) []string {
	v := r.Value()
	line := []string{r.Subject, number(v.Median), number(v.Min) + "–" + number(v.Max)}
	if load {
		for _, field := range []func(Round) float64{
			func(r Round) float64 { return r.PerSecond },
			func(r Round) float64 { return r.P50Micros },
			func(r Round) float64 { return r.P99Micros },
			func(r Round) float64 { return r.ServerCPU },
			func(r Round) float64 { return r.ClientCPU },
			func(r Round) float64 { return r.Bytes },
		} {
			line = append(line, number(r.SpreadOf(field).Median))
		}
		line = append(line, fmt.Sprint(r.Errors()))
	}
	for _, other := range s.Rows {
		if len(other.Rounds) > 0 {
			line = append(line, number(s.Ratio(r.Subject, other.Subject)))
		}
	}
	return line
}
