package result

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// Geometry of the chart, in pixels.
const (
	chartWidth  = 760
	chartMargin = 16
	labelWidth  = 110
	valueWidth  = 130
	barHeight   = 14
	barPitch    = 19
	panelTitle  = 30
)

// Chart renders one panel per load scenario with a bar per subject: CPU-µs per request, scaled to
// the panel's largest. The colours hold on light and dark pages.
func (r *Report) Chart() []byte {
	var body strings.Builder
	y := chartMargin
	for _, s := range r.Scenarios {
		if s.Unit == LoadUnit {
			y = s.panel(&body, y)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" `+
		`viewBox="0 0 %d %d" role="img" font-family="sans-serif" font-size="12">`+"\n",
		chartWidth, y+chartMargin, chartWidth, y+chartMargin)
	b.WriteString("<title>CPU time per request, lower is better</title>\n")
	b.WriteString("<style>text{fill:#57606a}.weir{fill:#1f6feb}.floor{fill:#8c959f}" +
		".peer{fill:#d4a72c}@media(prefers-color-scheme:dark){text{fill:#c9d1d9}}</style>\n")
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// panel draws one scenario from y down and returns where the next one begins.
func (s Scenario) panel(b *strings.Builder, y int) int {
	rows := slices.DeleteFunc(slices.Clone(s.Rows), func(r Row) bool { return len(r.Rounds) == 0 })
	if len(rows) == 0 {
		return y
	}
	largest := 0.0
	for _, r := range rows {
		largest = max(largest, r.Value().Median)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s: %s</text>`+"\n",
		chartMargin, y+16, escape(s.Name), escape(s.Unit))
	y += panelTitle
	for _, r := range rows {
		v := r.Value()
		width := 0.0
		if largest > 0 {
			width = v.Median / largest * (chartWidth - 2*chartMargin - labelWidth - valueWidth)
		}
		x := float64(chartMargin + labelWidth)
		fmt.Fprintf(b, `<text x="%.0f" y="%d" text-anchor="end">%s</text>`,
			x-8, y+barHeight-3, escape(r.Subject))
		fmt.Fprintf(b, `<rect class="%s" x="%.0f" y="%d" width="%.1f" height="%d" rx="2"/>`,
			barClass(r.Subject), x, y, max(width, 1), barHeight)
		fmt.Fprintf(b, `<text x="%.1f" y="%d">%s (%s–%s)</text>`+"\n", x+width+6, y+barHeight-3,
			number(v.Median), number(v.Min), number(v.Max))
		y += barPitch
	}
	return y
}

func barClass(subject string) string {
	switch subject {
	case "weir", "floor":
		return subject
	}
	return "peer"
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic("result: escape: " + err.Error()) // a strings.Builder never fails
	}
	return b.String()
}
