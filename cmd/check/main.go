package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	skipPlain bool
	only      []string
	fuzzTime  time.Duration // per target; 0 divides fuzzShare
	list      bool
	testlog   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process around it; it returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "check:", err)
		return 2
	}
	strict := os.Getenv("WEIR_CI") != ""
	if o.testlog {
		return readTestLog(stdin, stdout, strict)
	}
	if err := enterModule(); err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	steps := choose(table(o, strict), o)
	if o.list {
		list(stdout, steps)
		return 0
	}
	return runSteps(ctx, stdout, steps)
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("check", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.skipPlain, "skip-plain", false, "leave out the plain tests")
	f.StringVar(&only, "only", "", "run these `steps`, comma-separated (names: -list)")
	f.DurationVar(&o.fuzzTime, "fuzztime", 0,
		fmt.Sprintf("time per fuzz target (default: all share %v, at most %v each)",
			fuzzShare, fuzzEachMax))
	f.BoolVar(&o.list, "list", false, "list the steps and exit")
	f.BoolVar(&o.testlog, "testlog", false,
		"render go test -json from standard input, check skips, and exit")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.fuzzTime < 0 {
		return o, fmt.Errorf("-fuzztime %v is negative", o.fuzzTime)
	}
	return o, o.parseOnly(only)
}

// parseOnly splits -only and refuses names that no step has: a typo must not pass as "all green".
func (o *options) parseOnly(only string) error {
	if only == "" {
		return nil
	}
	var names []string
	for _, s := range table(*o, false) {
		names = append(names, s.name)
	}
	for name := range strings.SplitSeq(only, ",") {
		if !slices.Contains(names, name) {
			return fmt.Errorf("no step %q; steps are %s", name, strings.Join(names, ", "))
		}
		o.only = append(o.only, name)
	}
	if o.skipPlain && slices.Contains(o.only, "plain") {
		return errors.New("-skip-plain contradicts -only plain")
	}
	return nil
}

func choose(steps []step, o options) []step {
	return slices.DeleteFunc(steps, func(s step) bool {
		return o.skipPlain && s.name == "plain" ||
			len(o.only) > 0 && !slices.Contains(o.only, s.name)
	})
}
