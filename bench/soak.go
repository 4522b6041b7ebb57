package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"weir/bench/load"
	"weir/bench/result"
)

// soakOptions are the flags of "bench soak".
type soakOptions struct {
	options
	slow  int // slow clients
	conns int // connections of everybody else
	clock bool
}

// soakRound is what the other clients saw without slow clients and beside them.
type soakRound struct{ alone, beside load.Result }

func (r soakRound) ratio() float64 { return float64(r.beside.P99) / float64(r.alone.P99) }

func parseSoakFlags(args []string) (soakOptions, error) {
	o := soakOptions{options: options{subjects: "weir"}}
	f := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	f.IntVar(&o.slow, "slow", slowDefault, "slow clients, each a byte of a request head every 10s")
	f.IntVar(&o.conns, "conns", 64, "keep-alive connections of the other clients")
	f.IntVar(&o.rounds, "rounds", 5, "interleaved rounds: without slow clients, beside them")
	f.DurationVar(&o.duration, "duration", 3*time.Second, "load per round and side, whole seconds")
	f.StringVar(&o.client, "client", "auto", "load generator: auto, wrk or own")
	f.BoolVar(&o.clock, "clock", true, "at the end wait for the header clock (30s) to end them all")
	o.cpus.server, o.cpus.client, o.cpus.worker = -1, -1, -1
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.slow < 1 || o.slow > slowMax:
		return o, fmt.Errorf("-slow %d: want 1 to %d", o.slow, slowMax)
	case o.conns < 1 || o.conns > slowMax:
		return o, fmt.Errorf("-conns %d: want 1 to %d", o.conns, slowMax)
	case o.rounds < 1 || o.rounds > roundsMax:
		return o, fmt.Errorf("-rounds %d: want 1 to %d", o.rounds, roundsMax)
	case o.duration < time.Second || o.duration > slowRoundMax || o.duration%time.Second != 0:
		return o, fmt.Errorf("-duration %s: want whole seconds, 1s to %s", o.duration, slowRoundMax)
	case o.client != "auto" && o.client != "wrk" && o.client != "own":
		return o, fmt.Errorf("-client %q: want auto, wrk or own", o.client)
	}
	return o, o.cpus.fill()
}

// soak attacks Weir with slow clients and measures what everybody else notices.
func soak(ctx context.Context, o soakOptions, out io.Writer) ([]soakRound, error) {
	b, err := newBench(ctx, o.options)
	if err != nil {
		return nil, orInterrupted(ctx, err)
	}
	defer b.close()
	if need := uint64(o.slow + o.conns + idleSpareFiles); b.openFiles < need {
		return nil, fmt.Errorf("bench: soak: %d open files allowed, want %d", b.openFiles, need)
	}
	sub, err := findWeir(ctx, b)
	if err != nil {
		return nil, orInterrupted(ctx, err)
	}
	b.report.Subjects = []result.Subject{{Name: sub.name, Configs: map[string]string{}}}
	s, err := b.start(ctx, sub, scenario{name: "soak", mode: modeHello, path: "/", conns: o.conns,
		pipeline: 1}, b.cpus.server)
	if err != nil {
		return nil, orInterrupted(ctx, err)
	}
	defer s.process.Stop()
	rounds, err := b.soakRounds(ctx, s, o, out)
	if err == nil && o.clock {
		err = b.soakClock(s, o, out)
	}
	return rounds, orInterrupted(ctx, err)
}

func (b *bench) soakRounds(ctx context.Context, s *server, o soakOptions, out io.Writer) (
	rounds []soakRound, err error) {
	pids, err := s.pids()
	if err != nil {
		return nil, err
	}
	if _, err := b.others(ctx, s, warmUp); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "%-6s %15s %15s %15s %15s %8s\n", "round", "alone req/s", "p99", "beside req/s", "p99", "ratio")
	for i := range o.rounds {
		var r soakRound
		if r.alone, err = b.others(ctx, s, o.duration); err != nil {
			return rounds, err
		}
		if r.beside, err = b.besideSlow(ctx, s, o); err != nil {
			return rounds, err
		}
		now, err := s.pids()
		if err != nil {
			return rounds, err
		}
		if !slices.Equal(now, pids) {
			return rounds, fmt.Errorf("bench: soak: round %d: processes %v became %v: %s", i+1, pids, now,
				lastLine(s.process.Output()))
		}
		rounds = append(rounds, r)
		fmt.Fprintf(out, "%-6d %15.0f %15s %15.0f %15s %8.2f\n", i+1, perSecond(r.alone), r.alone.P99,
			perSecond(r.beside), r.beside.P99, r.ratio())
	}
	return rounds, nil
}

func perSecond(r load.Result) float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// besideSlow loads the server while it holds slow clients, all of which must last.
func (b *bench) besideSlow(ctx context.Context, s *server, o soakOptions) (load.Result, error) {
	slow, err := openSlow(s.setup.addr(), o.slow)
	if err != nil {
		return load.Result{}, err
	}
	defer slow.close()
	r, err := b.others(ctx, s, o.duration)
	if lost := slow.rest(); err == nil && lost > 0 {
		err = fmt.Errorf("bench: soak: %d slow clients were ended before their time", lost)
	}
	return r, err
}

// others is what ordinary clients see; a failed request is an error.
func (b *bench) others(ctx context.Context, s *server, d time.Duration) (load.Result, error) {
	r, _, err := b.client.Run(ctx, b.spawner, b.cpus.client, load.Spec{URL: s.url(),
		Conns: s.setup.scenario.conns, Pipeline: 1, Duration: d})
	if err == nil && (r.Errors.Total() > 0 || r.Requests == 0) {
		err = fmt.Errorf("bench: soak: %d requests, failures %+v", r.Requests, r.Errors)
	}
	return r, err
}

// pids are the server's processes: a front that crashed has another one.
func (s *server) pids() (pids []int, err error) {
	tree, err := s.counted()
	for _, p := range tree {
		pids = append(pids, p.PID)
	}
	slices.Sort(pids)
	return pids, err
}

// soakClock holds slow clients until the header clock has ended them all, and says what they cost.
func (b *bench) soakClock(s *server, o soakOptions, out io.Writer) error {
	before, err := s.memory()
	if err != nil {
		return err
	}
	slow, err := openSlow(s.setup.addr(), o.slow)
	if err != nil {
		return err
	}
	defer slow.close()
	held, err := s.memory()
	if err != nil {
		return err
	}
	told, err := slow.refused(slowClockMax)
	slow.rest()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d slow clients: %d B each; %d were told 408, every one was ended\n", o.slow,
		(held-before)/int64(o.slow), told)
	return wantHello(ask(s.setup.addr(), "GET", "/"))
}

// verdict is the median ratio of the p99 beside slow clients and alone, and an error beyond the target.
func verdict(rounds []soakRound) (float64, error) {
	if len(rounds) == 0 {
		return 0, errors.New("bench: soak: no round")
	}
	var ratios []float64
	for _, r := range rounds {
		ratios = append(ratios, r.ratio())
	}
	slices.Sort(ratios)
	median := ratios[len(ratios)/2]
	if median > slowRatioMax {
		return median, fmt.Errorf("bench: soak: p99 beside slow clients is %.2f × that without, target %.1f",
			median, slowRatioMax)
	}
	return median, nil
}
