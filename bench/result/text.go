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
	header = append(header, s.ratioHeader()...)
	for _, r := range s.Rows {
		lines = append(lines, append(s.cells(r, load), s.ratios(r)...))
	}
	return header, lines
}

// ratioHeader names the columns of ratios, left out where their base has no figure: the row by the
// floor, and Weir by the row.
func (s Scenario) ratioHeader() (header []string) {
	if _, ok := s.Row("floor"); ok {
		header = append(header, "× floor")
	}
	if _, ok := s.Row("weir"); ok {
		header = append(header, "weir is ×")
	}
	return header
}

func (s Scenario) ratios(r Row) (cells []string) {
	if _, ok := s.Row("floor"); ok {
		cells = append(cells, number(s.Ratio(r.Subject, "floor")))
	}
	if _, ok := s.Row("weir"); ok {
		cells = append(cells, number(s.Ratio("weir", r.Subject)))
	}
	return cells
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
			line = append(line, orNone(r.SpreadOf(field).Median))
		}
		line = append(line, fmt.Sprint(r.Errors()))
	}
	return line
}

// orNone renders a figure of which zero means that it was not taken.
func orNone(v float64) string {
	if v == 0 {
		return "-"
	}
	return number(v)
}
