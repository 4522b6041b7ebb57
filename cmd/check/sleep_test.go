package main

import (
	"go/ast"
	"testing"
)

// sleepAllowed lists the declarations of test files that may call time.Sleep.
var sleepAllowed = []struct{ file, function, why string }{
	{"supervisor/roles_test.go", "notifyRole", "body of a worker process that polls for a file"},
	{"supervisor/roles_test.go", "floodRole", "body of a worker process: paces what it prints"},
	{"supervisor/worker/sigterm_test.go", "slowHandler", "handler of a worker process, as notifyRole"},
}

// TestNoSleep: a test that sleeps is slow on a fast machine and wrong on a slow one. Sleeping in a
// synctest bubble is neither.
func TestNoSleep(t *testing.T) { holds(t, sleepBreaches) }

func TestNoSleepRule(t *testing.T) {
	const head = "package p\nimport (\"testing\"; \"testing/synctest\"; \"time\")\n"
	testRule(t, sleepBreaches, []ruleCase{
		{"sleeps", map[string]string{
			"p/a_test.go": head + "func TestA(t *testing.T) {\n\tfunc() { time.Sleep(1) }()\n}",
		}, []string{"p/a_test.go:4:11: TestA sleeps"}},
		{"as a value", map[string]string{
			"p/a_test.go": head + "var nap = time.Sleep",
		}, []string{"p/a_test.go:3:11: nap sleeps"}},
		{"in a bubble", map[string]string{
			"p/a_test.go": head +
				"func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }",
		}, nil},
		{"no test", map[string]string{"p/a.go": head + "func f() { time.Sleep(1) }"}, nil},
		{"allowed", map[string]string{
			"supervisor/roles_test.go": head + "func floodRole() { time.Sleep(1) }",
		}, nil},
	})
}

func sleepBreaches(all []source) (breaches []string) {
	for _, s := range all {
		if !s.isTest() {
			continue
		}
		for _, d := range s.file.Decls {
			name := declName(d)
			if maySleep(s.name, name) {
				continue
			}
			for _, n := range sleepsIn(d) {
				breaches = append(breaches, s.at(n.Pos())+": "+name+" sleeps: wait for an event, "+
					"or list it in cmd/check/sleep_test.go")
			}
		}
	}
	return breaches
}

// declName returns the name of a function, or the first of a var or const declaration.
func declName(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok {
				return v.Names[0].Name
			}
		}
	}
	return ""
}

// sleepsIn returns where d names time.Sleep outside of a synctest bubble.
func sleepsIn(d ast.Decl) (found []ast.Node) {
	ast.Inspect(d, func(n ast.Node) bool {
		switch e := n.(type) {
		case *ast.CallExpr:
			f, ok := e.Fun.(*ast.SelectorExpr)
			return !ok || !isName(f.X, "synctest")
		case *ast.SelectorExpr:
			if isName(e.X, "time") && e.Sel.Name == "Sleep" {
				found = append(found, e)
			}
		}
		return true
	})
	return found
}

func maySleep(file, function string) bool {
	for _, a := range sleepAllowed {
		if a.file == file && a.function == function {
			return true
		}
	}
	return false
}
