package main

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// TestUnsafe: unsafe is imported only by files that say so in their name, and each function that
// makes a pointer, slice or string of one says why it may. Sizes are harmless, and free in tests.
func TestUnsafe(t *testing.T) { holds(t, unsafeBreaches) }

func TestUnsafeRule(t *testing.T) {
	const head = "package p\nimport \"unsafe\"\n"
	testRule(t, unsafeBreaches, []ruleCase{
		{"file name", map[string]string{
			"p/a.go": head + "var x = unsafe.Sizeof(0)",
		}, []string{"p/a.go imports unsafe"}},
		{"no reason", map[string]string{
			"p/unsafe_linux.go": head + "func f(b *byte) string { return unsafe.String(b, 1) }",
		}, []string{"p/unsafe_linux.go:3:33: no // SAFETY:"}},
		{"a reason", map[string]string{
			"p/counters_unsafe.go": head +
				"func f(b *byte) string {\n// SAFETY: one byte.\nreturn unsafe.String(b, 1) }",
		}, nil},
		{"sizes in a test", map[string]string{
			"p/a_test.go": head + "func f() uintptr { return unsafe.Sizeof(0) }",
		}, nil},
		{"pointers in a test", map[string]string{
			"p/a_test.go": head + "// SAFETY: i lives.\nfunc f(i *int) any { return unsafe.Pointer(i) }",
		}, []string{"p/a_test.go imports unsafe"}},
	})
}

func unsafeBreaches(all []source) (breaches []string) {
	for _, s := range all {
		if !slices.Contains(s.imports(), "unsafe") {
			continue
		}
		uses := unsafeUses(s)
		if !strings.Contains(s.base(), "unsafe") && (!s.isTest() || len(uses) > 0) {
			breaches = append(breaches, s.name+" imports unsafe: only *unsafe*.go may")
			continue
		}
		for _, u := range uses {
			if !saysSafety(s, u) {
				breaches = append(breaches, s.at(u.Pos())+": no // SAFETY: says why this is safe")
			}
		}
	}
	return breaches
}

// unsafeUses returns where s reinterprets memory.
func unsafeUses(s source) (uses []ast.Node) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if e, ok := n.(*ast.SelectorExpr); ok && isName(e.X, "unsafe") {
			switch e.Sel.Name {
			case "Pointer", "Slice", "String", "Add":
				uses = append(uses, e)
			}
		}
		return true
	})
	return uses
}

// saysSafety reports whether the declaration that holds n has a SAFETY comment.
func saysSafety(s source, n ast.Node) bool {
	for _, d := range s.file.Decls {
		if n.Pos() < d.Pos() || n.Pos() >= d.End() {
			continue
		}
		from := d.Pos()
		if f, ok := d.(*ast.FuncDecl); ok && f.Doc != nil {
			from = f.Doc.Pos()
		}
		return slices.ContainsFunc(s.file.Comments, func(c *ast.CommentGroup) bool {
			return from <= c.Pos() && c.Pos() < d.End() && strings.Contains(c.Text(), "SAFETY:")
		})
	}
	return false
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
