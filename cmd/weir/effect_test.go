//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/supervisor/config"
)

// A keyRow shows what one key of the configuration does: on a running instance, probe gives before,
// then the file is changed, reloaded, and probe gives after.
type keyRow struct {
	key    string
	base   edit // of both files
	set    edit // of the second
	before string
	after  string
	probe  probe
	needs  string // "root": skipped, and said so, where another user runs the tests
	fails  bool   // the second reload ends with an error about a pool, which is in force none the less
}

// probe looks at an instance from outside and says in a word or two what it saw.
type probe func(b *bed) string

// never stands for a before that would take as long as a default, or that is nothing at all: what the
// probe gives afterwards is then impossible with the default within the patience of the tests.
const never = ""

// An edit fills the places of bedFile. Both edits of a row may fill the same place; then the row's
// set wins.
type edit struct {
	top      string // lines at the top
	bindings string // of the site
	site     string // lines of the site, indented by 4
	app      string // one line among the apps of the site
	pool     string // entries of pool p
	command  string // of pool p
	pools    string // one more pool
	sites    string // one more site
}

// over is e with what f fills.
func (e edit) over(f edit) edit {
	pick := func(a, b string) string {
		if b != "" {
			return b
		}
		return a
	}
	return edit{
		pick(e.top, f.top), pick(e.bindings, f.bindings), pick(e.site, f.site), pick(e.app, f.app),
		pick(e.pool, f.pool), pick(e.command, f.command), pick(e.pools, f.pools),
		pick(e.sites, f.sites),
	}
}

// file is the whole configuration.
func (e edit) file(dir string) string {
	e = edit{bindings: `"127.0.0.1:0"`, command: "testworker"}.over(e)
	if e.pool != "" {
		e.pool = ", " + e.pool
	}
	text := fmt.Sprintf(`%s
sites:
  s:
    bindings: [%s]
%s
    apps:
      /: {pool: p}
      /text: {respond: {body: text}}
      /demo: {handler: demo}
      %s
  %s
pools:
  p: {command: [%s], rapid_fail: {failures: off}%s}
  q: {command: [testworker, -say, q]}
  %s
`, e.top, e.bindings, e.site, e.app, e.sites, e.command, e.pool, e.pools)
	return strings.ReplaceAll(text, "DIR", dir)
}

// bed is an instance whose file the rows change.
type bed struct {
	*instance
	t    *testing.T
	conf string // directory of the file
}

// startBed starts an instance with e's file.
func startBed(t *testing.T, e edit) *bed {
	t.Helper()
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o711); err != nil { // nobody's workers pass through
		t.Fatal(err)
	}
	file := fileOf(t, dir, e.file(dir))
	if err := os.WriteFile(filepath.Join(dir, "env.list"), []byte("EFFECT=filed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "EFFECT=inherited")
	in := launch(t, filepath.Join(dir, "rt"), dir, env, "--config", file)
	b := &bed{instance: in, t: t, conf: dir}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%.20000s", &in.stderr)
		}
		in.stop()
	})
	in.awaitReady()
	return b
}

// apply reloads with e's file; the test fails where that is refused.
func (b *bed) apply(t *testing.T, e edit) {
	t.Helper()
	if code, stderr := b.try(e); code != 0 {
		t.Fatalf("weir reload: %d, %s\n%s", code, stderr, e.file(b.conf))
	}
}

// try reloads with e's file.
func (b *bed) try(e edit) (code int, stderr string) {
	fileOf(b.t, b.conf, e.file(b.conf))
	code, _, stderr = b.weir("reload")
	return code, stderr
}

// path is a file beside the configuration.
func (b *bed) path(name string) string { return filepath.Join(b.conf, name) }

// beds is how many instances share the rows; most rows wait more than they compute.
const beds = 3

// TestKeyEffects has a row for every key: set it, see the change on a real instance.
func TestKeyEffects(t *testing.T) {
	t.Parallel()
	rows := slices.Concat(siteRows, appRows, sidecarRows, poolRows, balanceRows, startRows, scaleRows,
		recycleRows, isolationRows, frontRows, bodyRows, gatewayRows)
	covered := map[string]bool{}
	for _, r := range rows {
		covered[r.key] = true
	}
	fresh := maps.Clone(freshRows)
	maps.Copy(fresh, farRows)
	for key := range fresh {
		covered[key] = true
	}
	known := map[string]bool{}
	for _, k := range config.Keys() {
		known[k.Path] = true
		if !covered[k.Path] {
			t.Errorf("key %s has no row: nobody knows what it does", k.Path)
		}
	}
	for key := range covered {
		if !known[key] {
			t.Errorf("row %s is of no key", key)
		}
	}
	for n, rows := range slices.Collect(slices.Chunk(rows, (len(rows)+beds-1)/beds)) {
		t.Run(fmt.Sprint("reload/", n), func(t *testing.T) {
			t.Parallel()
			b := startBed(t, edit{})
			for i, r := range rows {
				if testing.Short() && i%4 != 0 {
					continue // each needs its own reloads
				}
				t.Run(r.key, func(t *testing.T) { b.row(t, r) })
			}
		})
	}
	for _, key := range sortedKeys(fresh) {
		t.Run("start/"+key, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && key != "loops" {
				t.Skip("needs an instance of its own")
			}
			fresh[key](t)
		})
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// row shows one row.
func (b *bed) row(t *testing.T, r keyRow) {
	if r.needs == "root" && os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	b.instance.t = t // whose test fails when a probe does
	defer func() { b.instance.t = b.t }()
	if r.before != never {
		b.apply(t, r.base)
		if got := r.probe(b); got != r.before {
			t.Errorf("without %s: %q; want %q", r.key, got, r.before)
		}
	}
	if r.fails {
		b.try(r.base.over(r.set))
	} else {
		b.apply(t, r.base.over(r.set))
	}
	got := r.probe(b)
	if got != r.after {
		t.Errorf("with %+v: %q; want %q", r.set, got, r.after)
	}
}
