package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"weir/bench/proc"
	"weir/bench/result"
)

// parserBenchmarks are those of protocol/http1 that parse the same 430 bytes, by subject.
var parserBenchmarks = []struct{ subject, name string }{
	{"weir", "BenchmarkRequestParse/430B"},
	{"fasthttp", "BenchmarkFasthttpParse"},
}

// measureParser runs the benchmarks of protocol/http1 on the server's CPU.
func (b *bench) measureParser(ctx context.Context, sc scenario) (result.Scenario, error) {
	out := result.Scenario{Name: sc.name, Text: sc.text, Unit: sc.unit()}
	pattern := make([]string, len(parserBenchmarks))
	for i, p := range parserBenchmarks {
		pattern[i] = "^" + strings.ReplaceAll(p.name, "/", "$/^") + "$"
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return out, fmt.Errorf("bench: parser: %w", err)
	}
	p, err := b.spawner.Spawn(proc.Spec{Path: goTool, Dir: b.root, CPU: b.cpus.server,
		Args: []string{"test", "-run", "^$", "-bench", strings.Join(pattern, "|"), "-benchtime",
			"200ms", "-count", strconv.Itoa(b.options.rounds), "./protocol/http1"}})
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, buildMax)
	defer cancel()
	select {
	case <-p.Exited():
	case <-ctx.Done():
		p.Stop()
		return out, ctx.Err()
	}
	for _, pb := range parserBenchmarks {
		row := result.Row{Subject: pb.subject}
		for _, ns := range benchmarkNanos(p.Output(), pb.name) {
			row.Rounds = append(row.Rounds, result.Round{Value: ns})
		}
		if len(row.Rounds) == 0 {
			row.Failure = "no figure: " + lastLine(p.Output())
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// benchmarkNanos finds the cpu-ns/op of one benchmark in the output of go test; a name there may end
// in -GOMAXPROCS.
func benchmarkNanos(output, name string) (nanos []float64) {
	for line := range strings.Lines(output) {
		f := strings.Fields(line)
		unit := slices.Index(f, "cpu-ns/op")
		if unit < 2 {
			continue
		}
		got := f[0]
		if i := strings.LastIndexByte(got, '-'); i > 0 {
			if _, err := strconv.Atoi(got[i+1:]); err == nil {
				got = got[:i]
			}
		}
		if ns, err := strconv.ParseFloat(f[unit-1], 64); err == nil && got == name {
			nanos = append(nanos, ns)
		}
	}
	return nanos
}
