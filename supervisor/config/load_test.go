package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// registry is a program with two middlewares and three handlers.
type registry struct{}

type compressOptions struct {
	Types   []string          `yaml:"types"`
	Level   int               `yaml:"level"`
	MinSize Size              `yaml:"min_size"`
	Wait    time.Duration     `yaml:"wait"`
	Vary    bool              `yaml:"vary"`
	Extra   map[string]string `yaml:"extra"`
}

func (o *compressOptions) Validate() error {
	if o.Level > 9 {
		return os.ErrInvalid
	}
	return nil
}

func (registry) Middleware(name string) (any, bool) {
	switch name {
	case "request-id":
		return nil, true
	case "compress":
		return compressOptions{Level: 6, MinSize: 1024}, true
	}
	return nil, false
}
func (registry) MiddlewareNames() []string { return []string{"request-id", "compress"} }
func (registry) Handler(name string) bool {
	return name == DemoHandler || name == DemoWorkerHandler || name == "shop-api"
}

// machine is a directory with a program and a site root, and an environment whose PATH has it.
type machine struct {
	dir     string
	environ []string
}

func newMachine(t testing.TB) machine {
	t.Helper()
	m := machine{dir: t.TempDir()}
	for _, d := range []string{"bin", "conf", "conf/public", "conf/app", "public"} {
		if err := os.MkdirAll(filepath.Join(m.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"bin/python3", "conf/app/server", "conf/tool"} {
		if err := os.WriteFile(filepath.Join(m.dir, f), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.dir, "conf/app.env"), []byte("A=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.environ = []string{"PATH=" + filepath.Join(m.dir, "bin")}
	return m
}

// file is the sources of a configuration file.
func (m machine) file(yaml string) Sources {
	return Sources{File: "conf/weir.yaml", Content: []byte(yaml), Dir: m.dir, Environ: m.environ,
		CPUs: 4}
}

// flags is the sources of a command line: name, value, name, value …
func (m machine) flags(nameValue ...string) Sources {
	s := Sources{Dir: m.dir, Environ: m.environ, CPUs: 4}
	for i := 0; i+1 < len(nameValue); i += 2 {
		s.Flags = append(s.Flags, FlagValue{nameValue[i], nameValue[i+1]})
	}
	return s
}

func mustLoad(t testing.TB, s Sources) *Loaded {
	t.Helper()
	l, err := Load(s, registry{})
	if err != nil {
		t.Fatalf("Load = %v; want no error", err)
	}
	return l
}

const minimal = "sites: {s: {bindings: [':8080'], apps: {/: {respond: {body: hi}}}}}\n"

// shop is the example of the documentation, as far as its keys exist.
const shop = `trusted_proxies: [10.0.0.0/8, "::1"]
unmatched: 421
listeners:
  ":8080": {backlog: 128, proxy_protocol: off}
sites:
  shop:
    bindings:
      - "http://shop.example.org:8080"
      - {address: "127.0.0.1:8081", host: "*"}
      - {address: "unix:shop.sock", mode: "0660"}
    middleware: [request-id, {use: compress, types: [text/html], wait: 2s}]
    apps:
      /:       {pool: shop}
      /upload: {pool: shop, limits: {body: 1GiB}, timeouts: {first_byte: 5m}}
      /assets: {static: {root: ./public}}
      /ping:   {respond: {status: 200, body: pong}}
      /go:     {handler: shop-api}
      /go2/:   {handler: shop-api, pool: gows}
pools:
  shop:
    command: [python3, app.py]
    dir: app
    env: {inherit: true, set: {LOG_LEVEL: info}, files: [app.env]}
    workers: auto
    queue: {length: 10, timeout: 1m30s}
  gows: {workers: 2, concurrency: 8, hang: {hook: [sh, "{pid}"]}, rapid_fail: {hook: [../bin/python3]}}
limits: {half_close: off}
log: {access: logs/access.log}
`

func TestLoadResolves(t *testing.T) {
	m := newMachine(t)
	l := mustLoad(t, m.file(shop))
	c := &l.Config
	conf := filepath.Join(m.dir, "conf")
	p, _ := c.Pool("shop")
	gows, _ := c.Pool("gows")
	s, _ := c.Site("shop")
	app := func(i int) *App { return &s.Apps[i] }
	for _, tt := range []struct {
		desc      string
		got, want any
	}{
		{"loops auto is the quota", c.Loops, Count(4)},
		{"workers auto is the quota", p.Workers, FixedWorkers(4)},
		{"dir from the file's directory", p.Dir, conf + "/app"},
		{"program by PATH", p.Program, m.dir + "/bin/python3"},
		{"env file from the file's directory", p.Env.Files, []string{conf + "/app.env"}},
		{"env set", p.Env.Set, map[string]string{"LOG_LEVEL": "info"}},
		{"queue", p.Queue, Queue{10, Duration(90 * time.Second), OverloadRespond, PolicyFIFO}},
		{"hosted handler", gows.Handler, "shop-api"},
		{"default of a pool", p.RapidFail, RapidFail{Failures: 5, Window: Duration(5 * time.Minute),
			Then: ThenRetry, Answer: OverloadRespond}},
		{"hooks by PATH and from the file's directory", [][]string{gows.Hang.Hook, gows.RapidFail.Hook},
			[][]string{{"sh", "{pid}"}, {m.dir + "/bin/python3"}}},
		{"access log from the file's directory", c.Log.Access, conf + "/logs/access.log"},
		{"admin keeps its placeholder", c.Admin.Listen, []string{"unix:{runtime}/admin.sock"}},
		{"half_close off", c.Limits.HalfClose, Off},
		{"connections stay auto", c.Limits.Connections, Auto},
		{"app inherits a limit", app(0).Limits.Body, Size(30e6)},
		{"app overrides a limit", app(1).Limits.Body, Size(1 << 30)},
		{"app inherits a timeout", app(1).Timeouts.Idle, Duration(time.Minute)},
		{"app overrides a timeout", app(1).Timeouts.FirstByte, Duration(5 * time.Minute)},
		{"static root", app(2).Static.Root, conf + "/public"},
		{"kinds", []AppKind{app(0).Kind(), app(2).Kind(), app(3).Kind(), app(4).Kind(), app(5).Kind()},
			[]AppKind{AppPool, AppStatic, AppRespond, AppHandler, AppPool}},
		{"prefix without slash", app(5).Prefix, "/go2"},
		{"content type", app(3).Respond.ContentType, "text/plain; charset=utf-8"},
		{"widest", c.WidestLimits(), AppLimits{8192, 32768, 100, 1 << 30}},
		{"listeners", names(c.Listeners), []string{":8080", "127.0.0.1:8081", "unix:" + conf +
			"/shop.sock"}},
		{"listener options", c.Listeners[0].Backlog, 128},
		{"listener default", c.Listeners[1].Backlog, 4096},
		{"unix mode from the binding", c.Listeners[2].Mode, Mode(0o660)},
		{"tcp has no mode", c.Listeners[0].Mode, Mode(0)},
		{"binding kinds", []HostKind{s.Bindings[0].Kind, s.Bindings[1].Kind, s.Bindings[2].Kind},
			[]HostKind{HostExact, HostIP, HostWeak}},
		{"options are complete", string(s.Middleware[1].Options), `{"Types":["text/html"],"Level":6,` +
			`"MinSize":"1KiB","Wait":2000000000,"Vary":false,"Extra":null}`},
		{"server header", c.ServerHeader, true},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: got %v; want %v", tt.desc, tt.got, tt.want)
		}
	}
}

func TestConfigSurvivesJSON(t *testing.T) {
	for _, yaml := range []string{shop, minimal} {
		c := mustLoad(t, newMachine(t).file(yaml)).Config
		j, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Config
		if err := json.Unmarshal(j, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c, back) {
			t.Errorf("after JSON: %+v; want %+v", back, c)
		}
	}
}

func TestPrecedence(t *testing.T) {
	m := newMachine(t)
	s := m.file("timeouts: {header: 1s}\nlog: {level: warn}\n" + minimal)
	steps := []struct {
		desc   string
		add    func()
		want   Duration
		origin string
	}{
		{"file over default", func() {}, Duration(time.Second), "conf/weir.yaml:1:20"},
		{"environment over file", func() { s.Environ = append(s.Environ, "WEIR_HEADER_TIMEOUT=2s") },
			Duration(2 * time.Second), "env WEIR_HEADER_TIMEOUT"},
		{"flag over environment", func() {
			s.Flags = append(s.Flags, FlagValue{"header-timeout", "3s"})
		}, Duration(3 * time.Second), "flag --header-timeout"},
		{"set over flag", func() { s.Set = append(s.Set, "timeouts.header=4s") },
			Duration(4 * time.Second), "flag --set"},
		{"last set wins", func() { s.Set = append(s.Set, "timeouts.header=5s") },
			Duration(5 * time.Second), "flag --set"},
	}
	for _, st := range steps {
		st.add()
		l := mustLoad(t, s)
		if got := l.Config.Timeouts.Header; got != st.want {
			t.Errorf("%s: timeouts.header = %v; want %v", st.desc, got, st.want)
		}
		if got := l.Origin("timeouts.header").String(); got != st.origin {
			t.Errorf("%s: origin = %q; want %q", st.desc, got, st.origin)
		}
		if l.Config.Log.Level != LevelWarn {
			t.Errorf("%s: log.level = %v; want warn", st.desc, l.Config.Log.Level)
		}
	}
}

func TestFlagsMakeASite(t *testing.T) {
	m := newMachine(t)
	command := func(s Sources, argv ...string) Sources { s.Command = argv; return s }
	app := func(s Sources) Sources { s.App = "shop-api"; return s }
	for _, tt := range []struct {
		desc string
		s    Sources
		want string // of the flat form of what matters
	}{
		{"respond", m.flags("respond", "Hello, World!", "listen", "127.0.0.1:9000"),
			"127.0.0.1:9000 /=respond:Hello, World!"},
		{"empty respond", m.flags("respond", ""), "127.0.0.1:8080 /=respond:"},
		{"root from the working directory", m.flags("root", "./public"),
			"127.0.0.1:8080 /=static:" + m.dir + "/public"},
		{"command", command(m.flags("workers", "3", "listen", ":1", "listen", "unix:a"), "python3", "x"),
			":1 unix:" + m.dir + "/a /=pool:default default:3:[python3 x]:"},
		{"demo", m.flags(), "127.0.0.1:8080 /=handler:demo /worker=pool:demo demo:2:[]:demo-worker"},
		{"demo, more workers", m.flags("workers", "5", "listen", "[::1]:0"),
			"[::1]:0 /=handler:demo /worker=pool:demo demo:5:[]:demo-worker"},
		{"application", app(m.flags()), "127.0.0.1:8080 /=handler:shop-api"},
		{"application in workers", app(m.flags("hosting", "out-of-process", "workers", "2")),
			"127.0.0.1:8080 /=pool:default default:2:[]:shop-api"},
		{"listen by environment", Sources{Dir: m.dir, CPUs: 1, Flags: []FlagValue{{"respond", "x"}},
			Environ: []string{"WEIR_LISTEN=:1, :2", "WEIR_ROOT=/nowhere", "WEIR_UNKNOWN=1"}},
			":1 :2 /=respond:x"},
		{"the command line's content hides the environment's", Sources{Dir: m.dir, CPUs: 1,
			Command: []string{"python3"}, Environ: append([]string{"WEIR_CONFIG=x"}, m.environ...)},
			"127.0.0.1:8080 /=pool:default default:1:[python3]:"},
	} {
		if got := summary(&mustLoad(t, tt.s).Config); got != tt.want {
			t.Errorf("%s: got %s; want %s", tt.desc, got, tt.want)
		}
	}
}

func summary(c *Config) string {
	var out []string
	for _, l := range c.Listeners {
		out = append(out, l.Address)
	}
	for _, s := range c.Sites {
		for _, a := range s.Apps {
			what := map[AppKind]string{AppPool: a.Pool, AppStatic: a.Static.Root,
				AppRespond: a.Respond.Body, AppHandler: a.Handler}[a.Kind()]
			out = append(out, a.Prefix+"="+string(a.Kind())+":"+what)
		}
	}
	for _, p := range c.Pools {
		out = append(out, p.Name+":"+p.Workers.String()+":["+strings.Join(p.Command, " ")+"]:"+p.Handler)
	}
	return strings.Join(out, " ")
}

func TestSet(t *testing.T) {
	m := newMachine(t)
	s := m.file(shop)
	s.Set = []string{
		"pools.shop.workers=7",
		`listeners.":8080".backlog=64`,
		`sites.shop.apps."/ping".respond.body=a: b`,
		"sites.shop.middleware=[request-id]",
		"pools.shop.env.set.LOG_LEVEL=debug",
		"pools.shop.env.set.MORE=x=y",
		"trusted_proxies=[]",
	}
	c := mustLoad(t, s).Config
	p, _ := c.Pool("shop")
	for _, tt := range []struct {
		desc      string
		got, want any
	}{
		{"workers", p.Workers, FixedWorkers(7)},
		{"backlog", c.Listeners[0].Backlog, 64},
		{"text is taken as it is", c.Sites[0].Apps[3].Respond.Body, "a: b"},
		{"lists are replaced", len(c.Sites[0].Middleware), 1},
		{"mappings are merged", p.Env.Set, map[string]string{"LOG_LEVEL": "debug", "MORE": "x=y"}},
		{"empty list", len(c.TrustedProxies), 0},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: got %v; want %v", tt.desc, tt.got, tt.want)
		}
	}
}

func TestAnchors(t *testing.T) {
	m := newMachine(t)
	c := mustLoad(t, m.file("sites:\n  a: {bindings: [':1'], apps: &x {/: {respond: {body: hi}}}}\n"+
		"  b: {bindings: [':2'], apps: *x}\n")).Config
	if got := summary(&c); got != ":1 :2 /=respond:hi /=respond:hi" {
		t.Errorf("aliases: got %s", got)
	}
}

// A front is told how requests are routed and balanced, and nothing of how workers are run.
func TestForFront(t *testing.T) {
	c := mustLoad(t, newMachine(t).file(`sidecars: {cache: {command: [python3, s3cret]}}
pools:
  p:
    command: [python3, s3cret]
    dir: .
    env: {inherit: false, set: {KEY: s3cret}, keep: [s3cret]}
    hang: {after: 7s, hook: [sh, s3cret]}
    rapid_fail: {answer: reset, hook: [sh, s3cret]}
    recycle: {files: [s3cret]}
    after: [cache]
    queue: {length: 77}
    workers: 3
`+site("/: {pool: p}"))).Config
	j, err := json.Marshal(c.ForFront())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(j), "s3cret") || strings.Contains(string(j), "python3") {
		t.Errorf("a front is told %s", j)
	}
	var back Config
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	got, want := back.Pools[0], c.Pools[0]
	if got.Queue != want.Queue || got.Workers != want.Workers || got.Hang.After != want.Hang.After ||
		got.RapidFail.Answer != want.RapidFail.Answer || !reflect.DeepEqual(back.Sites, c.Sites) {
		t.Errorf("a front is told of pool %+v, sites %+v; want those of %+v, %+v", got, back.Sites, want,
			c.Sites)
	}
	if want.Env.Set["KEY"] != "s3cret" {
		t.Error("the configuration itself has changed")
	}
}
