package config

import (
	"fmt"
	"strconv"
	"strings"
)

// OriginKind is the layer that a value came from, weakest first.
type OriginKind uint8

// Layers. Inherited values of an app come from limits or from its pool.
const (
	FromDefault OriginKind = iota
	FromInherited
	FromContent // implied by --respond, --root, a command or the demo
	FromFile
	FromEnv
	FromFlag
	FromSet
)

// Origin says where a value came from.
type Origin struct {
	Kind         OriginKind
	Name         string // variable, flag, or the key that it is inherited from
	File         string
	Line, Column int
}

// String is "default", "file:line:column", "env WEIR_LISTEN", "flag --listen", "flag --set".
func (o Origin) String() string {
	switch o.Kind {
	case FromInherited:
		return "inherited from " + o.Name
	case FromContent:
		return o.Name
	case FromFile:
		return fmt.Sprintf("%s:%d:%d", o.File, o.Line, o.Column)
	case FromEnv:
		return "env " + o.Name
	case FromFlag:
		return "flag " + o.Name
	case FromSet:
		return "flag --set"
	}
	return "default"
}

// errorAt is an Error at o's place.
func (o Origin) errorAt(key string) *Error {
	e := &Error{Key: key}
	switch o.Kind {
	case FromFile:
		e.File, e.Line, e.Column = o.File, o.Line, o.Column
	case FromEnv, FromFlag, FromContent:
		e.Source = o.Name
	case FromSet:
		e.Source = strings.TrimSuffix("--set "+key, " ")
	}
	return e
}

// path is a place in the configuration: the concrete key path, and its row in the table.
type path struct {
	key     string // sites.shop.apps./upload.limits.body
	pattern string // sites.*.apps.*.limits.body
}

func (p path) child(name string) path {
	return path{join(p.key, quoteSegment(name)), join(p.pattern, name)}
}

func (p path) element(name string) path {
	return path{join(p.key, quoteSegment(name)), join(p.pattern, "*")}
}

func (p path) index(i int) path {
	return path{p.key + "[" + strconv.Itoa(i) + "]", p.pattern + "[]"}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// quoteSegment quotes names that would not survive splitPath.
func quoteSegment(s string) string {
	odd := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if s == "" || strings.ContainsAny(s, ".=\"[]\\") || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}

// splitPath splits a key path at dots; a segment in double quotes may hold any byte. It returns
// what follows an unquoted '=' as rest.
func splitPath(s string) (segments []string, rest string, hasRest bool, err error) {
	for {
		var seg string
		if strings.HasPrefix(s, `"`) {
			q, e := strconv.QuotedPrefix(s)
			if e != nil {
				return nil, "", false, fmt.Errorf("has an unclosed quote")
			}
			seg, _ = strconv.Unquote(q)
			s = s[len(q):]
		} else {
			n := strings.IndexAny(s, ".=")
			if n < 0 {
				n = len(s)
			}
			seg, s = s[:n], s[n:]
			if seg == "" {
				return nil, "", false, fmt.Errorf("has an empty segment")
			}
		}
		segments = append(segments, seg)
		switch {
		case s == "":
			return segments, "", false, nil
		case s[0] == '=':
			return segments, s[1:], true, nil
		case s[0] != '.':
			return nil, "", false, fmt.Errorf("has %q after a quoted name", s)
		}
		s = s[1:]
	}
}
