package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// bindScalar parses the text of n into v by v's type and the bounds of its row. The text is taken
// as written: YAML's own idea of off, 0660 or 1e3 plays no part.
func (b *binder) bindScalar(p path, n *yaml.Node, v reflect.Value) bool {
	k := row(p.pattern)
	if n.Kind != yaml.ScalarNode || isNull(n) {
		b.fail(p, n, "is "+describe(n), k.Expected(), "")
		return false
	}
	if err := parseScalar(k, n.Value, v); err != nil {
		b.fail(p, n, err.what, k.Expected(), err.suggestion)
		return false
	}
	return true
}

func parseScalar(k *Key, s string, v reflect.Value) *unitError {
	if strings.ContainsRune(s, 0) {
		return &unitError{"holds a NUL byte", ""}
	}
	if w, ok := v.Addr().Interface().(*Switch); ok {
		return w.parse(s)
	}
	if k.Values != nil && v.Kind() == reflect.String {
		if !slices.Contains(k.Values, s) {
			return &unitError{fmt.Sprintf("%q is not known", s), nearest(s, k.Values)}
		}
		v.SetString(s)
		return nil
	}
	switch t := v.Addr().Interface().(type) {
	case *string:
		*t = s
		return nil
	case *bool:
		return parseSwitch(s, t)
	case *int:
		return parseInt(k, s, t)
	case *HashKey:
		return assign(t, s, parseHash)
	case *Frequency:
		return special(k, s, t, ParseFrequency, int64(FrequencyOff))
	case *Mode:
		return assign(t, s, ParseMode)
	case *Count:
		return special(k, s, t, ParseCount, int64(CountOff))
	case *Duration:
		return special(k, s, t, ParseDuration, int64(Off))
	case *Size:
		return special(k, s, t, ParseSize, int64(SizeOff))
	case *Rate:
		return special(k, s, t, ParseRate, int64(RateOff))
	case *Percent:
		return special(k, s, t, ParsePercent, int64(PercentOff))
	case *LineRate:
		return special(k, s, t, ParseLineRate, int64(LineRateOff))
	case *CPUs:
		return assign(t, s, ParseCPUs)
	case *LimitCount:
		return assign(t, s, ParseLimitCount)
	case *LimitSize:
		return assign(t, s, ParseLimitSize)
	case *CPUPercent:
		return assign(t, s, ParseCPUPercent)
	}
	panic(fmt.Sprintf("config: key %s has type %v", k.Path, v.Type()))
}

func assign[T any](dst *T, s string, parse func(string) (T, error)) *unitError {
	n, err := parse(s)
	if u := (*unitError)(nil); errors.As(err, &u) {
		return u
	}
	*dst = n
	return nil
}

// special parses a number with a unit and holds it to the row: off, auto and 0 only where they mean
// something.
func special[T ~int | ~int64](
	k *Key, s string, dst *T, parse func(string) (T, error), off int64,
) *unitError {
	var n T
	if err := assign(&n, s, parse); err != nil {
		if strings.Trim(s, "0") == "" && k.allow&offOK != 0 && k.allow&zeroOK == 0 {
			err.suggestion = "off" // what programs mean by 0 that have no word for it
		}
		return err
	}
	switch {
	case int64(n) == off:
		if k.allow&offOK == 0 {
			return &unitError{"cannot be off", ""}
		}
	case s == "auto":
		if k.allow&autoOK == 0 {
			return &unitError{"cannot be auto", ""}
		}
	case n == 0 && k.allow&zeroOK == 0:
		if k.allow&offOK != 0 {
			return &unitError{fmt.Sprintf("%q is no limit that could be kept", s), "off"}
		}
		return &unitError{fmt.Sprintf("%q is too small", s), ""}
	default:
		if err := k.check(s, int64(n)); err != nil {
			return err
		}
	}
	*dst = n
	return nil
}

func (k *Key) check(s string, n int64) *unitError {
	switch {
	case n < k.min:
		return &unitError{fmt.Sprintf("%q is below the minimum of %s", s, k.bound(s, k.min)), ""}
	case k.max > 0 && n > k.max:
		return &unitError{fmt.Sprintf("%q is above the maximum of %s", s, k.bound(s, k.max)), ""}
	}
	return nil
}

// bound prints a bound like the value s: with a unit if it has one.
func (k *Key) bound(s string, n int64) string {
	switch {
	case isNumber(strings.TrimPrefix(s, "-")):
		return strconv.FormatInt(n, 10)
	case strings.HasSuffix(s, "%"):
		return Percent(n).String()
	case strings.HasSuffix(s, "s"): // only durations: rates have no bounds
		return Duration(n).String()
	}
	return formatBytes(n)
}

func parseSwitch(s string, dst *bool) *unitError {
	switch s {
	case "true", "on":
		*dst = true
	case "false", "off":
		*dst = false
	default:
		suggestion := ""
		switch strings.ToLower(s) {
		case "yes", "y", "1", "enabled", "true", "on":
			suggestion = "on"
		case "no", "n", "0", "disabled", "false", "off":
			suggestion = "off"
		}
		return &unitError{fmt.Sprintf("%q is neither on nor off", s), suggestion}
	}
	return nil
}

func parseInt(k *Key, s string, dst *int) *unitError {
	n, err := strconv.Atoi(s)
	if err != nil {
		return &unitError{fmt.Sprintf("%q is not a number", s), ""}
	}
	if u := k.check(s, int64(n)); u != nil {
		return u
	}
	*dst = n
	return nil
}

// bindList binds a sequence, replacing what was there.
func (b *binder) bindList(p path, n *yaml.Node, v reflect.Value) {
	k := row(p.pattern)
	if n.Kind != yaml.SequenceNode {
		suggestion := ""
		if n.Kind == yaml.ScalarNode && !isNull(n) {
			suggestion = suggestList(n.Value, strings.HasSuffix(p.pattern, ".command"))
		}
		b.fail(p, n, "is "+describe(n), k.Expected(), suggestion)
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, len(n.Content))
	for i, item := range n.Content {
		e := reflect.New(v.Type().Elem()).Elem()
		if b.bindItem(p.index(i), item, e) {
			list = reflect.Append(list, e)
		}
	}
	v.Set(list)
	b.origins[p.key] = b.at(n)
}

func suggestList(s string, words bool) string {
	if words {
		return "[" + strings.Join(strings.Fields(s), ", ") + "]"
	}
	if strings.ContainsAny(s, `,:[]{}#*&!|>'"%@`+"`") {
		return "[" + strconv.Quote(s) + "]"
	}
	return "[" + s + "]"
}

func (b *binder) bindItem(p path, n *yaml.Node, v reflect.Value) bool {
	n, ok := b.enter(p, n)
	if !ok {
		return false
	}
	defer b.leave()
	b.origins[p.key] = b.at(n)
	switch t := v.Addr().Interface().(type) {
	case *Binding:
		return b.bindBinding(p, n, t)
	case *Middleware:
		return b.bindMiddleware(p, n, t)
	case form:
		b.defaults(p, v)
		before := len(b.errs)
		b.bindForm(p, n, v)
		return len(b.errs) == before
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		b.fail(p, n, "is "+describe(n), "text", "")
		return false
	}
	switch t := v.Addr().Interface().(type) {
	case *string:
		if strings.ContainsRune(n.Value, 0) {
			b.fail(p, n, "holds a NUL byte", "", "")
			return false
		}
		*t = n.Value
	case *netip.Prefix:
		prefix, err := parsePeer(n.Value)
		if err != nil {
			b.fail(p, n, err.what, err.expected, err.suggestion)
			return false
		}
		*t = prefix
	}
	return true
}

// parsePeer parses a network; an address is a network of one.
func parsePeer(s string) (netip.Prefix, *formError) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return prefix, &formError{what: fmt.Sprintf("%q is not a network", s),
			expected: "a network such as 10.0.0.0/8"}
	}
	if m := prefix.Masked(); m != prefix {
		return prefix, &formError{what: fmt.Sprintf("%q has bits outside its mask", s),
			suggestion: m.String()}
	}
	return prefix, nil
}

// bindWords binds a mapping of text to text (environment variables), replacing single entries.
func (b *binder) bindWords(p path, n *yaml.Node, v reflect.Value) {
	m := map[string]string{}
	for name, val := range v.Interface().(map[string]string) {
		m[name] = val
	}
	b.members(p, n, row(p.pattern).Expected(), func(name string, _, val *yaml.Node) {
		c := p.child(name)
		val, ok := b.enter(c, val)
		if !ok {
			return
		}
		defer b.leave()
		if val.Kind != yaml.ScalarNode || isNull(val) {
			b.fail(c, val, "is "+describe(val), `text ("" for an empty value)`, "")
			return
		}
		m[name] = val.Value
		b.origins[c.key] = b.at(val)
	})
	v.Set(reflect.ValueOf(m))
	b.mark(p, n)
}
