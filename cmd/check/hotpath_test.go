package main

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"regexp"
	"strings"
	"testing"
)

// TestHotPaths: each "Hot path" comment names the test that proves its claim, and that test is in
// an alloc*_test.go of the same package, which is built without the race detector only.
func TestHotPaths(t *testing.T) { holds(t, hotPathBreaches) }

func TestHotPathsRule(t *testing.T) {
	const (
		hot = "package p\n\n// F is quick.\n//\n// Hot path: once per read.\n" +
			"// No allocation: TestFAllocs.\nfunc F() {}\n"
		proof = "package p\nimport \"testing\"\nfunc TestFAllocs(t *testing.T) {}\n"
	)
	testRule(t, hotPathBreaches, []ruleCase{
		{"proven", map[string]string{
			"p/a.go": hot, "p/alloc_test.go": "//go:build !race\n\n" + proof,
		}, nil},
		{"proven elsewhere", map[string]string{
			"p/a.go": hot, "q/alloc_test.go": "//go:build !race\n\n" + proof,
		}, []string{"p/a.go:3:1: Hot path: no TestFAllocs in p/alloc*_test.go"}},
		{
			"not an alloc test",
			map[string]string{"p/a.go": hot, "p/a_test.go": proof},
			[]string{"no TestFAllocs"},
		},
		{
			"under race",
			map[string]string{"p/a.go": hot, "p/alloc_test.go": proof},
			[]string{"p/alloc_test.go: no //go:build !race", "no TestFAllocs"},
		},
		{
			"names none",
			map[string]string{"p/a.go": "package p\n\n// Hot path: mind.\nfunc F() {}"},
			[]string{"p/a.go:3:1: Hot path names no test"},
		},
		{
			"only prose",
			map[string]string{"p/a.go": "package p\n\n// F is on no Hot path.\nfunc F() {}"},
			nil,
		},
	})
}

var (
	hotPathText = regexp.MustCompile(`(?m)^Hot path\b(.+|\n.)*`) // to the end of its paragraph
	testName    = regexp.MustCompile(`\bTest\w+`)
	allocTests  = regexp.MustCompile(`^alloc\w*_test\.go$`)
)

func hotPathBreaches(all []source) (breaches []string) {
	proofs := make(map[string]bool) // directory + "." + test
	for _, s := range all {
		if !allocTests.MatchString(s.base()) {
			continue
		}
		if !leftOutByRace(s) {
			breaches = append(breaches, s.name+": no //go:build !race")
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				proofs[s.dir()+"."+f.Name.Name] = true
			}
		}
	}
	for _, s := range all {
		for _, c := range s.file.Comments {
			if b := hotPathBreach(s, c, proofs); b != "" {
				breaches = append(breaches, b)
			}
		}
	}
	return breaches
}

func hotPathBreach(s source, c *ast.CommentGroup, proofs map[string]bool) string {
	mark := hotPathText.FindString(c.Text())
	if mark == "" {
		return ""
	}
	names := testName.FindAllString(mark, -1)
	if len(names) == 0 {
		return s.at(c.Pos()) + ": Hot path names no test"
	}
	for _, name := range names {
		if !proofs[s.dir()+"."+name] {
			return fmt.Sprintf("%s: Hot path: no %s in %s/alloc*_test.go", s.at(c.Pos()), name, s.dir())
		}
	}
	return ""
}

// leftOutByRace reports whether s has a build constraint that no build with -race meets and some
// build without it does.
func leftOutByRace(s source) bool {
	for _, c := range s.file.Comments {
		line := strings.TrimSpace(c.List[0].Text)
		e, err := constraint.Parse(line)
		if err != nil || !constraint.IsGoBuild(line) {
			continue
		}
		meets := func(race, others bool) bool {
			return e.Eval(func(tag string) bool { return race && tag == "race" || others && tag != "race" })
		}
		return !meets(true, true) && !meets(true, false) && (meets(false, true) || meets(false, false))
	}
	return false
}
