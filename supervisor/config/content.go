package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// pickContent finds what is to be served: exactly one of --config, --respond, --root and a command,
// else the program's own application, else the demo. Flags win over the environment.
func (l *loader) pickContent() {
	of := func(layer []given) (out []given) {
		for _, g := range layer {
			if g.flag.Group == GroupContent {
				out = append(out, g)
			}
		}
		return out
	}
	picked := of(l.flags)
	if len(l.s.Command) > 0 {
		picked = append(picked, given{flag: Flag{Name: "command"},
			origin: Origin{Kind: FromContent, Name: "-- " + l.s.Command[0]}})
	}
	if l.s.File != "" && len(picked) == 0 {
		picked = append(picked, given{flag: Flag{Name: "config"}, values: []string{l.s.File},
			origin: Origin{Kind: FromContent, Name: "--config"}})
	}
	if len(picked) == 0 {
		picked = of(l.env)
	} else { // content of the environment is hidden by that of the command line
		l.env = slices.DeleteFunc(l.env, func(g given) bool { return g.flag.Group == GroupContent })
	}
	if len(picked) > 1 {
		var names []string
		for _, g := range picked {
			names = append(names, g.name())
		}
		l.errs = append(l.errs, &Error{
			Message:  strings.Join(names, " and ") + " are given together",
			Expected: "exactly one of --config FILE, --respond TEXT, --root DIR, -- command",
		})
		return
	}
	l.build(picked)
	l.refuse()
}

// checkFlagNames refuses flags that the table does not have, and collects --set.
func (l *loader) checkFlagNames() {
	var known []string
	for _, f := range flagTable {
		known = append(known, "--"+f.Name)
	}
	l.s.Set = slices.Clone(l.s.Set)
	for _, v := range l.s.Flags {
		if v.Name == "set" {
			l.s.Set = append(l.s.Set, v.Value)
		}
		if name := "--" + v.Name; !slices.Contains(known, name) {
			l.add(Origin{Kind: FromFlag, Name: name}, "", "is not a flag", "", nearest(name, known))
		}
	}
}

// build makes the site and the pool that go with the content.
func (l *loader) build(picked []given) {
	kind := "app"
	if len(picked) == 1 {
		kind = picked[0].flag.Name
		l.src = Origin{Kind: FromContent, Name: picked[0].name()}
		l.content = picked[0].name()
	}
	switch kind {
	case "config":
		l.file, l.content = picked[0].values[len(picked[0].values)-1], ""
		return
	case "command":
		l.pool = DefaultName
		l.put(listNode(l.s.Command), "pools", DefaultName, "command")
		l.put(textNode(DefaultName), "sites", DefaultName, "apps", "/", "pool")
	case "app":
		l.buildApp()
	}
	src := l.src
	l.src = Origin{Kind: FromDefault}
	l.put(listNode([]string{DefaultListen}), "sites", DefaultName, "bindings")
	l.src = src
}

func (l *loader) buildApp() {
	if l.s.App == "" {
		l.content, l.pool = "the demo", DemoPool
		l.src = Origin{Kind: FromContent, Name: l.content}
		l.put(textNode("2"), "pools", DemoPool, "workers")
		l.put(textNode(DemoHandler), "sites", DefaultName, "apps", "/", "handler")
		l.put(textNode(DemoWorkerHandler), "sites", DefaultName, "apps", "/worker", "handler")
		l.put(textNode(DemoPool), "sites", DefaultName, "apps", "/worker", "pool")
		return
	}
	l.content = "the application"
	l.src = Origin{Kind: FromContent, Name: l.content}
	l.put(textNode(l.s.App), "sites", DefaultName, "apps", "/", "handler")
	if l.hosting() == hostingModes[1] {
		l.pool = DefaultName
		l.put(textNode(DefaultName), "sites", DefaultName, "apps", "/", "pool")
		l.put(&yaml.Node{Kind: yaml.MappingNode}, "pools", DefaultName)
	}
}

// hosting is the value of --hosting, "" when not given.
func (l *loader) hosting() string {
	for _, g := range append(slices.Clone(l.flags), l.env...) {
		if g.flag.Name == "hosting" {
			return g.values[len(g.values)-1]
		}
	}
	return ""
}

// spoken are the modes that a program has to know of.
var spoken = []Dispatch{DispatchMux, DispatchHandoff}

// refuse rejects flags that describe what the content does not have; they are not bound.
func (l *loader) refuse() {
	refused := func(g given) bool {
		before := len(l.errs)
		switch {
		case g.flag.Group != GroupSite && g.flag.Group != GroupPool:
		case l.file != "":
			l.refuseWithFile(g)
		case g.flag.Name == "hosting":
			l.checkHosting(g)
		case g.flag.Group == GroupPool && l.pool == "":
			l.add(g.origin, "", "describes a pool, and "+l.content+" has none",
				"it only with -- command", "")
		case g.flag.Name == "dispatch" && len(l.s.Command) > 0 &&
			slices.Contains(spoken, Dispatch(g.values[len(g.values)-1])):
			l.add(g.origin, "", fmt.Sprintf("%q: %s is not known to speak it", g.values[len(g.values)-1],
				l.s.Command[0]),
				"http; for a program of package worker name it in a file, as pools.*.dispatch", "")
		case g.flag.Name == "dispatch" && len(l.s.Command) > 0 &&
			g.values[len(g.values)-1] == string(DispatchReuseport):
			l.add(g.origin, "", fmt.Sprintf("%q: %s cannot take a site over", DispatchReuseport,
				l.s.Command[0]), "http: only handlers of this program can", "")
		}
		return len(l.errs) > before
	}
	l.env, l.flags = slices.DeleteFunc(l.env, refused), slices.DeleteFunc(l.flags, refused)
}

// refuseWithFile names the --set that does what the flag would do.
func (l *loader) refuseWithFile(g given) {
	what := map[FlagGroup]string{GroupSite: "a site", GroupPool: "a pool"}[g.flag.Group]
	set := "sites.SITE.apps.PREFIX.pool=POOL"
	value := strings.Join(g.values, ", ")
	switch {
	case g.flag.Group == GroupSite:
		set = fmt.Sprintf("sites.SITE.bindings='[%s]'", quoteAll(g.values))
	case g.flag.Key != "":
		set = strings.Replace(g.flag.Key, "pools.default", "pools.POOL", 1) + "=" + value
	}
	l.add(g.origin, "", "describes "+what+", and the file given by --config does that",
		"", "--set "+set)
}

func quoteAll(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(out, ", ")
}

func (l *loader) checkHosting(g given) {
	mode := g.values[len(g.values)-1]
	switch {
	case !slices.Contains(hostingModes, mode):
		l.add(g.origin, "", fmt.Sprintf("%q is not known", mode), listed(hostingModes),
			nearest(mode, hostingModes))
	case l.content == "the demo":
		l.add(g.origin, "", "the demo runs both ways at once", "it only with an application", "")
	case l.content == "the application":
	case len(l.s.Command) > 0 && mode == hostingModes[0]:
		l.add(g.origin, "", fmt.Sprintf("%s cannot run in-process", l.s.Command[0]),
			"out-of-process: only Go handlers of this program run in-process", "")
	case l.pool == "" && mode == hostingModes[1]:
		l.add(g.origin, "", l.content+" is answered in-process", "in-process", "")
	}
}

// put binds one value below the root in the current layer.
func (l *loader) put(n *yaml.Node, segments ...string) {
	l.bind(path{}, nest(segments, n), reflect.ValueOf(&l.c).Elem())
}

// bindFlag binds the values of a flag or of its variable.
func (l *loader) bindFlag(g given, root reflect.Value) {
	if g.flag.Key == "" {
		return
	}
	key := g.flag.Key
	if l.pool != "" {
		key = strings.Replace(key, "pools.default.", "pools."+l.pool+".", 1)
	}
	segments, _, _, err := splitPath(key)
	if err != nil {
		panic("config: key of flag " + g.flag.Name + ": " + err.Error())
	}
	values := g.values
	if g.flag.Repeatable {
		values = slices.Collect(strings.SplitSeq(strings.Join(values, ","), ","))
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
	} else if len(values) > 1 && g.origin.Kind == FromFlag {
		l.add(g.origin, "", "is given twice", "it once", "")
		return
	}
	n := textNode(values[0])
	if g.flag.Repeatable {
		n = listNode(values)
	}
	l.src = g.origin
	l.bind(path{}, nest(segments, n), root)
}

// bindSet binds one key.path=value.
func (l *loader) bindSet(s string, root reflect.Value) {
	segments, value, ok, err := splitPath(s)
	l.src = Origin{Kind: FromFlag, Name: "--set"}
	if err != nil || !ok {
		message := fmt.Sprintf("%q has no =", s)
		if err != nil {
			message = fmt.Sprintf("%q %v", s, err)
		}
		l.add(l.src, "", message, "key.path=value", "")
		return
	}
	l.src = Origin{Kind: FromSet}
	n := textNode(value)
	if t := typeAt(segments); t == nil || isGroup(t) || t.Kind() == reflect.Slice ||
		t.Kind() == reflect.Map || isForm(t) && strings.HasPrefix(value, "{") {
		n = parseValue(value)
	}
	l.bind(path{}, nest(segments, n), root)
}

// typeAt is the type of the value at a key path, nil when there is no such key.
func typeAt(segments []string) reflect.Type {
	t := reflect.TypeFor[Config]()
	for _, s := range segments {
		switch {
		case isNamedList(t):
			t = t.Elem()
		case isGroup(t):
			i := slices.IndexFunc(fields(t), func(f field) bool { return f.name == s })
			if i < 0 {
				return nil
			}
			t = t.Field(fields(t)[i].index).Type
		case t.Kind() == reflect.Map:
			t = t.Elem()
		default:
			return nil
		}
	}
	return t
}
