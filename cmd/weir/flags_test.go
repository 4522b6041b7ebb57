package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/supervisor/config"
)

// flagRow is one flag: with value, the key of the effective configuration is want. What the key does
// is shown by its own row in TestKeyEffects.
type flagRow struct {
	value   string
	content []string // what the flag needs beside it; nil: --respond x
	key     string   // "" is the flag's own
	want    string   // what its value begins with; "" is value
}

var command = []string{"--", "testworker"}

var flagRows = map[string]flagRow{
	"config":            {value: "weir.yaml", content: []string{}, key: "limits.fields", want: "77"},
	"respond":           {value: "hi", content: []string{}},
	"root":              {value: ".", content: []string{}, want: "DIR"},
	"listen":            {value: "127.0.0.1:8099", want: `[{"address":"127.0.0.1:8099","host":"*",`},
	"workers":           {value: "3", content: command},
	"concurrency":       {value: "7", content: command},
	"hosting":           {value: "out-of-process", content: command, key: "pools.default.workers", want: "1"},
	"dispatch":          {value: "http", content: command},
	"queue-length":      {value: "9", content: command},
	"queue-timeout":     {value: "9s", content: command},
	"start":             {value: "manual", content: command},
	"loops":             {value: "3"},
	"fronts":            {value: "2"},
	"user":              {value: "root"},
	"max-connections":   {value: "99"},
	"header-timeout":    {value: "9s"},
	"keepalive-timeout": {value: "9s"},
	"drain-timeout":     {value: "9s"},
	"drain-delay":       {value: "9s"},
	"min-rate":          {value: "9B/s"},
	"max-header-bytes":  {value: "64KiB"},
	"max-body-bytes":    {value: "9MB"},
	"trusted-proxies":   {value: "10.0.0.0/8", want: `["10.0.0.0/8"]`},
	"runtime-dir":       {value: "rt", want: "DIR/rt"},
	"access-log":        {value: "a.log", want: "DIR/a.log"},
	"log-format":        {value: "json"},
	"log-level":         {value: "debug"},
	"set":               {value: "limits.fields=55", key: "limits.fields", want: "55"},
}

// TestFlagEffects has a row for every flag: as a flag and as its variable, which the flag beats.
func TestFlagEffects(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := "limits: {fields: 77}\nsites: {a: {bindings: [\":1\"], apps: {/: {respond: {body: x}}}}}\n"
	if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range config.Flags() {
		known[f.Name] = true
		r, ok := flagRows[f.Name]
		if !ok {
			t.Errorf("flag --%s has no row: nobody knows what it does", f.Name)
			continue
		}
		if r.key == "" {
			r.key = f.Key
		}
		if r.want == "" {
			r.want = r.value
		}
		if r.content == nil {
			r.content = []string{"--respond", "x"}
		}
		r.want = strings.ReplaceAll(r.want, "DIR", dir)
		t.Run(f.Name, func(t *testing.T) {
			explains(t, dir, r, "flag --"+f.Name, nil, "--"+f.Name, r.value)
			if f.Env() != "" && !testing.Short() {
				explains(t, dir, r, "env "+f.Env(), []string{f.Env() + "=" + r.value})
			}
		})
	}
	for name := range flagRows {
		if !known[name] {
			t.Errorf("row %s is of no flag", name)
		}
	}
}

// explains runs weir explain and wants r's value, from origin.
func explains(t *testing.T, dir string, r flagRow, origin string, env []string, flags ...string) {
	t.Helper()
	args := append([]string{"explain", r.key, "--json"}, flags...)
	cmd := exec.Command(filepath.Join(bin, "weir"), append(args, r.content...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q with %q: %v", args, env, err)
	}
	var rows []struct{ Value, Origin string }
	if err := json.Unmarshal(out, &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%q: %q, %v; want rows", args, out, err)
	}
	// --config, --hosting and --set are not where a value comes from by themselves.
	own := r.key != "limits.fields" && origin != "flag --hosting" && origin != "env WEIR_HOSTING"
	if got := rows[0]; !strings.HasPrefix(got.Value, r.want) || own && got.Origin != origin {
		t.Errorf("%q with %q: %q from %q; want %q from %q", args, env, got.Value, got.Origin, r.want,
			origin)
	}
}
