package result

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Markdown renders the whole report: machine, targets, one table per scenario, configurations.
func (r *Report) Markdown() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Results\n\n%s, commit %s. %s, %d CPUs, %s %s, %s.\n\n",
		r.Started.UTC().Format("2006-01-02 15:04 MST"), r.Commit, r.Machine.CPU, r.Machine.CPUs,
		r.Machine.OS, r.Machine.Kernel, r.Machine.Go)
	fmt.Fprintf(&b, "Medians of %d interleaved rounds of %s; server on CPU %d, workers on CPU %d, "+
		"client (%s) on CPU %d. Lower is better.\n\n![CPU time per request](chart.svg)\n",
		r.Options.Rounds, r.Options.Duration, r.Options.ServerCPU, r.Options.WorkerCPU,
		r.Client.Text, r.Options.ClientCPU)
	r.writeVerdicts(&b)
	for _, s := range r.Scenarios {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.Name, s.Text)
		header, lines := s.Columns()
		writeTable(&b, header, lines)
		for _, row := range s.Rows {
			if m := remark(row); m != "" {
				fmt.Fprintf(&b, "\n%s:%s\n", row.Subject, m)
			}
		}
	}
	r.writeSubjects(&b)
	return []byte(b.String())
}

func (r *Report) writeVerdicts(b *strings.Builder) {
	verdicts := r.Verdicts()
	if len(verdicts) == 0 {
		return
	}
	b.WriteString("\n## Targets\n\n")
	var lines [][]string
	for _, v := range verdicts {
		lines = append(lines, []string{v.Scenario, v.Subject, v.Goal(), v.Result(), v.State()})
	}
	writeTable(b, []string{"scenario", "subject", "target", "measured", "state"}, lines)
}

func (r *Report) writeSubjects(b *strings.Builder) {
	b.WriteString("\n## Subjects\n\n")
	var lines [][]string
	for _, s := range r.Subjects {
		lines = append(lines, []string{s.Name, s.Version, s.Verdict()})
	}
	writeTable(b, []string{"subject", "version", "parity probe"}, lines)
	for _, a := range r.Absent {
		fmt.Fprintf(b, "\nAbsent: %s: %s\n", a.Name, a.Text)
	}
	for _, s := range r.Subjects {
		for _, mode := range slices.Sorted(maps.Keys(s.Configs)) {
			fmt.Fprintf(b, "\n<details><summary>%s, %s</summary>\n\n```\n%s\n```\n</details>\n",
				s.Name, mode, strings.TrimSpace(s.Configs[mode]))
		}
	}
}

// writeTable writes a Markdown table; all columns but the first are set right.
func writeTable(b *strings.Builder, header []string, lines [][]string) {
	row := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	row(header)
	b.WriteString("|---" + strings.Repeat("|--:", len(header)-1) + "|\n")
	for _, l := range lines {
		row(l)
	}
}
