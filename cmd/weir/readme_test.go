package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The README's program with a Server is one.
func TestReadmeEmbeds(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "## Embedding it\n\n```go\n")
	program, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("the README has no program")
	}
	path := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(path, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "vet", path) // in this module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go vet of the README's program: %v: %s", err, out)
	}
}

// The README begins with the two commands that set everything up, and its file of sites is good.
func TestReadme(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	top, _, _ := strings.Cut(string(b), "```\n")
	for _, command := range []string{"\ngo run ./cmd/weir ", "\ngo test ./... "} {
		if !strings.Contains(top, command) {
			t.Errorf("the first block of the README lacks %q", command)
		}
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	text, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("the README has no YAML")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := fileOf(t, dir, strings.ReplaceAll(text, "python3", "testworker"))
	cmd := exec.Command(filepath.Join(bin, "weir"), "check", file)
	cmd.Env = append(os.Environ(), "PATH="+bin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("weir check of the README's file: %v: %s", err, out)
	}
}
