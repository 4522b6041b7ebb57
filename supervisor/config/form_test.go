package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// Values that are a word or a mapping: what they mean, and that what is printed reads back as the same.
func TestForms(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct {
		in   string
		got  func(*Pool) any
		want any
		text string
	}{
		{"workers: 3", func(p *Pool) any { return p.Workers }, WorkerCount{Min: 3, Max: 3}, "3"},
		{"workers: auto", func(p *Pool) any { return p.Workers }, WorkerCount{Min: 4, Max: 4}, "4"},
		{"workers: {min: 0, max: auto}", func(p *Pool) any { return p.Workers },
			WorkerCount{Min: 0, Max: 4}, "{min: 0, max: 4, spare: 0}"},
		{"workers: {max: 8, spare: 2}", func(p *Pool) any { return p.Workers },
			WorkerCount{Min: 1, Max: 8, Spare: 2}, "{min: 1, max: 8, spare: 2}"},
		{"ready: {probe: notify}", func(p *Pool) any { return p.Ready.Probe }, ProbeNotify, "notify"},
		{"ready: {probe: {http: /up}}", func(p *Pool) any { return p.Ready.Probe },
			ProbeHTTP("/up", 200), "{http: /up, status: 200}"},
		{"ready: {probe: {http: '/up?a=b c', status: 204}}", func(p *Pool) any { return p.Ready.Probe },
			ProbeHTTP("/up?a=b c", 204), "{http: /up?a=b c, status: 204}"},
		{"warmup: [/, {path: /x, host: e.org, status: 301, timeout: 5s}]",
			func(p *Pool) any { return p.Warmup }, []Warmup{
				{"/", "localhost", 200, Duration(30 * time.Second)},
				{"/x", "e.org", 301, Duration(5 * time.Second)},
			}, ""},
		{"scale: {busy: 60%}", func(p *Pool) any { return p.Scale.Busy }, Percent(60), "60%"},
	} {
		l := mustLoad(t, m.file("pools:\n  p: {command: [python3], "+tt.in+"}\n"+site("/: {pool: p}")))
		got := tt.got(&l.Config.Pools[0])
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v; want %+v", tt.in, got, tt.want)
		}
		if s, ok := got.(interface{ String() string }); ok && s.String() != tt.text {
			t.Errorf("%s: text %q; want %q", tt.in, s, tt.text)
		}
		back, err := Load(m.file(string(ExplainYAML(l))), registry{})
		if err != nil {
			t.Fatalf("%s: explained: %v\n%s", tt.in, err, ExplainYAML(l))
		}
		if !reflect.DeepEqual(back.Config, l.Config) {
			t.Errorf("%s: explained reads back as\n%+v\nwant\n%+v", tt.in, back.Config.Pools,
				l.Config.Pools)
		}
	}
}

// A part of a mapping is set alone; a word replaces all of it.
func TestFormLayers(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct {
		set  string
		want WorkerCount
	}{
		{"pools.p.workers.max=6", WorkerCount{Min: 2, Max: 6, Spare: 1}},
		{"pools.p.workers=5", WorkerCount{Min: 5, Max: 5}},
		{"pools.p.workers={min: 1, max: 7}", WorkerCount{Min: 1, Max: 7, Spare: 1}},
	} {
		s := m.file("pools:\n  p: {command: [python3], workers: {min: 2, max: 4, spare: 1}}\n" +
			site("/: {pool: p}"))
		s.Set = []string{tt.set}
		l := mustLoad(t, s)
		if got := l.Config.Pools[0].Workers; got != tt.want {
			t.Errorf("--set %s: %v; want %v", tt.set, got, tt.want)
		}
		if got := l.Origin("pools.p.workers").String(); got != "--set" && got != "flag --set" {
			t.Errorf("--set %s: from %s", tt.set, got)
		}
	}
}

// A pool without command is spoken to in frames, unless its workers must answer plain GETs.
func TestDefaultDispatch(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct {
		pool string
		want Dispatch
	}{
		{"{}", DispatchMux}, {"{warmup: [/]}", DispatchHTTP},
		{"{ready: {probe: {http: /}}}", DispatchHTTP}, {"{ready: {probe: notify}}", DispatchMux},
		{"{command: [python3]}", DispatchHTTP}, {"{command: [python3], dispatch: mux}", DispatchMux},
	} {
		app := "/: {handler: demo, pool: p}"
		if strings.Contains(tt.pool, "command") {
			app = "/: {pool: p}"
		}
		l := mustLoad(t, m.file("pools: {p: "+tt.pool+"}\n"+site(app)))
		if got := l.Config.Pools[0].Dispatch; got != tt.want {
			t.Errorf("%s: dispatch %s; want %s", tt.pool, got, tt.want)
		}
	}
}
