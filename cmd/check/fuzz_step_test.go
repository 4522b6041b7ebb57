package main

import (
	"context"
	"strings"
	"testing"
)

func TestFuzzTime(t *testing.T) {
	if got := fuzzTimeOf(0, 6); got != fuzzEachMax {
		t.Errorf("6 targets get %v each; want %v", got, fuzzEachMax)
	}
	if got := fuzzTimeOf(0, 20); got*20 > fuzzShare {
		t.Errorf("20 targets get %v each; want %v in all", got, fuzzShare)
	}
	if got := fuzzTimeOf(3, 20); got != 3 {
		t.Errorf("-fuzztime 3ns gives %v", got)
	}
}

func TestDeadlineRace(t *testing.T) {
	const race = "--- FAIL: FuzzX (10.03s)\n    context deadline exceeded\nFAIL\n"
	for text, want := range map[string]bool{
		race: true,
		race + "    Failing input written to testdata/fuzz/FuzzX/12\n": false,
		"--- FAIL: FuzzX (1.0s)\n    x_test.go:3: wrong\n":             false,
	} {
		if got := deadlineRace(text); got != want {
			t.Errorf("deadlineRace(%q) = %v; want %v", text, got, want)
		}
	}
}

// TestFuzzFinds runs the fuzz step where a target fails at once.
func TestFuzzFinds(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a fuzz target")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "")
	writeFiles(t, dir, map[string]string{
		"go.mod": sample["go.mod"],
		"a_test.go": `package m
import "testing"
func FuzzA(f *testing.F) { f.Fuzz(func(t *testing.T, b []byte) { t.Error("found") }) }
`,
	})
	var out output
	note, err := fuzz(0)(context.Background(), &out)
	if err == nil || !strings.Contains(out.text(), "found") {
		t.Errorf("fuzz = %q, %v, output %q; want the finding", note, err, out.text())
	}
}
