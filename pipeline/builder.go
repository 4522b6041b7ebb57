package pipeline

import (
	"errors"
	"fmt"
	"strings"
)

// Builder composes a chain: items in the order in which a request meets them.
//
//	b := pipeline.New().Use(requestID)
//	b.UseWhen(isAPI, func(b *pipeline.Builder) { b.Use(rateLimit) })            // rejoins
//	b.Map("/shop", func(b *pipeline.Builder) { b.Run(shop) })                   // never rejoins
//	handler, err := b.Run(pipeline.NotFoundHandler).Build()
//
// The chain is composed once, by Build; a request makes no closure. A branch function is called at
// once, to fill the branch. systems.md rows M1 to M6.
type Builder struct {
	items  []item
	shorts []shortCircuit
	run    Handler // the terminal, nil before Run
	at     string  // where this chain is, for messages: "" or `Map("/shop")`
	errs   []error
}

// item is one step of a chain: a Middleware, or what makes one of a branch.
type item struct {
	use     Middleware
	prefix  string // of a Map
	guarded bool   // a Map with middleware in its branch
	always  bool   // nothing passes it
}

// New returns an empty chain.
func New() *Builder { return &Builder{} }

// Use appends middleware; the first one sees the request first.
func (b *Builder) Use(ms ...Middleware) *Builder {
	for _, m := range ms {
		if m == nil {
			b.fail("Use(nil)")
			continue
		}
		b.append("Use", item{use: m})
	}
	return b
}

// UseWhen sends requests that p chooses through a branch that rejoins this chain, unless one of its
// middlewares answers. The branch has no Run, or it would not rejoin: use MapWhen then.
func (b *Builder) UseWhen(p Predicate, fill func(b *Builder)) *Builder {
	branch := b.branch("UseWhen", fill)
	if branch.run != nil {
		b.fail("%s ends with Run and never rejoins; use MapWhen", branch.at)
	}
	if p == nil {
		b.fail("UseWhen without a predicate")
	}
	b.append("UseWhen", item{use: func(next Handler) Handler {
		inside := branch.compose(next)
		return func(c *Context) {
			if p(c) {
				inside(c)
				return
			}
			next(c)
		}
	}})
	return b
}

// MapWhen sends requests that p chooses into a branch of their own, which must have a Run.
func (b *Builder) MapWhen(p Predicate, fill func(b *Builder)) *Builder {
	branch := b.terminalBranch("MapWhen", fill)
	if p == nil {
		b.fail("MapWhen without a predicate")
	}
	b.append("MapWhen", item{use: func(next Handler) Handler {
		inside := branch.compose(nil)
		return func(c *Context) {
			if p(c) {
				inside(c)
				return
			}
			next(c)
		}
	}})
	return b
}

// Map sends requests below prefix into a branch of their own, which must have a Run, and moves
// prefix from Path to PathBase there. It matches whole segments, case-sensitively: "/a" matches
// "/a" and "/a/b", not "/ab". prefix is decoded, starts with a slash and does not end with one; "/"
// matches everything and moves nothing.
func (b *Builder) Map(prefix string, fill func(b *Builder)) *Builder {
	what := fmt.Sprintf("Map(%q)", prefix)
	branch := b.terminalBranch(what, fill)
	if !strings.HasPrefix(prefix, "/") || prefix != "/" && strings.HasSuffix(prefix, "/") ||
		strings.Contains(prefix, "//") {
		b.fail("%s: want a prefix like /shop or /shop/api", what)
	}
	cut := prefix
	if prefix == "/" {
		cut = ""
	}
	it := item{prefix: prefix, always: prefix == "/", guarded: len(branch.items) > 0}
	it.use = func(next Handler) Handler {
		inside := branch.compose(nil)
		return func(c *Context) {
			if n := cutPrefix(c.Path(), cut); n >= 0 {
				c.base += n
				inside(c)
				return
			}
			next(c)
		}
	}
	b.append(what, it)
	return b
}

// Run ends the chain. Nothing may follow; a second Run is an error.
func (b *Builder) Run(h Handler) *Builder {
	switch {
	case h == nil:
		b.fail("Run(nil)")
	case b.reachable("Run"):
		b.run = h
	}
	return b
}

// Build composes the chain. Its errors, all at once: no Run, something behind a Run or behind
// Map("/"), a Map that an earlier one shadows, nil functions, malformed prefixes; in branches, too.
func (b *Builder) Build() (Handler, error) {
	b.guardedShorts()
	errs := b.errs
	if b.run == nil && !b.closed() && len(errs) == 0 {
		errs = append(errs, errors.New("pipeline: chain without Run: "+
			"end it with Run(pipeline.NotFoundHandler) if nothing else is to answer"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return b.compose(nil), nil
}

// compose wraps the items around the terminal: Run's handler, else next, else 404.
func (b *Builder) compose(next Handler) Handler {
	h := b.run
	if h == nil {
		h = next
	}
	if h == nil {
		h = NotFoundHandler // behind Map("/"), which nothing passes
	}
	for i := len(b.items) - 1; i >= 0; i-- {
		h = b.items[i].use(h)
		if h == nil {
			panic("pipeline: a Middleware returned no Handler")
		}
	}
	return b.shortened(h)
}

// branch fills a chain of its own and takes its errors over.
func (b *Builder) branch(what string, fill func(b *Builder)) *Builder {
	if b.at != "" {
		what = b.at + " " + what
	}
	branch := &Builder{at: what}
	if fill == nil {
		b.fail("%s without a function", what)
		return branch
	}
	fill(branch)
	branch.guardedShorts()
	b.errs = append(b.errs, branch.errs...)
	return branch
}

func (b *Builder) terminalBranch(what string, fill func(b *Builder)) *Builder {
	branch := b.branch(what, fill)
	if branch.run == nil && !branch.closed() && len(branch.errs) == 0 {
		b.fail("%s without Run: the branch never rejoins", branch.at)
	}
	return branch
}

func (b *Builder) append(what string, it item) {
	if !b.reachable(what) {
		return
	}
	for _, old := range b.items {
		if it.prefix != "" && old.prefix != "" && cutPrefix(it.prefix, old.prefix) >= 0 {
			b.fail("%s is unreachable behind Map(%q): put the longer prefix first",
				what, old.prefix)
			return
		}
	}
	b.items = append(b.items, it)
}

// reachable notes an error when nothing gets past what is there already.
func (b *Builder) reachable(what string) bool {
	switch {
	case b.run != nil:
		b.fail("%s is unreachable behind Run", what)
		return false
	case b.closed():
		b.fail(`%s is unreachable behind Map("/")`, what)
		return false
	}
	return true
}

// closed says that the last item lets nothing pass.
func (b *Builder) closed() bool { return len(b.items) > 0 && b.items[len(b.items)-1].always }

func (b *Builder) fail(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if b.at != "" {
		msg = "in " + b.at + ": " + msg
	}
	b.errs = append(b.errs, errors.New("pipeline: "+msg))
}
