package pipeline

import (
	"fmt"
	"net/http"
	"strings"
)

// shortCircuit answers a path, or all below it, before the middleware of its chain.
type shortCircuit struct {
	path  string
	below bool // path is a prefix of whole segments
	run   Handler
}

func (s *shortCircuit) matches(path string) bool {
	return path == s.path || s.below && cutPrefix(path, s.path) >= 0
}

// ShortCircuit answers requests for exactly path by h before any middleware of this chain runs,
// wherever in the chain it is registered: for what costs more to guard than to answer, as a probe.
//
// It is refused where a Map of this chain covers path and has middleware of its own: what guards a
// branch is not to be gone round by mistake. systems.md row M6.
func (b *Builder) ShortCircuit(path string, h Handler) *Builder {
	what := fmt.Sprintf("ShortCircuit(%q)", path)
	if h == nil {
		b.fail("%s without a handler", what)
	}
	b.short(what, shortCircuit{path: path, run: h})
	return b
}

// MapShortCircuit answers the paths below each prefix, itself included, with a bare status, as
// ShortCircuit does: 404 for "/robots.txt" and "/favicon.ico", say. From 400 on the body is that of
// [Context.Fail].
func (b *Builder) MapShortCircuit(status int, prefixes ...string) *Builder {
	h := func(c *Context) { _ = c.SetStatus(status) } // checked below; nothing has started
	switch {
	case status < 200 || status > 999:
		b.fail("MapShortCircuit(%d): want a status from 200 to 999", status)
	case status == http.StatusNotFound:
		h = NotFoundHandler
	case status >= http.StatusBadRequest:
		h = func(c *Context) { c.Fail(status, ReasonNone) }
	}
	for _, p := range prefixes {
		b.short(fmt.Sprintf("MapShortCircuit(%q)", p), shortCircuit{path: p, below: true, run: h})
	}
	return b
}

func (b *Builder) short(what string, s shortCircuit) {
	if !strings.HasPrefix(s.path, "/") || s.below && strings.HasSuffix(s.path, "/") ||
		strings.Contains(s.path, "//") {
		b.fail("%s: want a path like /robots.txt", what)
		return
	}
	for _, old := range b.shorts {
		if old.matches(s.path) {
			b.fail("%s is unreachable: %s is short-circuited before", what, old.path)
			return
		}
	}
	b.shorts = append(b.shorts, s)
}

// guardedShorts notes an error for each short circuit round the middleware of a Map.
func (b *Builder) guardedShorts() {
	for i := range b.shorts {
		s := &b.shorts[i]
		for _, it := range b.items {
			if it.guarded && (cutPrefix(s.path, strings.TrimSuffix(it.prefix, "/")) >= 0 ||
				s.matches(it.prefix)) {
				b.fail("short circuit of %s goes round the middleware of Map(%q)", s.path, it.prefix)
			}
		}
	}
}

// shortened is h behind the short circuits.
func (b *Builder) shortened(h Handler) Handler {
	if len(b.shorts) == 0 {
		return h
	}
	shorts := b.shorts
	return func(c *Context) {
		path := c.Path()
		for i := range shorts {
			if shorts[i].matches(path) {
				shorts[i].run(c)
				return
			}
		}
		h(c)
	}
}
