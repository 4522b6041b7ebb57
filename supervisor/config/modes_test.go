package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestKeyModes: what has no effect in a mode is refused there, and only that. Values of keys without a
// default are in the list.
func TestKeyModes(t *testing.T) {
	values := map[string]string{
		"check.http": "/", "warmup": "[/]", "sendfile.root": "/",
		"sendfile.prefix": "/x", "limit.adaptive": "on", "buffer": "request",
	}
	pools := map[mode]string{
		modeHTTP: "command: [python3]", modeMux: "command: [python3], dispatch: mux",
		modeHandoff:   "command: [python3], dispatch: handoff",
		modeReuseport: "dispatch: reuseport", modeUpstreams: "upstreams: ['http://127.0.0.1:1']",
	}
	m := newMachine(t)
	for _, k := range table().rows {
		key, of := strings.CutPrefix(k.Path, "pools.*.")
		value := values[key]
		if value == "" {
			value = k.Default
		}
		if in := modesOf(key); !of || in == modesWorkers || value == "" || key == "upstreams" {
			continue
		}
		for at, pool := range pools {
			if at == modeHandoff && !handoffOK {
				continue
			}
			pool += ", " + strings.ReplaceAll(key, ".", ": {") + ": " + value +
				strings.Repeat("}", strings.Count(key, "."))
			_, err := Load(m.file("sites: {s: {bindings: [':8080'], apps: {/: {pool: p"+
				map[bool]string{true: ", handler: demo"}[at == modeReuseport]+
				"}}}}\npools: {p: {"+pool+"}}\n"), registry{})
			says := "pools.p." + key + ": "
			refused := err != nil && (strings.Contains(err.Error(), says+"has no effect: with") ||
				strings.Contains(err.Error(), says+"has no effect: workers of ") ||
				strings.Contains(err.Error(), says+"has no effect without upstreams") ||
				strings.Contains(err.Error(), says+"concerns workers"))
			if want := modesOf(key)&at == 0; refused != want {
				t.Errorf("%s in %v: %v; want it refused: %v", key, at, err, want)
			}
		}
	}
	for _, k := range keyModes {
		known := k.key == "priority"
		for _, r := range table().rows {
			known = known || r.Path == "pools.*."+k.key || strings.HasPrefix(r.Path, "pools.*."+k.key+".")
		}
		if !known {
			t.Errorf("pools.*.%s is no key", k.key)
		}
	}
}

// What is explained of a pool is what it may have: the file that ExplainYAML prints loads, and means the
// same.
func TestExplainKeepsToModes(t *testing.T) {
	m := newMachine(t)
	const app = "sites: {s: {bindings: [':8080'], apps: {/: {pool: p%s}}}}\npools: {p: {%s}}\n"
	pools := []string{
		fmt.Sprintf(app, ", timeouts: {connect: 2s}", "command: [python3], timeouts: {total: 5s}"),
		fmt.Sprintf(app, "", "command: [python3], dispatch: mux"),
		fmt.Sprintf(app, ", handler: demo", "dispatch: reuseport"),
		fmt.Sprintf(app, "", "upstreams: ['http://127.0.0.1:1'], buffer: request"),
	}
	if handoffOK {
		pools = append(pools, fmt.Sprintf(app, ", priority: high", "command: [python3], dispatch: handoff"))
	}
	for _, file := range pools {
		l := mustLoad(t, m.file(file))
		text := string(ExplainYAML(l))
		if back := mustLoad(t, m.file(text)); !reflect.DeepEqual(back.Config, l.Config) {
			t.Errorf("%s\n%+v\nwant\n%+v", text, back.Config, l.Config)
		}
	}
	l := mustLoad(t, m.file(pools[0]))
	got, err := Explain(l, "pools.p.timeouts.total")
	if err != nil || len(got) != 1 || got[0].With != "dispatch: http or mux; upstreams" {
		t.Errorf("Explain = %+v, %v; want where it has an effect", got, err)
	}
}
