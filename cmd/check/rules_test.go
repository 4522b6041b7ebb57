package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// A source is one Go file of the module, of whatever system or tag: the rules hold for all.
type source struct {
	name string // slash-separated, from the module's root
	fset *token.FileSet
	file *ast.File
}

func (s source) dir() string  { return path.Dir(s.name) }
func (s source) base() string { return path.Base(s.name) }
func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s source) at(p token.Pos) string { return s.fset.Position(p).String() }

// imports returns the import paths of s.
func (s source) imports() []string {
	var paths []string
	for _, i := range s.file.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

func readSources(t *testing.T, tree fs.FS) []source {
	t.Helper()
	var all []source
	err := walkGo(tree, func(name string) error {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, source{name, fset, f})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// module returns the tree that the rules are for.
func module(t *testing.T) fs.FS {
	t.Helper()
	dir, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return os.DirFS(dir)
}

// holds fails t with every breach of a rule that the module commits.
func holds(t *testing.T, rule func([]source) []string) {
	t.Helper()
	for _, breach := range rule(readSources(t, module(t))) {
		t.Error(breach)
	}
}

// A ruleCase is a small module and what a rule must say of it: proof that the rule can fail.
type ruleCase struct {
	desc  string
	files map[string]string
	want  []string // a part of each breach, in order; none means that it keeps the rule
}

func testRule(t *testing.T, rule func([]source) []string, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		tree := make(fstest.MapFS)
		for name, text := range c.files {
			tree[name] = &fstest.MapFile{Data: []byte(text)}
		}
		got := rule(readSources(t, tree))
		if !slices.EqualFunc(got, c.want, strings.Contains) {
			t.Errorf("%s: breaches %q; want %q", c.desc, got, c.want)
		}
	}
}
