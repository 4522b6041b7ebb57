package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// Registry says which middleware and handlers exist. The root package fills it.
type Registry interface {
	// Middleware returns the options struct of a middleware, by value, holding its defaults; nil for
	// one without options. Its fields are named by their yaml tag, else their json tag, else the
	// field's name in snake case. If the struct or a pointer to it has Validate() error, that is
	// asked.
	Middleware(name string) (optionsPrototype any, ok bool)
	MiddlewareNames() []string
	Handler(name string) bool
}

// nothing is the registry of a program without middleware or handlers.
type nothing struct{}

func (nothing) Middleware(string) (any, bool) { return nil, false }
func (nothing) MiddlewareNames() []string     { return nil }
func (nothing) Handler(string) bool           { return false }

// bindMiddleware binds NAME or {use: NAME, OPTION: VALUE}.
func (b *binder) bindMiddleware(p path, n *yaml.Node, m *Middleware) bool {
	opts := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	at := n
	switch {
	case n.Kind == yaml.ScalarNode && !isNull(n):
		m.Name = n.Value
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k, v := n.Content[i], n.Content[i+1]; k.Value == "use" && v.Kind == yaml.ScalarNode {
				m.Name, at = v.Value, v
			} else {
				opts.Content = append(opts.Content, k, v)
			}
		}
	}
	if m.Name == "" {
		b.fail(p, n, "names no middleware", "NAME or {use: NAME, OPTION: VALUE}", "")
		return false
	}
	proto, ok := b.reg.Middleware(m.Name)
	if !ok {
		names := slices.Sorted(slices.Values(b.reg.MiddlewareNames()))
		b.fail(p, at, fmt.Sprintf("unknown middleware %q", m.Name), listed(names),
			nearest(m.Name, names))
		return false
	}
	return b.bindOptions(p, at, opts, proto, m)
}

func (b *binder) bindOptions(p path, at, opts *yaml.Node, proto any, m *Middleware) bool {
	if proto == nil {
		if len(opts.Content) > 0 {
			b.fail(p, opts.Content[0], fmt.Sprintf("middleware %q has no options", m.Name), "", "")
		}
		return len(opts.Content) == 0
	}
	before := len(b.errs)
	v := reflect.New(reflect.TypeOf(proto))
	v.Elem().Set(reflect.ValueOf(proto))
	for v.Elem().Kind() == reflect.Pointer { // a prototype by pointer is copied, never written
		c := reflect.New(v.Elem().Type().Elem())
		c.Elem().Set(v.Elem().Elem())
		v = c
	}
	b.bindOption(p, opts, v.Elem())
	if len(b.errs) > before {
		return false
	}
	if c, ok := v.Interface().(interface{ Validate() error }); ok {
		if err := c.Validate(); err != nil {
			b.fail(p, at, fmt.Sprintf("middleware %q: %v", m.Name, err), "", "")
			return false
		}
	}
	raw, err := json.Marshal(v.Interface())
	if err != nil { // a field of a type without JSON form that its struct does not exclude
		b.fail(p, at, fmt.Sprintf("middleware %q: its options cannot be sent to a front: %v", m.Name,
			err), "", "")
		return false
	}
	m.Options = raw
	b.options[p.key] = opts
	return true
}

// optionName is the key of an options struct's field, "" when it has none.
func optionName(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	for _, tag := range []string{"yaml", "json"} {
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		if name == "-" {
			return ""
		}
		if name != "" {
			return name
		}
	}
	return snake(f.Name)
}

// snake turns MaxBodySize into max_body_size, and HTTPOnly into http_only.
func snake(s string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(s) && s[i] >= 'A' && s[i] <= 'Z' }
	for i := range len(s) {
		if upper(i) && i > 0 && (!upper(i-1) || i+1 < len(s) && !upper(i+1)) {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(s[i : i+1]))
	}
	return b.String()
}
