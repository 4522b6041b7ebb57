package config

import (
	"slices"
	"strings"
	"testing"
)

func TestSidecarErrors(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ desc, yaml, want string }{
		{"nothing to run", "sidecars:\n  c: {restart: never}\n",
			"conf/weir.yaml:2:3: sidecars.c: has nothing to run, expected command"},
		{"empty command", "sidecars:\n  c: {command: []}\n",
			"conf/weir.yaml:2:16: sidecars.c.command: has nothing to run, expected command"},
		{"no such program", "sidecars:\n  c: {command: [nosuchprogram]}\n",
			`sidecars.c.command: command "nosuchprogram" not found in PATH`},
		{"policy", "sidecars:\n  c: {command: [python3], restart: allways}\n",
			`conf/weir.yaml:2:36: sidecars.c.restart: "allways" is not known, expected one of always, ` +
				`on-failure, never, did you mean "always"?`},
		{"unknown key", "sidecars:\n  c: {command: [python3], workers: 2}\n",
			`unknown key "workers" in sidecars.c`},
		{"after nobody", "sidecars:\n  cache: {command: [python3]}\n" +
			"  c: {command: [python3], after: [cahce]}\n",
			`conf/weir.yaml:3:35: sidecars.c.after[0]: no sidecar "cahce", expected cache or c, ` +
				`did you mean "cache"?`},
		{"pool after nobody", pool("after: [c]"),
			`conf/weir.yaml:4:13: pools.p.after[0]: no sidecar "c", expected it under sidecars`},
		{"twice", "sidecars:\n  b: {command: [python3]}\n  c: {command: [python3], after: [b, b]}\n",
			`conf/weir.yaml:3:38: sidecars.c.after[1]: "b" is there twice`},
		{"after itself", "sidecars:\n  c: {command: [python3], after: [c]}\n",
			"conf/weir.yaml:2:34: sidecars.c.after: sidecars wait for each other: c after c, " +
				"expected an order"},
		{"cycle", "sidecars:\n  z: {command: [python3], after: [a]}\n" +
			"  b: {command: [python3], after: [z]}\n  a: {command: [python3], after: [b]}\n",
			"conf/weir.yaml:4:34: sidecars.a.after: sidecars wait for each other: a after b after z " +
				"after a"},
		{"a pool of that name", "sidecars:\n  c: {command: [python3]}\n" +
			"pools:\n  sidecar: {command: [python3]}\n",
			"conf/weir.yaml:4:3: pools.sidecar: cannot be the name of a pool beside sidecars"},
		{"no unit", "sidecars:\n  c: {command: [python3], stop_timeout: 3}\n",
			`sidecars.c.stop_timeout: "3" has no unit`},
		{"nobody's account", "sidecars:\n  c: {command: [python3], user: nosuchuser}\n",
			`sidecars.c.user: no user "nosuchuser" on this machine`},
		{"contract", "sidecars:\n  c: {command: [python3], env: {set: {NOTIFY_SOCKET: x}}}\n",
			"NOTIFY_SOCKET is set by Weir itself"},
	} {
		yaml := tt.yaml
		if !strings.Contains(yaml, minimal) {
			yaml += minimal
		}
		_, err := Load(m.file(yaml), registry{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Load = %v; want %s", tt.desc, err, tt.want)
		}
		if strings.Count(err.Error(), "wait for each other") > 1 {
			t.Errorf("%s: a cycle is told more than once: %v", tt.desc, err)
		}
	}
}

const cars = `sidecars:
  cache: {command: [python3, cache.py], dir: app}
  tail: {command: [python3], after: [cache], restart: on-failure, ready: {probe: notify}}
pools:
  p: {command: [python3], after: [tail, cache]}
`

func TestSidecars(t *testing.T) {
	m := newMachine(t)
	c := &mustLoad(t, m.file(cars+minimal)).Config
	s, ok := c.Sidecar("cache")
	if !ok || s.Restart != RestartAlways || s.Ready.Probe != KindExec ||
		s.StopTimeout.String() != "30s" || !strings.HasSuffix(s.Dir, "conf/app") || !strings.HasSuffix(s.Program, "/python3") {
		t.Errorf("sidecar cache = %+v; want the defaults, its directory and its program", s)
	}
	p, _ := c.Pool("p")
	if !slices.Equal(p.After, []string{"tail", "cache"}) {
		t.Errorf("pools.p.after = %q; want tail, cache", p.After)
	}
	l := mustLoad(t, m.file(cars+minimal))
	again := mustLoad(t, m.file(string(ExplainYAML(l))))
	if d := Diff(c, &again.Config); !d.IsEmpty() {
		t.Errorf("ExplainYAML changed %s", flatChanges(d))
	}
	if _, ok := c.Sidecar("nope"); ok {
		t.Error("there is a sidecar nope")
	}
}

func TestSidecarDiff(t *testing.T) {
	m := newMachine(t)
	base := mustLoad(t, m.file(cars+minimal)).Config
	for _, tt := range []struct{ set, want string }{
		{"sidecars.cache.restart=never", "~cache restart"},
		{"sidecars.cache.command=[python3, b.py]", "~cache! command"},
		{"sidecars.tail.ready.probe=exec", "~tail! ready.probe"},
		{"sidecars.new.command=[python3]", "+new"},
		{"pools.p.after=[tail]", "~p after"},
	} {
		s := m.file(cars + minimal)
		s.Set = []string{tt.set}
		after := mustLoad(t, s).Config
		if got := flatChanges(Diff(&base, &after)); got != tt.want {
			t.Errorf("%s: Diff = %s; want %s", tt.set, got, tt.want)
		}
	}
}
