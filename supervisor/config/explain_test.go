package config

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestExplainYAMLGolden(t *testing.T) {
	m := newMachine(t)
	s := m.file(shop)
	s.Set = []string{"pools.shop.workers=7"}
	s.Flags = []FlagValue{{"log-level", "debug"}}
	s.Environ = append(s.Environ, "WEIR_MIN_RATE=1kB/s")
	l := mustLoad(t, s)
	got := strings.ReplaceAll(string(ExplainYAML(l)), m.dir, "/machine")
	const file = "testdata/explain.yaml"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("ExplainYAML =\n%s\nwant\n%s", got, want)
	}
}

// What ExplainYAML prints is a file that means the same, whatever it came from.
func TestExplainYAMLRoundTrip(t *testing.T) {
	m := newMachine(t)
	command := m.flags("listen", "[::1]:0")
	command.Command = []string{"python3", "-m", "x y", "", "null", "{socket}", "#"}
	for _, s := range []Sources{m.file(shop), m.file(minimal), m.flags(), command,
		m.flags("respond", "off: \"x\"\n# 1")} {
		l := mustLoad(t, s)
		back := mustLoad(t, m.file(string(ExplainYAML(l))))
		if !reflect.DeepEqual(back.Config, l.Config) {
			t.Errorf("after ExplainYAML\n%s\n%+v\nwant\n%+v", ExplainYAML(l), back.Config, l.Config)
		}
	}
}

func TestExplain(t *testing.T) {
	m := newMachine(t)
	s := m.file(shop)
	l := mustLoad(t, s)
	for _, tt := range []struct{ key, value, origin string }{
		{"loops", "4", "default"},
		{"limits.half_close", "off", "conf/weir.yaml:27:22"},
		{"server_header", "on", "default"},
		{"sites.shop.apps./upload.limits.head", "32KiB", "inherited from limits.head"},
		{"pools.shop.env.inherit", "true", "conf/weir.yaml:23:20"},
		{"listeners.:8080.backlog", "128", "conf/weir.yaml:4:22"},
		{"pools.shop.command", `["python3","app.py"]`, "conf/weir.yaml:21:14"},
	} {
		got, err := Explain(l, tt.key)
		if err != nil || len(got) != 1 || got[0].Value != tt.value || got[0].Origin != tt.origin {
			t.Errorf("Explain(%s) = %+v, %v; want %s from %s", tt.key, got, err, tt.value, tt.origin)
		}
	}
	group, err := Explain(l, "timeouts")
	if err != nil || len(group) != 4 {
		t.Errorf("Explain(timeouts) = %d keys, %v; want 4", len(group), err)
	}
	want := "timeouts.drain: 25s\n  from:    default\n  default: 25s\n  " +
		"takes:   a duration such as 30s, or off\n" +
		"  How long a stopping instance waits for requests in flight before it cuts them.\n"
	if got := group[3].Text(); got != want {
		t.Errorf("Text() = %q; want %q", got, want)
	}
	_, err = Explain(l, "timeouts.drian")
	if err == nil || err.Error() != `unknown key "timeouts.drian", did you mean "timeouts.drain"?` {
		t.Errorf("Explain of an unknown key = %v", err)
	}
}
