package config

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// walk calls f for every value of c that a key stands for, in the order of the schema.
func walk(c *Config, f func(p path, v reflect.Value)) {
	var visit func(p path, v reflect.Value)
	visit = func(p path, v reflect.Value) {
		t := v.Type()
		switch {
		case isNamedList(t):
			at := nameField(t.Elem())
			for i := range v.Len() {
				e := v.Index(i)
				visit(p.element(e.Field(at).String()), e)
			}
		case isGroup(t):
			for _, k := range fields(t) {
				visit(p.child(k.name), v.Field(k.index))
			}
		default:
			f(p, v)
		}
	}
	visit(path{}, reflect.ValueOf(c).Elem())
}

// text prints a value as a file would say it, lists in flow form.
func text(k *Key, v reflect.Value) string {
	switch x := v.Interface().(type) {
	case bool:
		return switchText(k, x)
	case Switch:
		return switchText(k, !x.IsOff())
	case fmt.Stringer:
		return x.String()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int:
		return fmt.Sprint(v.Int())
	}
	if v.Len() == 0 {
		return map[reflect.Kind]string{reflect.Slice: "[]", reflect.Map: "{}"}[v.Kind()]
	}
	j, err := json.Marshal(v.Interface())
	if err != nil {
		panic(fmt.Sprintf("config: %s: %v", k.Path, err))
	}
	return string(j)
}

// switchText is on/off or true/false, as the row says.
func switchText(k *Key, on bool) string {
	words := [2]string{"true", "false"}
	if len(k.Values) == 2 {
		words = [2]string{k.Values[0], k.Values[1]}
	}
	if on {
		return words[0]
	}
	return words[1]
}

// applies reports whether a value has a meaning where it stands: a TCP listener has no mode, an app
// without a fixed response no status.
func (l *Loaded) applies(p path, v reflect.Value) bool {
	if !l.inMode(p) {
		return false
	}
	switch p.pattern {
	case "sites.*.apps.*.timeouts.connect", "sites.*.apps.*.timeouts.first_byte",
		"sites.*.apps.*.timeouts.idle", "sites.*.apps.*.timeouts.total",
		"sites.*.apps.*.timeouts.tunnel",
		"sites.*.apps.*.respond.status", "sites.*.apps.*.respond.content_type",
		"sites.*.apps.*.respond.body":
		_, given := l.origins[p.key]
		return given
	case "sites.*.apps.*.priority", "sites.*.apps.*.connect":
		o, given := l.origins[p.key]
		return given && o.Kind != FromDefault
	case "sites.*.apps.*.pool", "sites.*.apps.*.handler", "sites.*.apps.*.static.root",
		"listeners.*.mode", "listeners.*.owner", "listeners.*.group":
		return !v.IsZero()
	}
	return true
}
