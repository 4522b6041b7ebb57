package server

import (
	"fmt"
	"sort"
	"strings"

	"weir/pipeline"
	"weir/protocol/http1"
)

// routes is an immutable routing table; a reload swaps the whole.
type routes struct {
	tables map[string]*table // by listener address
}

// table is what one listener serves, by category of binding.
//
// systems.md row H11: strong wildcard, exact host, left-most wildcard label, the address itself, weak
// wildcard; the longest prefix wins inside a category.
type table struct {
	strong *apps
	exact  map[string]*apps
	label  map[string]*apps // by the host behind the first dot
	bound  *apps
	weak   *apps
	only   *apps // set when the weak or bound category is all there is
	head   http1.Limits
}

// apps are those of one site, or of several that share a binding's host.
type apps struct {
	byPrefix map[string]*app
	root     *app // "/"; may be nil
	longest  int  // bytes of the longest prefix
}

// app is one route's end.
type app struct {
	prefix  string
	handler pipeline.Handler
	head    http1.Limits
	body    int64
	site    string
}

// newRoutes compiles sites. Errors name the site and what it collides with.
func newRoutes(sites []Site, o *Options) (*routes, error) {
	r := &routes{tables: map[string]*table{}}
	for i := range sites {
		for _, b := range sites[i].Bindings {
			if err := r.bind(&sites[i], b, o); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range r.tables {
		if t.strong == nil && len(t.exact) == 0 && len(t.label) == 0 {
			if t.bound == nil {
				t.only = t.weak
			} else if t.weak == nil {
				t.only = t.bound
			}
		}
	}
	return r, nil
}

func (r *routes) bind(s *Site, b Binding, o *Options) error {
	t := r.tables[b.Address]
	if t == nil {
		t = &table{exact: map[string]*apps{}, label: map[string]*apps{}, head: o.Limits.Head.Resolved()}
		r.tables[b.Address] = t
	}
	host := strings.ToLower(strings.TrimSuffix(b.Host, "."))
	var into *apps
	switch {
	case host == "+":
		into = ensure(&t.strong)
	case host == "*":
		into = ensure(&t.weak)
	case host == "":
		into = ensure(&t.bound)
	case strings.HasPrefix(host, "*."):
		into = ensureIn(t.label, host[2:])
	default:
		into = ensureIn(t.exact, host)
	}
	for i := range s.Apps {
		a := newApp(s, &s.Apps[i], o)
		if old := into.byPrefix[a.prefix]; old != nil {
			return fmt.Errorf("server: sites %s and %s: both bind host %q at %s, path %s",
				old.site, s.Name, b.Host, b.Address, s.Apps[i].Prefix)
		}
		into.add(a)
		t.head = widest(t.head, a.head)
	}
	return nil
}

func ensure(p **apps) *apps {
	if *p == nil {
		*p = &apps{byPrefix: map[string]*app{}}
	}
	return *p
}

func ensureIn(m map[string]*apps, host string) *apps {
	a := m[host]
	m[host] = ensure(&a)
	return a
}

func newApp(s *Site, a *App, o *Options) *app {
	out := &app{
		prefix: strings.TrimSuffix(a.Prefix, "/"), handler: a.Handler, site: s.Name,
		head: a.Limits.Head, body: a.Limits.Body,
	}
	if out.head.RequestLineBytes == 0 {
		out.head.RequestLineBytes = o.Limits.Head.RequestLineBytes
	}
	if out.head.HeadBytes == 0 {
		out.head.HeadBytes = o.Limits.Head.HeadBytes
	}
	if out.head.Fields == 0 {
		out.head.Fields = o.Limits.Head.Fields
	}
	out.head = out.head.Resolved()
	if out.body == 0 {
		out.body = o.Limits.Body
	}
	return out
}

// widest is what the parser must let pass on a listener; Request.Within judges by route later.
func widest(a, b http1.Limits) http1.Limits {
	return http1.Limits{
		RequestLineBytes: max(a.RequestLineBytes, b.RequestLineBytes),
		HeadBytes:        max(a.HeadBytes, b.HeadBytes),
		Fields:           max(a.Fields, b.Fields),
	}
}

func (a *apps) add(p *app) {
	a.byPrefix[p.prefix] = p
	a.longest = max(a.longest, len(p.prefix))
	if p.prefix == "" {
		a.root = p
	}
}

// find returns the app with the longest prefix of whole segments of path, or nil.
//
// Hot path: once per request. No allocation: TestPlaintextAllocs.
func (a *apps) find(path string) *app {
	if a.longest == 0 {
		return a.root
	}
	end := len(path)
	if end > a.longest { // back to a segment boundary at or before the longest prefix
		for end = a.longest; end > 0 && path[end] != '/'; end-- {
		}
	}
	for end > 0 {
		if p := a.byPrefix[path[:end]]; p != nil {
			return p
		}
		end = strings.LastIndexByte(path[:end], '/')
	}
	return a.root
}

// lookup finds the app for a host (host or host:port, as sent) and a decoded path. known is false
// when no binding has the host at all.
//
// Hot path: once per request. No allocation: TestPlaintextAllocs.
func (t *table) lookup(host []byte, path string) (a *app, known bool) {
	if t.only != nil {
		return t.only.find(path), true
	}
	if a, known = try(t.strong, path, known); a != nil {
		return a, true
	}
	var buf [hostBytesMax]byte
	name := foldHost(buf[:0], host)
	if a, known = try(t.exact[string(name)], path, known); a != nil {
		return a, true
	}
	for i, c := range name {
		if c == '.' {
			if a, known = try(t.label[string(name[i+1:])], path, known); a != nil {
				return a, true
			}
			break
		}
	}
	if a, known = try(t.bound, path, known); a != nil {
		return a, true
	}
	return try(t.weak, path, known)
}

func try(set *apps, path string, known bool) (*app, bool) {
	if set == nil {
		return nil, known
	}
	return set.find(path), true
}

// foldHost appends host in lower case without port and final dot; nothing when it is too long.
func foldHost(dst, host []byte) []byte {
	name, _ := http1.SplitHostPort(host)
	if len(name) > 0 && name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	if len(name) > hostBytesMax {
		return dst
	}
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// addresses are the listeners that the routes need, sorted.
func (r *routes) addresses() []string {
	var out []string
	for a := range r.tables {
		out = append(out, a)
	}
	sort.Strings(out)
	return out
}
