package config

import (
	"reflect"
	"strings"
	"testing"
)

// Every key has a default that binds, a description, and an expectation; table() panics where keys
// and fields do not match.
func TestKeysTable(t *testing.T) {
	keys := Keys()
	if len(keys) < 80 {
		t.Fatalf("Keys() has %d rows; want the whole schema", len(keys))
	}
	for _, k := range keys {
		if k.Doc == "" || k.Expected() == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("key %s: doc %q, expected %q; want both, the doc a sentence", k.Path, k.Doc,
				k.Expected())
		}
		if strings.HasPrefix(k.Path, "pools.*.env") && k.Reload != Workers {
			t.Errorf("key %s: reload %v; want workers", k.Path, k.Reload)
		}
	}
}

func TestDefaultsBind(t *testing.T) {
	c := Default()
	p := DefaultPool("p")
	if c.Limits.Body != 30e6 || c.Fronts != 1 || c.Admin.Mode != 0o600 || !c.Trust.Trace {
		t.Errorf("Default() = %+v; want the table's defaults", c)
	}
	if p.Name != "p" || p.Concurrency != 64 || p.StopTimeout.String() != "30s" || p.Env.Inherit != SwitchOn {
		t.Errorf("DefaultPool() = %+v; want the table's defaults", p)
	}
}

// Every word that a row lists is accepted, and by a field of the right type.
func TestValuesAreAccepted(t *testing.T) {
	types := leafTypes()
	for _, k := range Keys() {
		for _, word := range k.Values {
			v := reflect.New(types[k.Path]).Elem()
			if err := parseScalar(row(k.Path), word, v); err != nil {
				t.Errorf("key %s: %q = %v; want no error", k.Path, word, err.what)
			}
		}
	}
}

func TestFlagsTable(t *testing.T) {
	m := newMachine(t)
	values := map[string]string{
		"listen": "127.0.0.1:1", "workers": "3", "concurrency": "3", "hosting": "out-of-process",
		"dispatch": "http", "queue-length": "3", "queue-timeout": "3s", "start": "manual",
		"loops": "3", "fronts": "2", "user": "root", "max-connections": "100", "header-timeout": "3s",
		"keepalive-timeout": "3s", "drain-timeout": "3s", "drain-delay": "3s", "min-rate": "3B/s",
		"max-header-bytes": "16KiB", "max-body-bytes": "3MB", "trusted-proxies": "10.0.0.0/8",
		"runtime-dir": "/run/x", "access-log": "-", "log-format": "json", "log-level": "debug",
		"set": "limits.fields=3",
	}
	names := map[string]bool{}
	base := flatten(&mustLoad(t, Sources{Dir: m.dir, CPUs: 4, App: "shop-api",
		Flags: []FlagValue{{"hosting", "out-of-process"}}}).Config)
	for _, f := range Flags() {
		if names[f.Name] || f.Help == "" || f.Placeholder == "" {
			t.Errorf("flag %s: twice, or without help or placeholder", f.Name)
		}
		names[f.Name] = true
		if f.Group == GroupContent {
			continue
		}
		v, ok := values[f.Name]
		if !ok {
			t.Errorf("flag %s: this test has no value for it", f.Name)
			continue
		}
		checkFlagSets(t, m, f, v, base)
	}
}

// checkFlagSets wants the flag, and its variable, to change exactly the key that the table names.
func checkFlagSets(t *testing.T, m machine, f Flag, value string, base flat) {
	t.Helper()
	s := Sources{Dir: m.dir, CPUs: 4, App: "shop-api"}
	if f.Name != "hosting" {
		s.Flags = []FlagValue{{"hosting", "out-of-process"}}
	}
	byEnv := s
	byEnv.Environ = []string{f.Env() + "=" + value}
	if f.Name == "set" {
		byEnv.Environ, byEnv.Set = nil, []string{value}
	}
	s.Flags = append(s.Flags, FlagValue{f.Name, value})
	l, e := mustLoad(t, s), mustLoad(t, byEnv)
	if !reflect.DeepEqual(l.Config, e.Config) {
		t.Errorf("flag %s and variable %s: configurations differ", f.Name, f.Env())
	}
	if f.Name == "set" && l.Config.Limits.Fields != 3 {
		t.Errorf("flag set: limits.fields = %d; want 3", l.Config.Limits.Fields)
	}
	if f.Key == "" {
		return
	}
	if got := flatten(&l.Config).values[f.Key].text; got == base.values[f.Key].text && got != "http" {
		t.Errorf("flag %s: %s stays %q", f.Name, f.Key, got)
	}
	if got := l.Origin(f.Key).String(); got != "flag --"+f.Name {
		t.Errorf("flag %s: origin of %s = %q", f.Name, f.Key, got)
	}
	if got := e.Origin(f.Key).String(); got != "env "+f.Env() {
		t.Errorf("variable %s: origin of %s = %q", f.Env(), f.Key, got)
	}
}

func TestUnits(t *testing.T) {
	for _, tt := range []struct{ in, out string }{
		{"30s", "30s"}, {"90s", "1m30s"}, {"300s", "5m"}, {"3600s", "1h"}, {"0s", "0s"}, {"off", "off"},
		{"1500ms", "1.5s"}, {"24h", "24h"},
	} {
		if d, err := ParseDuration(tt.in); err != nil || d.String() != tt.out {
			t.Errorf("ParseDuration(%q) = %v, %v; want %s", tt.in, d, err, tt.out)
		}
	}
	for _, tt := range []struct{ in, out string }{
		{"30MB", "30MB"}, {"64KiB", "64KiB"}, {"1024B", "1KiB"}, {"1000B", "1kB"}, {"0B", "0B"},
		{"999B", "999B"}, {"1073741824B", "1GiB"}, {"off", "off"},
	} {
		if s, err := ParseSize(tt.in); err != nil || s.String() != tt.out {
			t.Errorf("ParseSize(%q) = %v, %v; want %s", tt.in, s, err, tt.out)
		}
	}
	if _, err := ParseSize("99999999999TiB"); err == nil {
		t.Error("ParseSize of more than 2^63 bytes = nil; want an error")
	}
	if r, err := ParseRate("1MB/s"); err != nil || r != 1e6 {
		t.Errorf("ParseRate(1MB/s) = %v, %v; want 1000000", r, err)
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"a.b.c", []string{"a", "b", "c"}},
		{`listeners.":80.80".backlog`, []string{"listeners", ":80.80", "backlog"}},
		{`sites.s.apps./x.limits`, []string{"sites", "s", "apps", "/x", "limits"}},
	} {
		got, _, _, err := splitPath(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("splitPath(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
		p := path{}
		for _, s := range tt.want {
			p = p.child(s)
		}
		if back, _, _, err := splitPath(p.key); err != nil || !reflect.DeepEqual(back, tt.want) {
			t.Errorf("splitPath(%q) = %q, %v; want %q", p.key, back, err, tt.want)
		}
	}
}
