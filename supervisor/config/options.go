package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"time"

	yaml "go.yaml.in/yaml/v4"
)

var durationType = reflect.TypeFor[time.Duration]()

// bindOption binds a middleware's options, whose types only Go knows: text, switches, numbers,
// durations, lists, mappings of text, nested structs, and whatever unmarshals text.
func (b *binder) bindOption(p path, n *yaml.Node, v reflect.Value) {
	n, ok := b.enter(p, n)
	if !ok {
		return
	}
	defer b.leave()
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		b.optionText(p, n, "text", func(s string) error { return u.UnmarshalText([]byte(s)) })
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		b.optionGroup(p, n, v)
	case v.Kind() == reflect.Slice:
		b.optionList(p, n, v)
	case v.Kind() == reflect.Map:
		b.optionMap(p, n, v)
	default:
		b.optionScalar(p, n, v)
	}
}

func (b *binder) optionGroup(p path, n *yaml.Node, v reflect.Value) {
	at := map[string]int{}
	var names []string
	for i := range v.NumField() {
		if name := optionName(v.Type().Field(i)); name != "" {
			at[name] = i
			names = append(names, name)
		}
	}
	b.members(p, n, "a mapping of "+listed(names), func(name string, k, val *yaml.Node) {
		i, ok := at[name]
		if !ok {
			b.unknownKey(p, k, names)
			return
		}
		b.bindOption(p.child(name), val, v.Field(i))
	})
}

func (b *binder) optionList(p path, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		b.fail(p, n, "is "+describe(n), "a list", "")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		b.bindOption(p.index(i), item, list.Index(i))
	}
	v.Set(list)
}

func (b *binder) optionMap(p path, n *yaml.Node, v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		panic(fmt.Sprintf("config: option %s of type %v", p.key, v.Type()))
	}
	m := reflect.MakeMap(v.Type())
	b.members(p, n, "a mapping", func(name string, _, val *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		b.bindOption(p.child(name), val, e)
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), e)
	})
	v.Set(m)
}

func (b *binder) optionScalar(p path, n *yaml.Node, v reflect.Value) {
	switch {
	case v.Type() == durationType:
		b.optionText(p, n, "a duration such as 30s", func(s string) error {
			d, err := ParseDuration(s)
			v.SetInt(int64(d.Std()))
			return err
		})
	case v.Kind() == reflect.String:
		b.optionText(p, n, "text", func(s string) error { v.SetString(s); return nil })
	case v.Kind() == reflect.Bool:
		b.optionText(p, n, "on or off", func(s string) error {
			var on bool
			if err := parseSwitch(s, &on); err != nil {
				return err
			}
			v.SetBool(on)
			return nil
		})
	case v.CanInt():
		b.optionText(p, n, "a number", func(s string) error {
			i, err := strconv.ParseInt(s, 10, v.Type().Bits())
			v.SetInt(i)
			return err
		})
	case v.CanUint():
		b.optionText(p, n, "a number from 0", func(s string) error {
			i, err := strconv.ParseUint(s, 10, v.Type().Bits())
			v.SetUint(i)
			return err
		})
	case v.CanFloat():
		b.optionText(p, n, "a number", func(s string) error {
			f, err := strconv.ParseFloat(s, v.Type().Bits())
			v.SetFloat(f)
			return err
		})
	default:
		panic(fmt.Sprintf("config: option %s of type %v", p.key, v.Type()))
	}
}

// optionText hands a scalar's text to set; its error becomes one with a place.
func (b *binder) optionText(p path, n *yaml.Node, expected string, set func(string) error) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		b.fail(p, n, "is "+describe(n), expected, "")
		return
	}
	err := set(n.Value)
	if err == nil {
		return
	}
	message, suggestion := fmt.Sprintf("%q: %v", n.Value, err), ""
	switch e := err.(type) {
	case *unitError:
		message, suggestion = e.what, e.suggestion
	case *strconv.NumError:
		message = fmt.Sprintf("%q is not a number that fits", n.Value)
	}
	b.fail(p, n, message, expected, suggestion)
}
