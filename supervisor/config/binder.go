package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// binder is the one walker: it puts trees of YAML nodes, one per layer, into a Config. Later layers
// win: scalars and lists are replaced, mappings are merged.
type binder struct {
	reg     Registry
	src     Origin            // layer; line and column are added per node
	origins map[string]Origin // by concrete key path, values and groups
	options map[string]*yaml.Node
	errs    Errors
	nodes   int // visited, aliases expanded
	depth   int
}

func newBinder(reg Registry) *binder {
	return &binder{reg: reg, origins: map[string]Origin{}, options: map[string]*yaml.Node{}}
}

// at is the place of a node in the layer being bound.
func (b *binder) at(n *yaml.Node) Origin {
	o := b.src
	if o.Kind == FromFile {
		o.Line, o.Column = n.Line, n.Column
	}
	return o
}

func (b *binder) fail(p path, n *yaml.Node, message, expected, suggestion string) {
	e := b.at(n).errorAt(p.key)
	e.Message, e.Expected, e.Suggestion = message, expected, suggestion
	b.errs = append(b.errs, e)
}

// enter resolves aliases and counts nodes; false: too many or too deep, already reported.
func (b *binder) enter(p path, n *yaml.Node) (*yaml.Node, bool) {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	b.nodes++
	if b.nodes == nodesMax || b.depth == depthMax && b.nodes < nodesMax {
		b.fail(p, n, "aliases expand to too many or too deeply nested values",
			fmt.Sprintf("at most %d, %d deep", nodesMax, depthMax), "")
	}
	if b.nodes >= nodesMax || b.depth >= depthMax {
		return n, false
	}
	b.depth++
	return n, true
}

func (b *binder) leave() { b.depth-- }

// bind puts n at p into v.
func (b *binder) bind(p path, n *yaml.Node, v reflect.Value) {
	n, ok := b.enter(p, n)
	if !ok {
		return
	}
	defer b.leave()
	t := v.Type()
	switch {
	case isNamedList(t):
		b.bindNamed(p, n, v)
	case isForm(t):
		b.bindForm(p, n, v)
	case isGroup(t):
		b.bindGroup(p, n, v)
	case t.Kind() == reflect.Map:
		b.bindWords(p, n, v)
	case t.Kind() == reflect.Slice:
		b.bindList(p, n, v)
	default:
		if b.bindScalar(p, n, v) {
			b.origins[p.key] = b.at(n)
		}
	}
}

// members calls f for each entry of the mapping n; duplicates and bad keys are reported.
func (b *binder) members(
	p path, n *yaml.Node, expected string, f func(name string, k, v *yaml.Node),
) {
	if n.Kind != yaml.MappingNode {
		b.fail(p, n, "is "+describe(n), expected, "")
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			b.fail(p, k, "has a key that is "+describe(k), "a name", "")
			continue
		}
		if k.Value == "<<" && k.Style == 0 {
			b.fail(p, k, "merge keys (<<) are not part of this schema", "plain keys", "")
			continue
		}
		if first := seen[k.Value]; first != nil {
			b.fail(p, k, fmt.Sprintf("has the key %q twice (first in line %d)", k.Value, first.Line), "", "")
			continue
		}
		seen[k.Value] = k
		f(k.Value, k, v)
	}
}

func (b *binder) bindGroup(p path, n *yaml.Node, v reflect.Value) {
	all := fields(v.Type())
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	expected := "a mapping of " + strings.Join(names, ", ")
	b.members(p, n, expected, func(name string, k, val *yaml.Node) {
		i := slices.Index(names, name)
		if i < 0 {
			b.unknownKey(p, k, names)
			return
		}
		f := v.Field(all[i].index)
		c := p.child(name)
		if isGroup(f.Type()) || isNamedList(f.Type()) {
			b.mark(c, k)
		}
		b.bind(c, val, f)
	})
}

func (b *binder) unknownKey(p path, k *yaml.Node, names []string) {
	where := ""
	if p.key != "" {
		where = " in " + p.key
	}
	b.fail(path{}, k, fmt.Sprintf("unknown key %q%s", k.Value, where),
		listed(names), nearest(k.Value, names))
}

// mark records where a group was first seen.
func (b *binder) mark(p path, k *yaml.Node) {
	if old, ok := b.origins[p.key]; !ok || old.Kind < FromFile {
		b.origins[p.key] = b.at(k)
	}
}

func countNodes(n *yaml.Node) int {
	count := 1
	for _, c := range n.Content {
		count += countNodes(c)
	}
	return count
}

func (b *binder) bindNamed(p path, n *yaml.Node, v reflect.Value) {
	if len(n.Content) > 2*namedMax {
		b.fail(p, n, fmt.Sprintf("has %d entries", len(n.Content)/2),
			fmt.Sprintf("at most %d", namedMax), "")
		return
	}
	named := map[string]bool{}
	b.members(p, n, "a mapping of names", func(name string, k, val *yaml.Node) {
		name, ok := b.canonicalName(p, k, v.Type().Elem(), name)
		if !ok {
			return
		}
		if named[name] {
			b.fail(p, k, fmt.Sprintf("has %q twice, written differently", name), "", "")
			return
		}
		named[name] = true
		c := p.element(name)
		e := namedAt(v, name, func(e reflect.Value) { b.defaults(c, e) })
		b.mark(c, k)
		b.bind(c, val, e)
	})
}

// canonicalName is the one spelling of a listener's address, an app's prefix, or a name.
func (b *binder) canonicalName(p path, k *yaml.Node, t reflect.Type, name string) (string, bool) {
	parse := checkName
	switch t {
	case reflect.TypeFor[Listener]():
		parse = parseAddress
	case reflect.TypeFor[App]():
		parse = parsePrefix
	}
	canonical, err := parse(name)
	if err != nil {
		b.fail(p, k, err.what, err.expected, err.suggestion)
		return "", false
	}
	return canonical, true
}

// defaults fills a new group or named thing from the table.
func (b *binder) defaults(p path, v reflect.Value) {
	src := b.src
	b.src = Origin{Kind: FromDefault}
	defer func() { b.src = src }()
	for _, f := range fields(v.Type()) {
		c, fv := p.child(f.name), v.Field(f.index)
		if isGroup(fv.Type()) {
			b.defaults(c, fv)
			continue
		}
		k := row(c.pattern)
		if k == nil || k.node == nil {
			continue
		}
		b.nodes -= countNodes(k.node) // only what the user wrote counts
		b.bind(c, k.node, fv)
	}
}

// parseValue parses a default or a --set value as YAML; what is no YAML is text.
func parseValue(s string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Load([]byte(s), &doc); err != nil || len(doc.Content) != 1 {
		return textNode(s)
	}
	return doc.Content[0]
}

func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func listNode(words []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, w := range words {
		n.Content = append(n.Content, textNode(w))
	}
	return n
}

// nest wraps n into mappings so that it can be bound at the root.
func nest(segments []string, n *yaml.Node) *yaml.Node {
	for _, s := range slices.Backward(segments) {
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{textNode(s), n}}
	}
	return n
}

// describe says what a node is, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if isNull(n) {
			return "empty"
		}
		return fmt.Sprintf("%q", n.Value)
	}
	return "not a value"
}

func isNull(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		return false
	}
	return n.Tag == "!!null" || n.Tag == "" && n.Value == ""
}
