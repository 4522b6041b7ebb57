package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"weir/bench/proc"
	"weir/bench/result"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "chaos":
			os.Exit(mainChaos(os.Args[2:]))
		case "supervisor":
			os.Exit(mainSupervisor(os.Args[2:]))
		case "soak":
			mainSoak(os.Args[2:])
			return
		}
	}
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if o.list {
		list()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err = run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func mainSoak(args []string) {
	o, err := parseSoakFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: soak:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	rounds, err := soak(ctx, o, os.Stdout)
	stop()
	if err == nil {
		var median float64
		if median, err = verdict(rounds); err == nil {
			fmt.Printf("p99 beside %d slow clients: %.2f × that without (median), target %.1f\n", o.slow,
				median, slowRatioMax)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.scenarios, "scenario", "", "scenarios to run, comma-separated (default all)")
	f.StringVar(&o.subjects, "subject", "", "subjects to measure, comma-separated (default all found)")
	f.IntVar(&o.rounds, "rounds", 5, "interleaved rounds per scenario")
	f.DurationVar(&o.duration, "duration", 3*time.Second, "load per round, whole seconds")
	f.DurationVar(&o.settle, "idle-settle", settleDefault, "how long memory may take to stand still")
	f.StringVar(&o.client, "client", "auto", "load generator: auto, wrk or own")
	f.IntVar(&o.cpus.server, "server-cpu", -1, "CPU of the servers (default the first)")
	f.IntVar(&o.cpus.client, "client-cpu", -1, "CPU of the client (default the second)")
	f.IntVar(&o.cpus.worker, "worker-cpu", -1, "CPU of workers behind proxies (default the servers')")
	f.StringVar(&o.out, "out", "", "directory for results (default bench/results for a complete run)")
	f.BoolVar(&o.list, "list", false, "list scenarios and subjects")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.rounds < 1 || o.rounds > roundsMax:
		return o, fmt.Errorf("-rounds %d: want 1 to %d", o.rounds, roundsMax)
	case o.duration < time.Second || o.duration > durationMax || o.duration%time.Second != 0:
		return o, fmt.Errorf("-duration %s: want whole seconds, 1s to %s", o.duration, durationMax)
	case o.client != "auto" && o.client != "wrk" && o.client != "own":
		return o, fmt.Errorf("-client %q: want auto, wrk or own", o.client)
	}
	return o, o.cpus.fill()
}

// fill chooses the CPUs that no flag has chosen.
func (c *cpus) fill() error {
	all, err := proc.CPUs()
	if err != nil {
		return err
	}
	if c.server < 0 {
		c.server = all[0]
	}
	if c.client < 0 {
		c.client = all[len(all)-1]
		if len(all) > 1 {
			c.client = all[1]
		}
	}
	if c.worker < 0 {
		c.worker = c.server
	}
	return nil
}

func list() {
	fmt.Println("scenarios:")
	for _, s := range scenarios {
		fmt.Printf("  %-15s %s\n", s.name, s.text)
	}
	fmt.Println("subjects:")
	for _, f := range finders {
		fmt.Printf("  %s\n", f.name)
	}
}

// run measures what the flags ask for. Every process that it starts has ended when it returns.
func run(ctx context.Context, o options) error {
	chosen, err := choose(o.scenarios, scenarios, func(s scenario) string { return s.name })
	if err != nil {
		return fmt.Errorf("bench: -scenario: %w", err)
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return orInterrupted(ctx, err)
	}
	defer b.close()
	b.printSetting()
	if err := b.findSubjects(ctx); err != nil {
		return orInterrupted(ctx, err)
	}
	invalid := 0
	for _, sc := range chosen {
		s, err := b.measure(ctx, sc)
		if ctx.Err() != nil {
			return orInterrupted(ctx, err)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", sc.name, err)
			invalid++
			continue
		}
		b.report.Scenarios = append(b.report.Scenarios, s)
		if err := s.WriteText(os.Stdout); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		invalid += invalidRows(s)
	}
	if err := b.writeResults(); err != nil {
		return err
	}
	if invalid > 0 {
		return fmt.Errorf("bench: %d rows or scenarios are invalid", invalid)
	}
	return nil
}

// orInterrupted says so where ^C is the reason for err, whatever it was that noticed.
func orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("bench: interrupted, nothing written")
	}
	return err
}

func (b *bench) measure(ctx context.Context, sc scenario) (result.Scenario, error) {
	switch sc.kind {
	case kindIdle:
		return b.measureIdle(ctx, sc)
	case kindCold:
		return b.measureCold(ctx, sc)
	case kindParser:
		return b.measureParser(ctx, sc)
	}
	return b.measureLoad(ctx, sc)
}

func invalidRows(s result.Scenario) (n int) {
	for _, r := range s.Rows {
		if r.Failure != "" || r.Errors() > 0 {
			n++
		}
	}
	return n
}

func (b *bench) printSetting() {
	m := b.report.Machine
	fmt.Printf("%s, %d CPUs, %s %s, %s, commit %s\n", m.CPU, m.CPUs, m.OS, m.Kernel, m.Go,
		b.report.Commit)
	fmt.Printf("client %s on CPU %d, servers on CPU %d, workers on CPU %d; %d rounds of %s\n",
		b.client.Version, b.cpus.client, b.cpus.server, b.cpus.worker, b.options.rounds,
		b.options.duration)
	if b.cpus.client == b.cpus.server {
		fmt.Println("client and server share a CPU: requests/s and latency mean little")
	}
}

// writeResults keeps the figures of a complete run; of a partial one only where -out says.
func (b *bench) writeResults() error {
	dir := b.options.out
	if dir == "" {
		if b.options.scenarios != "" || b.options.subjects != "" {
			return nil
		}
		dir = filepath.Join(b.root, "bench", "results")
	}
	if err := write(&b.report, dir); err != nil {
		return err
	}
	fmt.Printf("\nresults.json, results.md and chart.svg written to %s\n", dir)
	return nil
}
