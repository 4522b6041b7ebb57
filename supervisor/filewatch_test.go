package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestScanPatterns(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.py"), filepath.Join(dir, "b.py")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	patterns := []string{filepath.Join(dir, "*.py"), filepath.Join(dir, "none")}
	var last map[string]stamp
	step := func(desc, want string) {
		t.Helper()
		s := scanPatterns(patterns)
		if got := firstChange(last, s.files); got != want || s.more {
			t.Errorf("%s: %q, more %t; want %q", desc, got, s.more, want)
		}
		last = s.files
	}
	put(filepath.Join(dir, "c.txt"), "x")
	step("nothing matches", "")
	put(a, "one")
	step("a file", a+" is new")
	step("the same", "")
	put(a, "more")
	step("another size", a+" changed")
	put(b, "more")
	if err := os.Rename(b, a); err != nil {
		t.Fatal(err)
	}
	step("another inode", a+" changed")
	put(b, "x")
	if err := os.Remove(a); err != nil {
		t.Fatal(err)
	}
	step("two changes", a+" is gone, and 1 more")
}
