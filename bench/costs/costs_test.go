package costs

import (
	"strings"
	"testing"
	"time"
)

func TestParseFlags(t *testing.T) {
	if o, err := ParseFlags(strings.Fields("-rounds 3 -window 2s -workers 7 -kills 4")); err != nil ||
		o.Rounds != 3 || o.Window != 2*time.Second || o.Workers != 7 || o.Kills != 4 {
		t.Errorf("ParseFlags = %+v, %v", o, err)
	}
	for _, bad := range []string{"-rounds 0", "-window 1ms", "-workers 0", "-kills 0", "-workers 3 -kills 4", "more"} {
		if o, err := ParseFlags(strings.Fields(bad)); err == nil {
			t.Errorf("ParseFlags(%q) = %+v; want an error", bad, o)
		}
	}
}

// The median counts, and a missed target is named and an error.
func TestReport(t *testing.T) {
	rows := []row{
		{what: "good", unit: "ms", limit: 5, rounds: []float64{9, 5, 1}},
		{what: "told", unit: "ms", rounds: []float64{3, 1}},
	}
	var out strings.Builder
	if err := report(&out, rows); err != nil {
		t.Errorf("report = %v; want no error", err)
	}
	for _, want := range []string{"good  5.00 ms  1.00 to 9.00  ≤ 5     met", "told  2.00 ms  1.00 to 3.00"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report %q; want in it %q", out.String(), want)
		}
	}
	rows[0].rounds[0], rows[0].rounds[1] = 6, 5.5
	if err := report(&out, rows); err == nil || !strings.Contains(err.Error(), "above the target: good") ||
		!strings.Contains(out.String(), "missed") {
		t.Errorf("report = %v, %q; want good to be missed", err, out.String())
	}
}
