package server

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"strconv"
	"strings"

	"weir/pipeline"
	"weir/protocol/http1"
)

// routes is an immutable routing table; a reload swaps the whole.
type routes struct {
	tables map[string]*table // by listener address
}

// at is what is served at an address now, for connections whose listener has gone: the table of a
// listener that overlaps it. nil when there is none.
func (r *routes) at(local netip.AddrPort) *table {
	ip, port := local.Addr().Unmap(), strconv.Itoa(int(local.Port()))
	any4, any6 := "0.0.0.0:"+port, "[::]:"+port
	if ip.Is6() {
		any4 = any6 // one family does not serve the other
	}
	for _, address := range [...]string{net.JoinHostPort(ip.String(), port), any4, ":" + port} {
		if t := r.tables[address]; t != nil {
			return t
		}
	}
	return nil
}

// table is what one listener serves, by category of binding. A request belongs to the first category
// that has its host, and falls through to no other; within it the longest prefix wins.
//
// systems.md row H11: strong wildcard, exact host, left-most wildcard label, the address itself, weak
// wildcard.
type table struct {
	strong *apps
	exact  map[string]*apps
	label  map[string]*apps // by the host behind the first dot
	bound  *apps
	weak   *apps
	only   *apps // set when one category without names is all there is
	head   http1.Limits
	// local holds the tables of connections to one address of a wildcard listener; nil when no
	// binding asks for the address.
	local map[netip.Addr]*table
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
	name    string // of the handler, in logs
	connect bool   // CONNECT is for it, too
	keeps   bool   // a worker that gets a connection may answer the requests that follow
	others  []byte // prefixes below that are other apps', each ended by a NUL; see handoff.go
}

// newRoutes compiles sites. Errors name the site and what it collides with.
func newRoutes(sites []Site, o *Options) (*routes, error) {
	r := &routes{tables: map[string]*table{}}
	for i := range sites {
		for _, b := range sites[i].Bindings {
			t := r.tables[b.Address]
			if t == nil {
				t = newTable(o)
				r.tables[b.Address] = t
			}
			if b.Local.IsValid() {
				t = t.forLocal(b.Local.Unmap(), o)
			}
			if err := t.bind(&sites[i], b, o); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range r.tables {
		for _, own := range t.local {
			own.fallBackOn(t)
			t.head = widest(t.head, own.head)
			own.settle()
			own.scope()
		}
		t.settle()
		t.scope()
	}
	return r, nil
}

func newTable(o *Options) *table {
	return &table{
		exact: map[string]*apps{}, label: map[string]*apps{}, head: o.Limits.Head.Resolved(),
	}
}

func (t *table) forLocal(a netip.Addr, o *Options) *table {
	if t.local == nil {
		t.local = map[netip.Addr]*table{}
	}
	if t.local[a] == nil {
		t.local[a] = newTable(o)
	}
	return t.local[a]
}

// fallBackOn adds what base has and t has not.
func (t *table) fallBackOn(base *table) {
	for _, f := range [...]struct{ own, other **apps }{
		{&t.strong, &base.strong}, {&t.bound, &base.bound}, {&t.weak, &base.weak},
	} {
		if *f.own == nil {
			*f.own = *f.other
		}
	}
	for _, f := range [...]struct{ own, other map[string]*apps }{
		{t.exact, base.exact}, {t.label, base.label},
	} {
		for host, a := range f.other {
			if f.own[host] == nil {
				f.own[host] = a
			}
		}
	}
}

// settle finds out whether hosts need to be looked at at all.
func (t *table) settle() {
	switch {
	case t.strong != nil:
		t.only = t.strong
	case len(t.exact) > 0 || len(t.label) > 0:
	case t.bound != nil:
		t.only = t.bound
	default:
		t.only = t.weak
	}
}

func (t *table) bind(s *Site, b Binding, o *Options) error {
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
		head: a.Limits.Head, body: a.Limits.Body, name: a.Name, keeps: a.Keeps,
		connect: a.Connect,
	}
	if out.name == "" {
		out.name = functionName(a.Handler)
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
	if out.body == NoBody {
		out.body = 0 // from here on; inheritance needed another word
	}
	return out
}

// functionName is what the program calls h.
func functionName(h pipeline.Handler) string {
	if h == nil {
		return ""
	}
	return runtime.FuncForPC(reflect.ValueOf(h).Pointer()).Name()
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

// lookup finds the apps for a host (host or host:port, as sent), or nil.
//
// Hot path: once per request. No allocation: TestPlaintextAllocs.
func (t *table) lookup(host []byte) *apps {
	if t.only != nil {
		return t.only
	}
	var buf [hostBytesMax]byte
	name := foldHost(buf[:0], host)
	if a := t.exact[string(name)]; a != nil {
		return a
	}
	if i := bytes.IndexByte(name, '.'); i >= 0 {
		if a := t.label[string(name[i+1:])]; a != nil {
			return a
		}
	}
	if t.bound != nil {
		return t.bound
	}
	return t.weak
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
