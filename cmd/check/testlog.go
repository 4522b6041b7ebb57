package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A testLog reads go test -json and prints the runner's text: of a package that passed its line, as
// go test does, and of one that failed what go test -v prints, less its passing tests.
// It is an io.Writer; after the last Write, close it.
type testLog struct {
	out  io.Writer
	part []byte // an unfinished line
	open map[string]*packageLog

	packages, passed, failed int // packages that ended; top-level tests and subtests
	failures                 int // packages or builds that failed
	skipped                  []skip
}

// A packageLog is what one package has printed so far, in order.
type packageLog struct {
	lines []testLine
	done  map[string]bool // tests that passed or were skipped: their lines are not shown
	bytes int
}

type testLine struct{ test, text string }

// testEvent is one line of go test -json; the fields are those of go doc test2json.
type testEvent struct {
	Action, Package, Test, Output string
}

func newTestLog(out io.Writer) *testLog {
	return &testLog{out: out, open: make(map[string]*packageLog)}
}

func (l *testLog) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.line(append(l.part, p[:i]...))
		l.part, p = l.part[:0], p[i+1:]
	}
	if len(l.part)+len(p) > eventLineMax {
		return 0, fmt.Errorf("check: go test -json: a line longer than %d bytes", eventLineMax)
	}
	l.part = append(l.part, p...)
	return n, nil
}

// close prints what packages that never ended have printed: go test was killed, or crashed.
func (l *testLog) close() {
	if len(l.part) > 0 {
		l.line(l.part)
	}
	for name, p := range l.open {
		l.failures++
		p.print(l.out)
		fmt.Fprintf(l.out, "FAIL\t%s [did not end]\n", name)
	}
	if l.failures > 0 {
		fmt.Fprintln(l.out, "FAIL") // as go test ends
	}
}

func (l *testLog) line(b []byte) {
	var e testEvent
	if len(b) == 0 || b[0] != '{' || json.Unmarshal(b, &e) != nil {
		fmt.Fprintf(l.out, "%s\n", b) // go test says some things outside of JSON
		return
	}
	switch {
	case strings.HasPrefix(e.Action, "build-"):
		l.build(e)
	case e.Test == "":
		l.packageEvent(e)
	default:
		l.testEvent(e)
	}
}

func (l *testLog) build(e testEvent) {
	switch e.Action {
	case "build-output":
		_, _ = io.WriteString(l.out, e.Output)
	case "build-fail":
		l.failures++
	}
}

func (l *testLog) packageEvent(e testEvent) {
	p := l.of(e.Package)
	switch e.Action {
	case "output":
		p.add("", e.Output)
	case "pass", "skip":
		l.packages++
		p.printLast(l.out)
		delete(l.open, e.Package)
	case "fail":
		l.packages++
		l.failures++
		p.print(l.out)
		delete(l.open, e.Package)
	}
}

func (l *testLog) testEvent(e testEvent) {
	p := l.of(e.Package)
	switch e.Action {
	case "output":
		p.add(e.Test, e.Output)
	case "pass":
		l.passed++
		p.done[e.Test] = true
	case "fail":
		l.failed++
	case "skip":
		p.done[e.Test] = true
		l.skipped = append(l.skipped, skip{e.Package, e.Test, p.reason(e.Test)})
	}
}

func (l *testLog) of(pkg string) *packageLog {
	p := l.open[pkg]
	if p == nil {
		p = &packageLog{done: make(map[string]bool)}
		l.open[pkg] = p
	}
	return p
}

func (p *packageLog) add(test, text string) {
	if p.bytes += len(text); p.bytes > stepOutputMax {
		p.drop()
	}
	p.lines = append(p.lines, testLine{test, text})
}

// drop forgets the lines of tests that ended well; if that is not enough, the older half.
func (p *packageLog) drop() {
	p.bytes = 0
	kept := p.lines[:0]
	for _, t := range p.lines {
		if !p.done[t.test] {
			kept = append(kept, t)
			p.bytes += len(t.text)
		}
	}
	p.lines = kept
	if p.bytes < stepOutputMax/2 {
		return
	}
	for i, t := range p.lines {
		if p.bytes -= len(t.text); p.bytes < stepOutputMax/2 {
			p.lines = append([]testLine{{"", "(earlier output dropped)\n"}}, p.lines[i+1:]...)
			return
		}
	}
}

func (p *packageLog) print(out io.Writer) {
	for _, t := range p.lines {
		if !p.done[t.test] && !strings.HasPrefix(t.text, "=== PAUSE ") {
			_, _ = io.WriteString(out, t.text)
		}
	}
}

// printLast prints the line that go test prints of a package that passed: "ok", or "?".
func (p *packageLog) printLast(out io.Writer) {
	for i := len(p.lines) - 1; i >= 0; i-- {
		t := p.lines[i]
		if t.test == "" && t.text != "PASS\n" {
			_, _ = io.WriteString(out, t.text)
			return
		}
	}
}

// reason returns what test said when it was skipped, on one line.
func (p *packageLog) reason(test string) string {
	var said []string
	for _, t := range p.lines {
		if text := strings.TrimSpace(t.text); t.test == test &&
			!strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- SKIP") {
			said = append(said, text)
		}
	}
	return strings.Join(said, " ")
}
