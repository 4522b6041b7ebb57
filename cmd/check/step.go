package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A step is one thing that is checked. run writes its output to out and says by its error whether
// it passed; note is a word for the summary line ("7 targets").
type step struct {
	name    string
	budget  time.Duration // on two cores, warm cache: printed
	timeout time.Duration // ends the step
	purpose string
	run     func(ctx context.Context, out io.Writer) (note string, err error)
}

var errTimeout = errors.New("ran into its timeout")

// runSteps runs all of steps and returns the exit status. It stops early only when ctx ends.
func runSteps(ctx context.Context, stdout io.Writer, steps []step) int {
	began := time.Now()
	var failed []string
	for i, s := range steps {
		if ctx.Err() != nil {
			fmt.Fprintf(stdout, "check: interrupted, %d of %d steps not run\n", len(steps)-i, len(steps))
			return 1
		}
		if err := runStep(ctx, stdout, s); err != nil {
			failed = append(failed, s.name)
		}
	}
	total := time.Since(began).Round(100 * time.Millisecond)
	if len(failed) > 0 {
		fmt.Fprintf(stdout, "check: FAIL: %s (%d of %d steps) in %v\n",
			strings.Join(failed, ", "), len(failed), len(steps), total)
		return 1
	}
	fmt.Fprintf(stdout, "check: ok: %d steps in %v\n", len(steps), total)
	return 0
}

// runStep runs s within its timeout, prints its output if it failed, then its line.
func runStep(ctx context.Context, stdout io.Writer, s step) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	began := time.Now()
	var out output
	note, err := s.run(ctx, &out)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	took := time.Since(began)
	verdict := "ok"
	if err != nil {
		verdict = "FAIL"
		fmt.Fprintf(stdout, "---- %s\n%s---- %s: %v\n", s.name, out.text(), s.name, err)
	}
	over := ""
	if took > s.budget {
		over = ", over budget"
	}
	if note != "" {
		note = ", " + note
	}
	fmt.Fprintf(stdout, "check: %-10s %-4s %7.1fs of %v%s%s\n",
		s.name, verdict, took.Seconds(), s.budget, over, note)
	return err
}

func list(stdout io.Writer, steps []step) {
	for _, s := range steps {
		fmt.Fprintf(stdout, "%-10s %6v  %s\n", s.name, s.budget, s.purpose)
	}
}

// output keeps what a step prints, up to stepOutputMax bytes; the rest is counted.
type output struct {
	b   []byte
	cut int
}

func (o *output) Write(p []byte) (int, error) {
	n := min(len(p), stepOutputMax-len(o.b))
	o.b = append(o.b, p[:n]...)
	o.cut += len(p) - n
	return len(p), nil
}

// text returns the output, ending in a newline unless empty.
func (o *output) text() string {
	s := string(o.b)
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	if o.cut > 0 {
		s += fmt.Sprintf("(%d bytes more)\n", o.cut)
	}
	return s
}

// enterModule changes to the directory that holds go.mod, so that the command works from below it.
func enterModule() error {
	dir, err := moduleRoot()
	if err != nil {
		return err
	}
	return os.Chdir(dir)
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("check: find go.mod: %w", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("check: find go.mod: none in or above %s", dir)
		}
	}
}
