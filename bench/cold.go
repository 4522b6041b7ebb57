package main

import (
	"context"
	"time"

	"weir/bench/proc"
	"weir/bench/result"
)

// measureCold takes the time from exec to the first 200, a fresh process each round, on all CPUs.
func (b *bench) measureCold(ctx context.Context, sc scenario) (result.Scenario, error) {
	out := result.Scenario{Name: sc.name, Text: sc.text, Unit: sc.unit()}
	for _, sub := range b.subjects {
		if sub.does(modeHello) || sub.does(modeDemo) {
			out.Rows = append(out.Rows, result.Row{Subject: sub.name})
		}
	}
	for range b.options.rounds {
		for i := range out.Rows {
			row := &out.Rows[i]
			if row.Failure != "" {
				continue
			}
			d, err := b.coldOnce(ctx, b.subject(row.Subject), sc)
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			if err != nil {
				row.Failure = err.Error()
				continue
			}
			row.Rounds = append(row.Rounds,
				result.Round{Value: float64(d.Microseconds()) / 1000})
		}
	}
	return out, nil
}

// coldOnce includes writing the configuration file of the peers that have one: some 0.1 ms.
func (b *bench) coldOnce(ctx context.Context, sub *subject, sc scenario) (time.Duration, error) {
	if sub.does(modeDemo) {
		sc.mode = modeDemo
	}
	begin := time.Now()
	s, err := b.start(ctx, sub, sc, proc.AnyCPU)
	d := time.Since(begin)
	if err != nil {
		return 0, err
	}
	s.process.Stop()
	return d, nil
}
