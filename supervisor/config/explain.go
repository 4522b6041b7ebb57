package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// Explained is one key with all there is to say about it.
type Explained struct {
	Key      string `json:"key"`
	Value    string `json:"value"` // as a file would say it
	Default  string `json:"default"`
	Origin   string `json:"origin"`
	Expected string `json:"expected"`       // accepted words, or unit
	With     string `json:"with,omitempty"` // the pools that it is for; "" = all, or all with workers
	Reload   string `json:"reload"`         // cost of a change: live, workers, restart
	Doc      string `json:"doc"`
}

// Explain tells about a key, or about all keys below one; "" is everything. The error of an unknown
// key says what was probably meant.
func Explain(l *Loaded, key string) ([]Explained, error) {
	var out []Explained
	var known []string
	walk(&l.Config, func(p path, v reflect.Value) {
		if !l.applies(p, v) {
			return
		}
		known = append(known, p.key)
		if key == "" || p.key == key || strings.HasPrefix(p.key, key+".") {
			k := row(p.pattern)
			out = append(out, Explained{
				Key: p.key, Value: text(k, v), Default: k.Default, Origin: l.origins[p.key].String(),
				Expected: k.Expected(), With: with(p.pattern), Reload: k.Reload.String(), Doc: k.Doc,
			})
		}
	})
	if out == nil {
		e := &Error{Message: fmt.Sprintf("unknown key %q", key), Suggestion: nearest(key, known)}
		return nil, e
	}
	return out, nil
}

// Text is the form for people.
func (e Explained) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n  from:    %s\n", e.Key, e.Value, e.Origin)
	if e.Default != "" {
		fmt.Fprintf(&b, "  default: %s\n", e.Default)
	}
	fmt.Fprintf(&b, "  takes:   %s\n", e.Expected)
	if e.With != "" {
		fmt.Fprintf(&b, "  with:    %s\n", e.With)
	}
	switch e.Reload {
	case Workers.String():
		b.WriteString("  reload:  replaces the pool's workers\n")
	case Restart.String():
		b.WriteString("  reload:  needs a restart\n")
	}
	fmt.Fprintf(&b, "  %s\n", e.Doc)
	return b.String()
}

// ExplainYAML is the whole configuration as a file, each value with its origin as a comment.
// Loading it gives the same configuration.
func ExplainYAML(l *Loaded) []byte {
	doc := l.node(path{}, reflect.ValueOf(&l.Config).Elem())
	if doc == nil {
		return []byte("{}\n")
	}
	out, err := yaml.Dump(doc, yaml.WithLineWidth(-1))
	if err != nil {
		panic(fmt.Sprintf("config: explain: %v", err))
	}
	return out
}

// node is the YAML form of v, nil when there is nothing to say.
func (l *Loaded) node(p path, v reflect.Value) *yaml.Node {
	t := v.Type()
	n := &yaml.Node{Kind: yaml.MappingNode}
	put := func(name string, val *yaml.Node) {
		if val != nil {
			n.Content = append(n.Content, wordNode(name), val)
		}
	}
	switch {
	case isNamedList(t):
		for i := range v.Len() {
			name := v.Index(i).Field(nameField(t.Elem())).String()
			put(name, l.node(p.element(name), v.Index(i)))
		}
	case isGroup(t):
		for _, k := range fields(t) {
			put(k.name, l.node(p.child(k.name), v.Field(k.index)))
		}
	default:
		return l.leaf(p, v)
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

// leaf is the YAML form of one value with its origin; unset values without a default are left out.
func (l *Loaded) leaf(p path, v reflect.Value) *yaml.Node {
	if !l.applies(p, v) {
		return nil
	}
	_, given := l.origins[p.key]
	k := row(p.pattern)
	empty := v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
	if !given && v.Kind() != reflect.Bool && empty {
		return nil
	}
	var n *yaml.Node
	switch v.Kind() {
	case reflect.Slice:
		n = l.listYAML(p, v)
	case reflect.Map:
		n = mapYAML(v.Interface().(map[string]string))
	case reflect.Struct:
		n = formYAML(v.Addr().Interface().(form))
	default:
		n = wordNode(text(k, v))
	}
	n.LineComment = "# " + l.origins[p.key].String()
	if n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
	return n
}

func (l *Loaded) listYAML(p path, v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range v.Len() {
		switch x := v.Index(i).Interface().(type) {
		case Binding:
			n.Content = append(n.Content, bindingYAML(x))
		case Middleware:
			n.Content = append(n.Content, l.middlewareYAML(p.index(i).key, x))
		case Warmup:
			n.Content = append(n.Content, formYAML(&x))
		default:
			n.Content = append(n.Content, wordNode(fmt.Sprint(x)))
		}
	}
	return n
}

func bindingYAML(b Binding) *yaml.Node {
	words := []string{"address", b.Address, "host", b.Host}
	if b.Mode != 0 {
		words = append(words, "mode", b.Mode.String())
	}
	if b.Owner != "" {
		words = append(words, "owner", b.Owner)
	}
	if b.Group != "" {
		words = append(words, "group", b.Group)
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, w := range words {
		n.Content = append(n.Content, wordNode(w))
	}
	return n
}

func (l *Loaded) middlewareYAML(key string, m Middleware) *yaml.Node {
	opts := l.options[key]
	if opts == nil || len(opts.Content) == 0 {
		return wordNode(m.Name)
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	n.Content = append([]*yaml.Node{wordNode("use"), wordNode(m.Name)}, plain(opts).Content...)
	return n
}

// plain copies a node without aliases, anchors and comments.
func plain(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value}
	if n.Kind != yaml.ScalarNode {
		out.Style = yaml.FlowStyle
	} else if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|
		yaml.FoldedStyle) != 0 {
		out.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		out.Content = append(out.Content, plain(c))
	}
	return out
}

func mapYAML(m map[string]string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		n.Content = append(n.Content, wordNode(name), wordNode(m[name]))
	}
	return n
}

// wordNode is text that reads back as itself. Bare words are those that no YAML version takes for
// anything that this schema's walker would refuse: it reads on, 30s and 0660 as text.
func wordNode(s string) *yaml.Node {
	const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./"
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: s}
	for i := range len(s) {
		if !strings.Contains(bare, s[i:i+1]) {
			n.Style = yaml.DoubleQuotedStyle
		}
	}
	if s == "" || s == "-" || strings.HasPrefix(s, "--") || strings.EqualFold(s, "null") ||
		len(s) > 1 && s[0] == '0' && isNumber(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	if n.Style != 0 {
		n.Tag = "!!str"
	}
	return n
}
