package config

import (
	"reflect"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// form is a value that a file gives as one word or as a mapping. What a mapping does not name keeps
// the value it had.
type form interface {
	setWord(k *Key, s string) *unitError
	// setMapped follows a mapping that was bound without an error.
	setMapped() *unitError
	// words are the form that reads back as the same: one, or names and values in turn.
	words() []string
}

var formType = reflect.TypeFor[form]()

// isForm reports a type that is a [form].
func isForm(t reflect.Type) bool { return reflect.PointerTo(t).Implements(formType) }

// bindForm binds the word or the mapping.
func (b *binder) bindForm(p path, n *yaml.Node, v reflect.Value) {
	k, f := row(strings.TrimSuffix(p.pattern, "[]")), v.Addr().Interface().(form)
	switch {
	case n.Kind == yaml.MappingNode:
		before := len(b.errs)
		b.bindGroup(p, n, v)
		if len(b.errs) > before {
			return
		}
		if err := f.setMapped(); err != nil {
			b.fail(p, n, err.what, k.Expected(), err.suggestion)
			return
		}
	case n.Kind == yaml.ScalarNode && !isNull(n):
		if err := f.setWord(k, n.Value); err != nil {
			b.fail(p, n, err.what, k.Expected(), err.suggestion)
			return
		}
	default:
		b.fail(p, n, "is "+describe(n), k.Expected(), "")
		return
	}
	b.origins[p.key] = b.at(n)
}

// formYAML is the node that reads back as f.
func formYAML(f form) *yaml.Node {
	w := f.words()
	if len(w) == 1 {
		return wordNode(w[0])
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, s := range w {
		n.Content = append(n.Content, wordNode(s))
	}
	return n
}

// formText is f as a file would say it, in flow form.
func formText(f form) string {
	w := f.words()
	if len(w) == 1 {
		return w[0]
	}
	var b strings.Builder
	for i := 0; i < len(w); i += 2 {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(w[i] + ": " + w[i+1])
	}
	return "{" + b.String() + "}"
}
