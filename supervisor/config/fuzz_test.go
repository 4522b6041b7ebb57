package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// FuzzLoad: any file is either refused with Errors, each of one line with a message, or is a
// configuration that survives JSON and ExplainYAML.
func FuzzLoad(f *testing.F) {
	f.Add(shop, "loops=1")
	f.Add(minimal, `sites.s.apps."/".respond.body=x`)
	f.Add(far("upstreams: ['http://a', 'http://[::1]:8080']\n    check: {http: /up, fall: 2}\n    buffer: request"), "")
	f.Add("a: &x [*x]\nsites: *x", "")
	f.Add("? {a: b}\n: c\n", "pools.p.command=[x]")
	f.Add("sites: &a\n  s: *a\n", "sites.s={}")
	f.Add("!!binary x: !foo y\n--- 1", "=")
	m := newMachine(f)
	f.Fuzz(func(t *testing.T, yaml, set string) {
		s := m.file(yaml)
		if set != "" {
			s.Set = []string{set}
		}
		l, err := Load(s, registry{})
		if err != nil {
			var es Errors
			if !errors.As(err, &es) || len(es) == 0 {
				t.Fatalf("Load = %v; want Errors", err)
			}
			for _, e := range es {
				if e.Message == "" || strings.Contains(e.Message, "\n") {
					t.Fatalf("Load = %q; want one line", e)
				}
			}
			return
		}
		j, err := json.Marshal(l.Config)
		if err != nil {
			t.Fatal(err)
		}
		var back Config
		if err := json.Unmarshal(j, &back); err != nil {
			t.Fatal(err)
		}
		again, err := Load(m.file(string(ExplainYAML(l))), registry{})
		if err != nil {
			t.Fatalf("Load(ExplainYAML) = %v\n%s", err, ExplainYAML(l))
		}
		if d := Diff(&l.Config, &again.Config); !d.IsEmpty() {
			t.Fatalf("ExplainYAML changed %s", flatChanges(d))
		}
		if !reflect.DeepEqual(l.Config.Sites, again.Config.Sites) {
			t.Fatalf("sites = %+v; want %+v", again.Config.Sites, l.Config.Sites)
		}
	})
}

// A file of the largest number of pools loads in seconds at worst, and one more is refused.
func TestLoadLargest(t *testing.T) {
	if testing.Short() {
		t.Skip("loads thousands of pools")
	}
	m := newMachine(t)
	var b strings.Builder
	b.WriteString(minimal + "pools:\n")
	for i := range namedMax {
		fmt.Fprintf(&b, "  p%d: {command: [python3]}\n", i)
	}
	if got := len(mustLoad(t, m.file(b.String())).Config.Pools); got != namedMax {
		t.Errorf("loaded %d pools; want %d", got, namedMax)
	}
	b.WriteString("  more: {command: [python3]}\n")
	wantError(t, "one more", m.file(b.String()), "pools: has 4097 entries, expected at most 4096")
}
