package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// table returns every step, cheap ones first, so that a slip shows within a minute.
func table(o options, strict bool) []step {
	const m = time.Minute
	return []step{
		{"gofmt", 10 * time.Second, 1 * m, "every file is formatted", gofmt},
		{"mod", 10 * time.Second, 1 * m, "go.mod and go.sum are complete", modules},
		{"rules", 20 * time.Second, 2 * m, "imports, layout, unsafe, sleeps, hot paths", rules},
		{"vet", 50 * time.Second, 5 * m, "go vet, here, with tags and for the BSDs", vet},
		{"staticcheck", 60 * time.Second, 5 * m, "staticcheck at its pinned version", staticcheck},
		{"plain", 4 * m, 10 * m, "go test -shuffle=on ./...", tests(skips{strict: strict})},
		{
			"race", 8 * m, 16 * m, "go test -race -short -shuffle=on ./...",
			tests(skips{short: true}, "-race", "-short"),
		},
		{
			"debugcheck", 3 * m, 8 * m, "go test -tags debugcheck -short ./...",
			tests(skips{short: true}, "-tags", "debugcheck", "-short"),
		},
		{"fuzz", 2 * m, 6 * m, "each fuzz target briefly", fuzz(o.fuzzTime)},
		{"bench", 30 * time.Second, 5 * m, "each benchmark once", bench},
	}
}

func gofmt(ctx context.Context, out io.Writer) (string, error) {
	var diff bytes.Buffer
	if err := command(ctx, io.MultiWriter(&diff, out), nil, "gofmt", "-d", "."); err != nil {
		return "", err
	}
	if diff.Len() > 0 {
		return "", errors.New("gofmt -w . would change files")
	}
	return "", nil
}

// modules fails where a newcomer's first build would: go commands refuse to add what is missing.
func modules(ctx context.Context, out io.Writer) (string, error) {
	for _, args := range [][]string{
		{"list", "-mod=readonly", "-deps", "-test", "./..."},
		{"list", "-mod=readonly", "-modfile=" + toolsMod, "tool"},
	} {
		var listed bytes.Buffer
		if err := command(ctx, &listed, nil, append([]string{"go"}, args...)...); err != nil {
			_, _ = out.Write(listed.Bytes()) // an output never fails
			return "", err
		}
	}
	return "", nil
}

func rules(ctx context.Context, out io.Writer) (string, error) {
	return "", command(ctx, out, nil, "go", "test", "-count=1", "./cmd/check")
}

// vet runs for the system at hand, for the debug build, and for systems that nobody develops on.
func vet(ctx context.Context, out io.Writer) (string, error) {
	var errs []error
	for _, v := range []struct{ goos, tags string }{
		{"", ""}, {"", "debugcheck"}, {"darwin", ""}, {"freebsd", ""}, {"openbsd", ""},
	} {
		var env []string
		if v.goos != "" {
			env = []string{"GOOS=" + v.goos}
		}
		fmt.Fprintf(out, "# %s go vet -tags=%s ./...\n", strings.Join(env, " "), v.tags)
		errs = append(errs, command(ctx, out, env, "go", "vet", "-tags="+v.tags, "./..."))
	}
	return "", errors.Join(errs...)
}

const toolsMod = "cmd/check/tools.mod"

func staticcheck(ctx context.Context, out io.Writer) (string, error) {
	return "", command(ctx, out, nil, "go", "tool", "-modfile="+toolsMod, "staticcheck", "./...")
}

// tests runs all tests with flags and applies k to those that were skipped.
func tests(k skips, flags ...string) func(context.Context, io.Writer) (string, error) {
	return func(ctx context.Context, out io.Writer) (string, error) {
		argv := append([]string{
			"go", "test", "-json", "-shuffle=on", "-timeout",
			testTimeout.String(),
		}, flags...)
		l := newTestLog(out)
		err := command(ctx, l, nil, append(argv, "./...")...)
		l.close()
		bad := k.refuse(l.skipped)
		for _, s := range bad {
			fmt.Fprintln(out, s)
		}
		note := fmt.Sprintf("%d tests, %d skipped", l.passed+l.failed, len(l.skipped))
		if err == nil && len(bad) > 0 {
			err = fmt.Errorf("check: %d tests skipped that must not be", len(bad))
		}
		return note, err
	}
}

// readTestLog is -testlog: tests without the process around them.
func readTestLog(in io.Reader, stdout io.Writer, strict bool) int {
	l := newTestLog(stdout)
	_, err := io.Copy(l, in)
	l.close()
	bad := skips{strict: strict}.refuse(l.skipped)
	for _, s := range bad {
		fmt.Fprintln(stdout, s)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "check: read test log:", err)
		return 1
	case l.failures > 0 || len(bad) > 0 || l.packages == 0:
		return 1
	}
	return 0
}

func bench(ctx context.Context, out io.Writer) (string, error) {
	found, err := findTargets("Benchmark")
	if err != nil || len(found) == 0 {
		return "none", err
	}
	argv := []string{
		"go", "test", "-run", "^$", "-bench", ".", "-benchtime", "1x", "-timeout",
		testTimeout.String(),
	}
	return fmt.Sprintf("%d benchmarks", len(found)),
		command(ctx, out, nil, append(argv, packagesOf(found)...)...)
}
