package main

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	topDirs  = []string{"bench", "cmd", "netpoll", "pipeline", "protocol", "supervisor"}
	topFiles = []string{"LICENSE", "README.md", "go.mod", "go.sum"}
	// topBuilt is what builds leave behind, as in .gitignore.
	topBuilt = []string{"weir", "bin", "*.test", "*.prof", "*.out"}
)

// TestLayout holds the top level to its list, so that the directory listing shows the architecture.
func TestLayout(t *testing.T) {
	for _, name := range strangers(t, module(t)) {
		t.Errorf("%s does not belong at the top level", name)
	}
}

func TestLayoutRule(t *testing.T) {
	tree := fstest.MapFS{
		"netpoll/loop.go": {}, "weir.go": {}, ".ci/run": {}, "README.md": {}, "x.test": {},
		"util/util.go": {}, "notes.md": {}, "go.work": {},
	}
	got, want := strangers(t, tree), []string{"go.work", "notes.md", "util"}
	if !slices.Equal(got, want) {
		t.Errorf("strangers = %q; want %q", got, want)
	}
}

func strangers(t *testing.T, tree fs.FS) []string {
	t.Helper()
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		built := slices.ContainsFunc(topBuilt, func(p string) bool {
			ok, _ := path.Match(p, name) // the patterns are well formed
			return ok
		})
		known := slices.Contains(topFiles, name) || strings.HasSuffix(name, ".go")
		if e.IsDir() {
			known = slices.Contains(topDirs, name)
		}
		if !known && !built && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names
}
