package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// fuzz runs every fuzz target for each, or for its share of fuzzShare if each is 0.
//
// A finding is written by go test to the package's testdata/fuzz, to be committed with its mend.
func fuzz(each time.Duration) func(context.Context, io.Writer) (string, error) {
	return func(ctx context.Context, out io.Writer) (string, error) {
		found, err := findTargets("Fuzz")
		if err != nil || len(found) == 0 {
			return "none", err
		}
		each := fuzzTimeOf(each, len(found))
		var errs []error
		for _, t := range found {
			err := fuzzTarget(ctx, out, t, each)
			if ctx.Err() != nil {
				return "", errors.Join(append(errs, err)...)
			}
			errs = append(errs, err)
		}
		return fmt.Sprintf("%d targets of %v", len(found), each), errors.Join(errs...)
	}
}

func fuzzTimeOf(each time.Duration, targets int) time.Duration {
	if each > 0 {
		return each
	}
	share := (fuzzShare / time.Duration(targets)).Truncate(100 * time.Millisecond)
	return min(max(share, fuzzEachMin), fuzzEachMax)
}

// fuzzTarget fuzzes t, a second time if the first ended in the Go fuzzer's own race.
func fuzzTarget(ctx context.Context, out io.Writer, t target, each time.Duration) error {
	for attempt := 1; ; attempt++ {
		var text output
		err := command(ctx, &text, []string{"GOMAXPROCS=2"}, "go", "test", "-run", "^$",
			"-fuzz", "^"+t.name+"$", "-fuzztime", each.String(), "-fuzzminimizetime", "5s", t.pkg)
		fmt.Fprintf(out, "# %s.%s\n%s", t.pkg, t.name, text.text())
		if err == nil || attempt == 2 || !deadlineRace(text.text()) {
			return err
		}
	}
}

// deadlineRace reports whether a fuzz run failed only because its time was up: the coordinator of
// Go before 1.27 sometimes takes its own deadline for a failure (golang/go issue 75804). A finding
// always names the input that it wrote.
func deadlineRace(text string) bool {
	return strings.Contains(text, "\n    context deadline exceeded\n") &&
		!strings.Contains(text, "Failing input written to") && !strings.Contains(text, "panic:")
}
