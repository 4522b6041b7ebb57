package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
)

// field is one key of a struct of the schema.
type field struct {
	name  string
	index int
}

var (
	bindingType = reflect.TypeFor[Binding]()
	prefixType  = reflect.TypeFor[netip.Prefix]()
)

// fields lists t's keys in order, without the name and derived fields.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("config") != "" {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, field{name, i})
	}
	return out
}

// nameField is the index of the field that holds the name of a named thing, -1 for other structs.
func nameField(t reflect.Type) int {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("config") == "name" {
			return i
		}
	}
	return -1
}

// isNamedList reports a slice of named structs, a mapping in the file.
func isNamedList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && nameField(t.Elem()) >= 0
}

// isGroup reports a struct whose fields are keys.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != prefixType && !isForm(t)
}

// leafTypes is every key path of Config with the type of its value.
func leafTypes() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	var visit func(p path, t reflect.Type)
	visit = func(p path, t reflect.Type) {
		switch {
		case isNamedList(t):
			visit(p.element("x"), t.Elem())
		case isGroup(t):
			for _, f := range fields(t) {
				visit(p.child(f.name), t.Field(f.index).Type)
			}
		default:
			out[p.pattern] = t
			parts, items := t, p
			if t.Kind() == reflect.Slice {
				parts, items = t.Elem(), p.index(0)
			}
			if parts == bindingType || isForm(parts) {
				for _, f := range fields(parts) {
					visit(items.child(f.name), parts.Field(f.index).Type)
				}
			}
		}
	}
	visit(path{}, reflect.TypeFor[Config]())
	return out
}

// expectation says in words what a value of type t must be.
func (k *Key) expectation(t reflect.Type) string {
	if k.expected != "" {
		return k.orSpecial(k.expected)
	}
	if k.Values != nil {
		return listed(k.Values)
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return k.orSpecial("a duration such as 30s")
	case reflect.TypeFor[Size]():
		return k.orSpecial("a size such as 64KiB")
	case reflect.TypeFor[Rate]():
		return k.orSpecial("a rate such as 240B/s")
	case reflect.TypeFor[Percent]():
		return k.orSpecial("a share such as 10%")
	case reflect.TypeFor[LineRate]():
		return k.orSpecial("a rate such as 10000/s")
	case reflect.TypeFor[Frequency]():
		return k.orSpecial("a rate such as 10/s")
	case reflect.TypeFor[Mode]():
		return `an octal mode such as "0660"`
	case reflect.TypeFor[Count](), reflect.TypeFor[int]():
		return k.orSpecial(k.bounds())
	case reflect.TypeFor[[]netip.Prefix]():
		return "a list of networks such as 10.0.0.0/8"
	}
	panic(fmt.Sprintf("config: key %s of type %v says not what it expects", k.Path, t))
}

// namedAt is the element of the named list v called name, appended with its defaults if there is
// none.
func namedAt(v reflect.Value, name string, defaults func(reflect.Value)) reflect.Value {
	at := nameField(v.Type().Elem())
	for i := range v.Len() {
		if v.Index(i).Field(at).String() == name {
			return v.Index(i)
		}
	}
	e := reflect.New(v.Type().Elem()).Elem()
	e.Field(at).SetString(name)
	defaults(e)
	v.Set(reflect.Append(v, e))
	return v.Index(v.Len() - 1)
}
