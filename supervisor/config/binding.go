package config

import (
	"fmt"
	"reflect"

	yaml "go.yaml.in/yaml/v4"
)

// bindBinding binds the text form or {address, host, mode, owner, group}.
func (b *binder) bindBinding(p path, n *yaml.Node, dst *Binding) bool {
	before := len(b.errs)
	switch {
	case n.Kind == yaml.ScalarNode && !isNull(n):
		parsed, err := parseBinding(n.Value)
		if err != nil {
			b.fail(p, n, err.what, err.expected, err.suggestion)
			return false
		}
		*dst = parsed
	case n.Kind == yaml.MappingNode:
		dst.Host = "*"
		b.bindGroup(p, n, reflect.ValueOf(dst).Elem())
		b.canonicalBinding(p, n, dst)
	default:
		b.fail(p, n, "is "+describe(n), "http://HOST:PORT, "+addressForms+", or a mapping", "")
	}
	if len(b.errs) > before {
		return false
	}
	dst.Kind = hostKind(dst.Address, dst.Host)
	return true
}

func (b *binder) canonicalBinding(p path, n *yaml.Node, dst *Binding) {
	if dst.Address == "" {
		if _, given := b.origins[p.child("address").key]; !given {
			b.fail(p, n, "has no address", fmt.Sprintf("address: %s", addressForms), "")
		}
		return
	}
	a, err := parseAddress(dst.Address)
	if err != nil {
		b.failAt(p.child("address"), err)
	}
	h, err := parseHost(dst.Host)
	if err != nil {
		b.failAt(p.child("host"), err)
	}
	dst.Address, dst.Host = a, h
}

// failAt reports at the recorded place of a key.
func (b *binder) failAt(p path, err *formError) {
	e := b.origins[p.key].errorAt(p.key)
	e.Message, e.Expected, e.Suggestion = err.what, err.expected, err.suggestion
	b.errs = append(b.errs, e)
}
