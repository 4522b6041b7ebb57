package config

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// What a program says in Go goes the way of what a file says: the same defaults, bounds and checks.
// A zero field is one that nobody has given. Derived fields are not looked at.

// CompletePool is p with every field that is zero at its default and relative paths from the working
// directory. The error is an [Errors], its keys as in a pool of a file: queue.length. The pool has a
// command or upstreams, as there are no apps that it could host.
func CompletePool(p Pool) (Pool, error) {
	r, err := literal()
	if err != nil {
		return Pool{}, err
	}
	if _, err := checkName(p.Name); err != nil {
		return Pool{}, Errors{{Key: "name", Message: err.what, Expected: err.expected,
			Suggestion: err.suggestion}}
	}
	key := poolKey(p.Name)
	if len(p.Command) == 0 && len(p.Upstreams) == 0 {
		r.problem(key, "has nothing to run", "command or upstreams", "")
		return Pool{}, r.relative(key)
	}
	r.c.Pools = []Pool{{Name: p.Name}}
	own := &r.c.Pools[0]
	r.complete(path{key, "pools.*"}, valueOf(&p), valueOf(own))
	if len(r.errs) == 0 { // else some of it is not what was meant
		r.resolvePool(own)
		r.checkPool(own)
		r.checkAfter(key, own.After)
	}
	return *own, r.relative(key)
}

// CompleteRoute is a's Priority, Timeouts and Buffer, as they hold for a route to p, which is
// complete: what is zero is p's.
func CompleteRoute(p *Pool, a App) (App, error) {
	r, err := literal()
	if err != nil {
		return App{}, err
	}
	r.c.Pools = []Pool{*p}
	r.c.Sites = []Site{{Name: DefaultName, Apps: []App{{Prefix: "/", Pool: p.Name}}}}
	own, key := &r.c.Sites[0].Apps[0], appKey(DefaultName, "/")
	given := App{Priority: a.Priority, Timeouts: a.Timeouts, Buffer: a.Buffer}
	r.complete(path{key, "sites.*.apps.*"}, valueOf(&given), valueOf(own))
	own.Pool = p.Name
	if len(r.errs) == 0 {
		r.resolveApp(siteKey(DefaultName), own)
		if len(p.Upstreams) > 0 {
			r.origins[poolKey(p.Name)+".upstreams"] = r.src
		}
		r.checkModes(poolKey(p.Name), p)
	}
	return *own, r.relative(key)
}

// CompleteSpool is s with every field that is zero at its default.
func CompleteSpool(s Spool) (Spool, error) {
	r, err := literal()
	if err != nil {
		return Spool{}, err
	}
	r.complete(path{"spool", "spool"}, valueOf(&s), valueOf(&r.c.Spool))
	if len(r.errs) == 0 {
		r.resolvePath("spool.dir", &r.c.Spool.Dir)
		r.checkDir("spool.dir", r.c.Spool.Dir)
	}
	return r.c.Spool, r.relative("spool")
}

// literal is a resolver for what a program says.
func literal() (*resolver, error) {
	wd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("config: working directory: %w", err)
	}
	l := &loader{
		binder: newBinder(nothing{}), c: Default(),
		s: Sources{Dir: wd, CPUs: runtime.GOMAXPROCS(0), Environ: os.Environ()},
	}
	l.src = Origin{Kind: FromContent}
	return &resolver{loader: l}, nil
}

// relative is what was found, with keys below key; nil for nothing.
func (r *resolver) relative(key string) error {
	if len(r.errs) == 0 {
		return nil
	}
	for _, e := range r.errs {
		e.Key = strings.TrimPrefix(strings.TrimPrefix(e.Key, key), ".")
	}
	return r.errs
}

// complete puts the defaults into own, then what from has that is not zero.
func (b *binder) complete(p path, from, own reflect.Value) {
	b.defaults(p, own)
	b.give(p, from, own)
}

func (b *binder) give(p path, from, own reflect.Value) {
	for _, f := range fields(from.Type()) {
		c, v, to := p.child(f.name), from.Field(f.index), own.Field(f.index)
		switch {
		case isGroup(v.Type()):
			b.give(c, v, to)
		case v.IsZero(), v.Kind() == reflect.Slice && v.Len() == 0:
		case reflect.DeepEqual(v.Interface(), to.Interface()): // nor has anybody given a default
		default:
			if isForm(v.Type()) {
				to.SetZero() // a zero in a form that is given has been given, too
			}
			b.bind(c, literalNode(c, v), to)
		}
	}
}

// literalNode is v as a file says it.
func literalNode(p path, v reflect.Value) *yaml.Node {
	switch {
	case isForm(v.Type()):
		return literalForm(p, v)
	case v.Kind() == reflect.Map:
		return mapYAML(v.Interface().(map[string]string))
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			n.Content = append(n.Content, literalNode(p.index(i), v.Index(i)))
		}
		return n
	case v.Type() == reflect.TypeFor[string]():
		return textNode(v.String())
	}
	return textNode(text(row(p.pattern), v))
}

// literalForm is a mapping of what is not zero, or the word that is left.
func literalForm(p path, v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range fields(v.Type()) {
		if e := v.Field(f.index); !e.IsZero() {
			n.Content = append(n.Content, textNode(f.name), literalNode(p.child(f.name), e))
		}
	}
	if len(n.Content) > 0 {
		return n
	}
	own := reflect.New(v.Type()) // words is a method of the pointer
	own.Elem().Set(v)
	return listNode(own.Interface().(form).words()[:1]).Content[0]
}
