package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestTimeoutsFitCI(t *testing.T) {
	var total time.Duration
	for _, s := range table(options{}, true) {
		if s.timeout <= s.budget {
			t.Errorf("%s: timeout %v is not above budget %v", s.name, s.timeout, s.budget)
		}
		total += s.timeout
	}
	if total > totalMax {
		t.Errorf("timeouts add up to %v; want at most %v", total, totalMax)
	}
}

type runFunc = func(context.Context, io.Writer) (string, error)

func fake(name, says string, err error) step {
	return minute(name, func(_ context.Context, out io.Writer) (string, error) {
		_, _ = io.WriteString(out, says)
		return "a note", err
	})
}

func minute(name string, run runFunc) step {
	return step{name: name, budget: time.Minute, timeout: time.Minute, run: run}
}

func TestRunStepsGoesOnAfterFailure(t *testing.T) {
	var out strings.Builder
	code := runSteps(t.Context(), &out, []step{
		fake("one", "quiet", nil),
		fake("two", "line 1\nline 2", errors.New("broke")),
		fake("three", "", nil),
	})
	if code != 1 {
		t.Errorf("exit status %d; want 1", code)
	}
	want := []string{
		"check: one        ok       0.0s of 1m0s, a note",
		"---- two", "line 1", "line 2", "---- two: broke",
		"check: two        FAIL     0.0s of 1m0s, a note",
		"check: three      ok       0.0s of 1m0s, a note",
		"check: FAIL: two (1 of 3 steps) in 0s", "",
	}
	if got := out.String(); got != strings.Join(want, "\n") {
		t.Errorf("output:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestRunStepsOK(t *testing.T) {
	var out strings.Builder
	if code := runSteps(t.Context(), &out, []step{fake("one", "quiet", nil)}); code != 0 {
		t.Errorf("exit status %d; want 0\n%s", code, out.String())
	}
}

func TestRunStepsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	first := minute("one", func(context.Context, io.Writer) (string, error) {
		cancel()
		return "", nil
	})
	second := minute("two", func(context.Context, io.Writer) (string, error) {
		t.Error("a step ran after the interrupt")
		return "", nil
	})
	if code := runSteps(ctx, &out, []step{first, second}); code != 1 {
		t.Errorf("exit status %d; want 1", code)
	}
	if want := "interrupted, 1 of 2 steps not run"; !strings.Contains(out.String(), want) {
		t.Errorf("output %q; want %q in it", out.String(), want)
	}
}

func TestStepTimeout(t *testing.T) {
	var out strings.Builder
	s := minute("slow", func(ctx context.Context, _ io.Writer) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	s.budget, s.timeout = time.Nanosecond, time.Millisecond
	if err := runStep(t.Context(), &out, s); !errors.Is(err, errTimeout) {
		t.Errorf("runStep = %v; want %v", err, errTimeout)
	}
	if want := "over budget"; !strings.Contains(out.String(), want) {
		t.Errorf("output %q; want %q in it", out.String(), want)
	}
}

func TestOutputIsBounded(t *testing.T) {
	var o output
	half := make([]byte, stepOutputMax/2+1)
	for range 2 {
		if n, err := o.Write(half); n != len(half) || err != nil {
			t.Fatalf("Write = %d, %v; want %d, nil", n, err, len(half))
		}
	}
	if len(o.b) != stepOutputMax || !strings.HasSuffix(o.text(), "(2 bytes more)\n") {
		t.Errorf("kept %d bytes, ending %q", len(o.b), o.text()[stepOutputMax:])
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-only", "vett"}, `no step "vett"; steps are gofmt, mod,`},
		{[]string{"-only", "plain", "-skip-plain"}, "-skip-plain contradicts -only plain"},
		{[]string{"./..."}, `unexpected argument "./..."`},
		{[]string{"-fuzztime", "-1s"}, "-fuzztime -1s is negative"},
		{[]string{"-nope"}, "flag provided but not defined: -nope"},
	} {
		var out, errs strings.Builder
		code := run(t.Context(), c.args, strings.NewReader(""), &out, &errs)
		if code != 2 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("check %q = %d, %q; want 2, %q", c.args, code, errs.String(), c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-only=vet,gofmt", "[gofmt vet]"},
		{"-skip-plain", "[gofmt mod rules vet staticcheck race debugcheck fuzz bench]"},
	} {
		o, err := parseFlags([]string{c.args}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range choose(table(o, false), o) {
			names = append(names, s.name)
		}
		if got := fmt.Sprint(names); got != c.want {
			t.Errorf("check %s runs %s; want %s", c.args, got, c.want)
		}
	}
}
