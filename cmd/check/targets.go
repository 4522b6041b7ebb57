package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A target is a function of a test file that go test can be asked for by name.
type target struct {
	pkg  string // "./protocol/http1"
	name string // "FuzzRequest"
}

// findTargets returns the functions whose names begin with prefix in the module's test files that
// build here. It reads the sources, as go test -list would have to link every test binary first.
func findTargets(prefix string) ([]target, error) {
	var found []target
	err := walkGo(os.DirFS("."), func(name string) error {
		dir, base := filepath.Split(name)
		if !strings.HasSuffix(base, "_test.go") {
			return nil
		}
		if match, err := build.Default.MatchFile(filepath.Join(".", dir), base); err != nil || !match {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Type.Params.NumFields() == 1 &&
				strings.HasPrefix(f.Name.Name, prefix) {
				found = append(found, target{"./" + filepath.Clean(dir), f.Name.Name})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check: find %s functions: %w", prefix, err)
	}
	return found, nil
}

// packagesOf returns the packages of ts, each once.
func packagesOf(ts []target) []string {
	var pkgs []string
	for _, t := range ts {
		pkgs = append(pkgs, t.pkg)
	}
	slices.Sort(pkgs)
	return slices.Compact(pkgs)
}

// walkGo calls f for every Go file of the module, leaving out what the go command leaves out.
func walkGo(tree fs.FS, f func(name string) error) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		hidden := name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_"))
		switch {
		case d.IsDir() && (hidden || base == "testdata"):
			return fs.SkipDir
		case d.IsDir() || hidden || !strings.HasSuffix(base, ".go"):
			return nil
		}
		return f(name)
	})
}
