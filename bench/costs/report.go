package costs

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one figure: what each round found.
type row struct {
	what, unit string
	limit      float64 // at most; 0: no target
	rounds     []float64
}

// The figures, in the order in which they are printed.
const (
	rowLoop = iota
	rowLoopReaped
	rowLoopsBegin
	rowLoops
	rowLoopsReaped
	rowIdle
	rowRSS
	rowNoticed
	rowOverhead
	rowBare
	rowReady
	rowCount
)

// newRows are all rows, without rounds. The targets are those of the design.
func newRows(o *Options) []row {
	rows := make([]row, rowCount)
	rows[rowLoop] = row{what: "crash loop: supervisor", unit: "% CPU", limit: 1}
	rows[rowLoopReaped] = row{what: "  what it started", unit: "% CPU"}
	rows[rowLoopsBegin] = row{what: fmt.Sprintf("%d crash loops, never given up: the first %s", loops, o.Window),
		unit: "% CPU"}
	rows[rowLoops] = row{what: "  and then: supervisor", unit: "% CPU", limit: 1}
	rows[rowLoopsReaped] = row{what: "  what it started", unit: "% CPU"}
	rows[rowIdle] = row{what: fmt.Sprintf("%d workers at rest: supervisor", o.Workers), unit: "% CPU",
		limit: 0.5}
	rows[rowRSS] = row{what: fmt.Sprintf("%d workers: resident memory", o.Workers), unit: "MiB", limit: 25}
	rows[rowNoticed] = row{what: "kill -9 until the death is logged", unit: "ms", limit: 5}
	rows[rowOverhead] = row{what: "start of a worker: what is added", unit: "ms", limit: 10}
	rows[rowBare] = row{what: "  the program alone, until it can be connected to", unit: "ms"}
	rows[rowReady] = row{what: "  from the death of its predecessor until ready", unit: "ms"}
	return rows
}

func (r *row) median() float64 { return median(r.rounds) }

// median of what is not empty.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[len(s)/2] + s[(len(s)-1)/2]) / 2
}

// verdict is "met" or "missed"; "" where there is no target.
func (r *row) verdict() string {
	switch {
	case r.limit == 0:
		return ""
	case r.median() <= r.limit:
		return "met"
	}
	return "missed"
}

// report prints rows, and returns an error that names the targets that are missed.
func report(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tmedian\tmin to max\ttarget\t")
	var missed []string
	for i := range rows {
		r := &rows[i]
		target := ""
		if r.limit > 0 {
			target = fmt.Sprintf("≤ %g", r.limit)
		}
		fmt.Fprintf(t, "%s\t%.2f %s\t%.2f to %.2f\t%s\t%s\n", r.what, r.median(), r.unit,
			slices.Min(r.rounds), slices.Max(r.rounds), target, r.verdict())
		if r.verdict() == "missed" {
			missed = append(missed, strings.TrimSpace(r.what))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(missed) > 0 {
		return fmt.Errorf("costs: above the target: %s", strings.Join(missed, "; "))
	}
	return nil
}
