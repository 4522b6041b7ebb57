package main

import (
	"context"
	"fmt"
	"time"

	"weir/bench/load"
	"weir/bench/proc"
	"weir/bench/result"
)

// measureLoad runs a load scenario: all servers up, rounds interleaved.
func (b *bench) measureLoad(ctx context.Context, sc scenario) (result.Scenario, error) {
	out := result.Scenario{Name: sc.name, Text: sc.text, Unit: sc.unit()}
	worker, err := b.workerOf(ctx, sc)
	if err != nil {
		return out, err
	}
	if worker != nil {
		defer worker.Stop()
	}
	servers, failed, err := b.startAll(ctx, sc, worker)
	if err != nil {
		return out, err
	}
	defer stopAll(servers)
	rows := b.rows(servers)
	for round := -1; round < b.options.rounds; round++ { // -1 warms up
		for i, s := range servers {
			if rows[i].Failure != "" {
				continue
			}
			d := b.options.duration
			if round < 0 {
				d = warmUp
			}
			r, err := b.loadOnce(ctx, s, d)
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			if err != nil {
				rows[i].Failure = err.Error()
			} else if round >= 0 {
				rows[i].Rounds = append(rows[i].Rounds, r)
			}
		}
	}
	out.Rows = append(rows, failedRows(failed)...)
	return out, nil
}

// workerOf starts the application that proxies need in sc; nil when they need none. Where it is counted
// with them it shares their CPU, as the workers of the others do.
func (b *bench) workerOf(ctx context.Context, sc scenario) (*proc.Process, error) {
	switch sc.mode {
	case modeProxy:
		return b.startWorker(ctx, b.cpus.worker)
	case modeHosted:
		return b.startWorker(ctx, b.cpus.server)
	}
	return nil, nil
}

// rows begins one row per server.
func (b *bench) rows(servers []*server) []result.Row {
	rows := make([]result.Row, len(servers))
	for i, s := range servers {
		rows[i] = result.Row{Subject: s.subject.name}
		if b.engineOnly(s.subject.name) {
			rows[i].Note = "engine only"
		}
	}
	return rows
}

func failedRows(failed []absence) []result.Row {
	var rows []result.Row
	for _, f := range failed {
		rows = append(rows, result.Row{Subject: f.name, Failure: f.why})
	}
	return rows
}

// loadOnce drives one server for d and accounts for its CPU time.
func (b *bench) loadOnce(ctx context.Context, s *server, d time.Duration) (result.Round, error) {
	sc := s.setup.scenario
	tree, err := s.counted()
	if err != nil {
		return result.Round{}, err
	}
	before := proc.UsageOf(tree)
	r, clientCPU, err := b.client.Run(ctx, b.spawner, b.cpus.client, load.Spec{URL: s.url(),
		Conns: sc.conns, Pipeline: sc.pipeline, PerConn: sc.perConn, Duration: d})
	if err != nil {
		return result.Round{}, err
	}
	if tree, err = s.counted(); err != nil {
		return result.Round{}, err
	}
	used, err := proc.UsageOf(tree).Since(before)
	if err != nil {
		return result.Round{}, fmt.Errorf("bench: %s: %w", s.subject.name, err)
	}
	return newRound(r, used, clientCPU)
}

// newRound turns what client and kernel counted into a round.
func newRound(r load.Result, used, clientCPU time.Duration) (result.Round, error) {
	if r.Requests == 0 || r.Elapsed <= 0 {
		return result.Round{}, fmt.Errorf("bench: no request answered: %+v", r.Errors)
	}
	n, seconds := float64(r.Requests), r.Elapsed.Seconds()
	return result.Round{
		Value:     float64(used.Nanoseconds()) / 1000 / n,
		Requests:  r.Requests,
		PerSecond: n / seconds,
		P50Micros: float64(r.P50.Microseconds()),
		P99Micros: float64(r.P99.Microseconds()),
		ServerCPU: used.Seconds() / seconds,
		ClientCPU: clientCPU.Seconds() / seconds,
		Bytes:     float64(r.Bytes) / n,
		Errors:    r.Errors.Total(),
	}, nil
}
