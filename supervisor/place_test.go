package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPlaceOf(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(root, name) }
	for _, dir := range []string{"r1/bin", "r2/bin"} {
		if err := os.MkdirAll(in(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in(dir+"/app"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		t.Helper()
		_ = os.Remove(in(name)) // there may be none
		if err := os.Symlink(target, in(name)); err != nil {
			t.Fatal(err)
		}
	}
	link("r1", "current")
	link("current/bin/app", "tool")
	c := PoolConfig{Dir: in("current"), Program: in("current/bin/app")}
	check := func(desc string, c PoolConfig, run, real place) {
		t.Helper()
		if r, at := placeOf(&c); r != run || at != real {
			t.Errorf("%s: %+v, %+v; want %+v, %+v", desc, r, at, run, real)
		}
	}
	one := place{in("r1"), in("r1/bin/app")}
	check("as linked", c, one, one)
	check("a program keeps its name", PoolConfig{Dir: in("current"), Program: in("tool")},
		place{in("r1"), in("tool")}, one)
	link("r2", "current")
	two := place{in("r2"), in("r2/bin/app")}
	check("linked anew", c, two, two)
	check("to come back", *c.at(one), one, one)
	check("missing", PoolConfig{Dir: in("none"), Program: in("none/app")},
		place{in("none"), in("none/app")}, place{in("none"), in("none/app")})
	check("nothing given", PoolConfig{}, place{}, place{})
	check("oneself", PoolConfig{Program: "/proc/self/exe"}, place{"", "/proc/self/exe"},
		place{"", "/proc/self/exe"})
}
