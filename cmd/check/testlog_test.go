package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sample is a module of every kind of package that go test tells apart.
var sample = map[string]string{
	"go.mod":    "module m\n\ngo 1.26.0\n",
	"none/a.go": "package none\n",
	"ok/a_test.go": `package ok
import "testing"
func TestA(t *testing.T) { t.Log("hidden") }
`,
	"broken/a.go":      "package broken\nvar x int = \"\"\n",
	"broken/a_test.go": "package broken\n",
	"bad/a_test.go": `package bad
import ("fmt"; "testing")
func TestGood(t *testing.T) { t.Log("hidden") }
func TestBad(t *testing.T) {
	t.Log("shown")
	t.Run("sub", func(t *testing.T) { t.Error("why") })
	t.Run("fine", func(t *testing.T) { t.Log("hidden") })
}
func TestSkip(t *testing.T) { fmt.Print(""); t.Skip("no such program") }
`,
	"panics/a_test.go": `package panics
import "testing"
func TestP(t *testing.T) { panic("ouch") }
`,
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// goTest runs go test on the sample and returns what it prints.
func goTest(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", append([]string{"test"}, args...)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := c.Output()
	if _, ok := err.(*exec.ExitError); !ok {
		t.Fatalf("go test = %v; want an exit status", err)
	}
	return out
}

// failure is what is shown of the sample's package bad.
const failure = `=== RUN   TestBad
    a_test.go:5: shown
=== RUN   TestBad/sub
    a_test.go:6: why
--- FAIL: TestBad/sub (0.00s)
--- FAIL: TestBad (0.00s)
FAIL
FAIL	m/bad	`

// TestTestLog compares with what go test prints without -json.
func TestTestLog(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, sample)
	var out strings.Builder
	l := newTestLog(&out)
	for _, b := range goTest(t, dir, "-json", "./...") { // one byte at a time
		if _, err := l.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	got, want := verdicts(out.String()), verdicts(string(goTest(t, dir, "./...")))
	if got != want || !strings.HasSuffix(got, "\nFAIL\n") {
		t.Errorf("verdicts:\n%s\nwant:\n%s", got, want)
	}
	if s := out.String(); strings.Contains(s, "hidden") || !strings.Contains(s, "panic: ouch") ||
		!strings.Contains(s, failure) {
		t.Errorf("rendered:\n%s\nwant in it:\n%s", s, failure)
	}
	wantSkip := skip{"m/bad", "TestSkip", "a_test.go:9: no such program"}
	if len(l.skipped) != 1 || l.skipped[0] != wantSkip {
		t.Errorf("skipped %v; want %v", l.skipped, wantSkip)
	}
	if l.failures != 4 { // bad, panics, broken's build and broken
		t.Errorf("%d failures; want 4", l.failures)
	}
}

// verdicts returns the lines with which go test speaks of packages, without their durations. They
// are sorted but for the last: packages are told as they end, and that differs from run to run.
func verdicts(s string) string {
	lines := regexp.MustCompile(`(?m)^(ok|FAIL|\?)($|\s.*)\n`).FindAllString(s, -1)
	slices.Sort(lines[:max(len(lines)-1, 0)])
	return regexp.MustCompile(`\d+\.\d+s|\(cached\)`).ReplaceAllString(strings.Join(lines, ""), "T")
}

func events(t *testing.T, all ...testEvent) string {
	t.Helper()
	var b strings.Builder
	for _, e := range all {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func TestReadTestLog(t *testing.T) {
	skipped := []testEvent{
		{"output", "weir/p", "TestA", "    a_test.go:1: needs python3\n"},
		{"skip", "weir/p", "TestA", ""},
		{"output", "weir/p", "", "ok  \tweir/p\t0.1s\n"},
		{"pass", "weir/p", "", ""},
	}
	listed := append([]testEvent{
		{"output", "weir/p", "TestB", "    b_test.go:1: no IPv6 here\n"},
		{"skip", "weir/p", "TestB", ""},
	}, skipped[2:]...)
	for _, c := range []struct {
		desc   string
		in     string
		strict bool
		code   int
		want   string
	}{
		{"a developer's machine", events(t, skipped...), false, 0, "ok  \tweir/p\t0.1s\n"},
		{"CI", events(t, skipped...), true, 1, "SKIP: weir/p.TestA: a_test.go:1: needs python3"},
		{"CI, listed", events(t, listed...), true, 0, "ok  \tweir/p\t0.1s\n"},
		{"killed", events(t, skipped[:2]...), false, 1, "FAIL\tweir/p [did not end]"},
		{"build", events(t, testEvent{Action: "build-fail"}), false, 1, ""},
		{"nothing ran", "go: cannot find main module\n", false, 1, "cannot find main module"},
	} {
		var out strings.Builder
		code := readTestLog(strings.NewReader(c.in), &out, c.strict)
		if code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: status %d, %q; want %d, %q", c.desc, code, out.String(), c.code, c.want)
		}
	}
}

func TestShortSkipsAreFree(t *testing.T) {
	s := []skip{{"weir/p", "TestA", "slow"}}
	if bad := (skips{strict: true, short: true}).refuse(s); len(bad) != 0 {
		t.Errorf("refuse = %v; want none under -short", bad)
	}
}

// TestPackageLogIsBounded floods one package: the failing test's newest lines stay.
func TestPackageLogIsBounded(t *testing.T) {
	p := (&testLog{open: make(map[string]*packageLog)}).of("p")
	line := strings.Repeat("x", 1<<20) + "\n"
	for range 4 * stepOutputMax >> 20 {
		p.add("TestA", line)
	}
	p.add("TestA", "last\n")
	if p.bytes > stepOutputMax {
		t.Errorf("%d bytes kept; want at most %d", p.bytes, stepOutputMax)
	}
	var out strings.Builder
	p.print(&out)
	if s := out.String(); !strings.HasPrefix(s, "(earlier output dropped)\n") ||
		!strings.HasSuffix(s, "last\n") {
		t.Errorf("printed %d bytes without the mark or the last line", len(s))
	}
}
