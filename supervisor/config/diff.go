package config

import (
	"reflect"
	"slices"
	"strings"
)

// Changes is what a reload has to do, each list in the order of the configurations.
type Changes struct {
	Listeners ThingChanges `json:"listeners"` // names are canonical addresses
	Sites     ThingChanges `json:"sites"`
	Sidecars  ThingChanges `json:"sidecars"`
	Pools     ThingChanges `json:"pools"`
	Process   []KeyChange  `json:"process"` // every other key
}

// ThingChanges are the changes of one list of named things.
type ThingChanges struct {
	Added   []string      `json:"added"`
	Removed []string      `json:"removed"`
	Changed []ThingChange `json:"changed"`
}

// ThingChange is one thing that is in both configurations and differs.
type ThingChange struct {
	Name string      `json:"name"`
	Keys []KeyChange `json:"keys"`
	// Workers: the change is in what a worker is started with, so its workers must be replaced.
	Workers bool `json:"workers"`
}

// KeyChange is one value that differs, old and new as a file would say them; "" where it is not.
type KeyChange struct {
	Key    string `json:"key"`
	Old    string `json:"old"`
	New    string `json:"new"`
	Reload Reload `json:"reload"` // its cost; Restart: the running instance keeps the old value
}

// IsEmpty reports that nothing differs.
func (c Changes) IsEmpty() bool {
	return c.Listeners.isEmpty() && c.Sites.isEmpty() && c.Sidecars.isEmpty() &&
		c.Pools.isEmpty() && len(c.Process) == 0
}

func (t ThingChanges) isEmpty() bool {
	return len(t.Added)+len(t.Removed)+len(t.Changed) == 0
}

// NeedRestart lists the keys whose new values wait for the next start.
func (c Changes) NeedRestart() []string {
	var out []string
	for _, k := range c.Process {
		if k.Reload == Restart {
			out = append(out, k.Key)
		}
	}
	return out
}

// Diff compares two resolved configurations.
func Diff(old, updated *Config) Changes {
	a, b := flatten(old), flatten(updated)
	c := Changes{
		Listeners: things(names(old.Listeners), names(updated.Listeners)),
		Sites:     things(names(old.Sites), names(updated.Sites)),
		Sidecars:  things(names(old.Sidecars), names(updated.Sidecars)),
		Pools:     things(names(old.Pools), names(updated.Pools)),
	}
	lists := map[string]*ThingChanges{
		"listeners": &c.Listeners, "sites": &c.Sites, "sidecars": &c.Sidecars, "pools": &c.Pools,
	}
	for _, key := range mergedKeys(a, b) {
		x, y := a.values[key], b.values[key]
		if x.text == y.text {
			continue
		}
		v := y
		if v.pattern == "" {
			v = x
		}
		change := KeyChange{Key: key, Old: x.text, New: y.text, Reload: cost(v.pattern)}
		if list := lists[v.list]; list != nil {
			list.change(v.name, change)
			continue
		}
		c.Process = append(c.Process, change)
	}
	return c
}

// cost is the row's; a pool's derived program and handler are part of what its workers are.
func cost(pattern string) Reload {
	if k := row(pattern); k != nil {
		return k.Reload
	}
	return Workers
}

func (t *ThingChanges) change(name string, k KeyChange) {
	if slices.Contains(t.Added, name) || slices.Contains(t.Removed, name) {
		return
	}
	i := slices.IndexFunc(t.Changed, func(c ThingChange) bool { return c.Name == name })
	if i < 0 {
		i = len(t.Changed)
		t.Changed = append(t.Changed, ThingChange{Name: name})
	}
	t.Changed[i].Keys = append(t.Changed[i].Keys, k)
	t.Changed[i].Workers = t.Changed[i].Workers || k.Reload == Workers
}

func things(old, updated []string) ThingChanges {
	var t ThingChanges
	for _, n := range updated {
		if !slices.Contains(old, n) {
			t.Added = append(t.Added, n)
		}
	}
	for _, n := range old {
		if !slices.Contains(updated, n) {
			t.Removed = append(t.Removed, n)
		}
	}
	return t
}

func names[T any](list []T) []string {
	at := nameField(reflect.TypeFor[T]())
	out := make([]string, len(list))
	for i := range list {
		out[i] = reflect.ValueOf(&list[i]).Elem().Field(at).String()
	}
	return out
}

type flatValue struct {
	text, pattern string
	list, name    string // of the named thing it belongs to
}

type flat struct {
	order  []string
	values map[string]flatValue
}

// flatten lists every value of c by key path.
func flatten(c *Config) flat {
	f := flat{values: map[string]flatValue{}}
	put := func(p path, text string) {
		v := flatValue{text: text, pattern: p.pattern}
		if list, rest, ok := strings.Cut(p.pattern, ".*"); ok && rest != "" {
			v.list = list
			if segments, _, _, err := splitPath(p.key); err == nil && len(segments) > 1 {
				v.name = segments[1]
			}
		}
		f.order = append(f.order, p.key)
		f.values[p.key] = v
	}
	walk(c, func(p path, v reflect.Value) { put(p, text(row(p.pattern), v)) })
	for _, s := range c.Sidecars {
		put(path{}.child("sidecars").element(s.Name).child("program"), s.Program)
	}
	for _, pool := range c.Pools {
		p := path{}.child("pools").element(pool.Name)
		put(p.child("program"), pool.Program)
		put(p.child("handler"), pool.Handler)
	}
	return f
}

func mergedKeys(a, b flat) []string {
	out := slices.Clone(b.order)
	for _, k := range a.order {
		if _, ok := b.values[k]; !ok {
			out = append(out, k)
		}
	}
	return out
}
