package config

import (
	"net/netip"
	"path/filepath"
	"strings"
)

// resolver turns what was bound into a complete configuration, then checks it.
type resolver struct {
	*loader
	warnings Errors
}

func (r *resolver) resolve() {
	c := &r.c
	if c.Loops == Auto {
		c.Loops = Count(max(1, r.s.CPUs/max(1, c.Fronts)))
	}
	if c.Limits.Starts == Auto {
		c.Limits.Starts = Count(max(2, 2*r.s.CPUs))
	}
	r.resolvePath("runtime_dir", &c.RuntimeDir)
	r.resolvePath("spool.dir", &c.Spool.Dir)
	if c.Log.Access != "off" && c.Log.Access != "-" {
		r.resolvePath("log.access", &c.Log.Access)
	}
	for i := range c.Admin.Listen {
		r.resolveUnix("admin.listen", &c.Admin.Listen[i])
	}
	for i := range c.Pools {
		r.resolvePool(&c.Pools[i])
	}
	for i := range c.Sidecars {
		r.resolveSidecar(&c.Sidecars[i])
	}
	for i := range c.Sites {
		for j := range c.Sites[i].Apps {
			r.resolveApp(siteKey(c.Sites[i].Name), &c.Sites[i].Apps[j])
		}
	}
	r.resolveListeners()
}

func siteKey(name string) string { return "sites." + quoteSegment(name) }
func poolKey(name string) string { return "pools." + quoteSegment(name) }

func appKey(site, prefix string) string { return siteKey(site) + ".apps." + quoteSegment(prefix) }

// base is the directory that a key's relative paths start from.
func (r *resolver) base(key string) string {
	o := r.origins[key]
	if o.Kind == FromFile || o.Kind == FromDefault && r.file != "" {
		return filepath.Dir(absolute(r.s.Dir, r.file))
	}
	return r.s.Dir
}

func absolute(dir, p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(dir, p)
}

func (r *resolver) resolvePath(key string, p *string) {
	if *p != "" {
		*p = absolute(r.base(key), *p)
	}
}

// resolveUnix makes the path of a unix: address absolute; {runtime} stays.
func (r *resolver) resolveUnix(key string, address *string) {
	p, ok := strings.CutPrefix(*address, "unix:")
	if ok && p != "" && !strings.HasPrefix(p, "{runtime}") {
		*address = "unix:" + absolute(r.base(key), p)
	}
}

func (r *resolver) resolvePool(p *Pool) {
	key := poolKey(p.Name)
	p.Workers.resolve(r.s.CPUs)
	r.resolvePath(key+".dir", &p.Dir)
	r.resolvePath(key+".sendfile.root", &p.Sendfile.Root)
	r.resolvePath(key+".fastcgi.root", &p.FastCGI.Root)
	for i := range p.Recycle.Files {
		r.resolvePath(key+".recycle.files", &p.Recycle.Files[i])
	}
	for i := range p.Env.Files {
		r.resolvePath(key+".env.files", &p.Env.Files[i])
	}
}

// resolveApp fills in what the app does not say itself.
func (r *resolver) resolveApp(site string, a *App) {
	key := site + ".apps." + quoteSegment(a.Prefix)
	r.resolvePath(key+".static.root", &a.Static.Root)
	if _, ok := r.origins[key+".respond"]; ok {
		inherit(r, key+".respond.status", "", &a.Respond.Status, 200)
		inherit(r, key+".respond.content_type", "", &a.Respond.ContentType,
			"text/plain; charset=utf-8")
	}
	g := r.c.Limits
	inherit(r, key+".limits.request_line", "limits.request_line", &a.Limits.RequestLine, g.RequestLine)
	inherit(r, key+".limits.head", "limits.head", &a.Limits.Head, g.Head)
	inherit(r, key+".limits.fields", "limits.fields", &a.Limits.Fields, g.Fields)
	inherit(r, key+".limits.body", "limits.body", &a.Limits.Body, g.Body)
	p, ok := r.c.Pool(a.Pool)
	if !ok {
		return
	}
	from := poolKey(a.Pool) + ".timeouts."
	t := p.Timeouts
	inherit(r, key+".timeouts.connect", from+"connect", &a.Timeouts.Connect, t.Connect)
	inherit(r, key+".timeouts.first_byte", from+"first_byte", &a.Timeouts.FirstByte, t.FirstByte)
	inherit(r, key+".timeouts.idle", from+"idle", &a.Timeouts.Idle, t.Idle)
	inherit(r, key+".timeouts.total", from+"total", &a.Timeouts.Total, t.Total)
	inherit(r, key+".timeouts.tunnel", from+"tunnel", &a.Timeouts.Tunnel, t.Tunnel)
	inherit(r, key+".buffer", poolKey(a.Pool)+".buffer", &a.Buffer, p.Buffer)
}

// inherit sets *dst to v unless the key was given; from "" is a plain default.
func inherit[T any](r *resolver, key, from string, dst *T, v T) {
	if _, given := r.origins[key]; given {
		return
	}
	*dst = v
	r.origins[key] = Origin{Kind: FromDefault}
	if from != "" {
		r.origins[key] = Origin{Kind: FromInherited, Name: from}
	}
}

// resolveListeners makes one listener per address that bindings use. An IP address whose port is
// also bound by a wildcard shares the wildcard's socket, for the kernel refuses both.
func (r *resolver) resolveListeners() {
	options := map[string]Listener{}
	for _, l := range r.c.Listeners {
		key := "listeners." + quoteSegment(l.Address)
		r.resolveListenerAddress(key, &l)
		if _, dup := options[l.Address]; dup {
			r.add(r.origins[key], key, "has the same address as another listener", "", "")
		}
		options[l.Address] = l
	}
	used := map[string]bool{}
	for i := range r.c.Sites {
		s := &r.c.Sites[i]
		for j := range s.Bindings {
			r.resolveUnix(siteKey(s.Name)+".bindings", &s.Bindings[j].Address)
			used[s.Bindings[j].Address] = true
		}
	}
	r.checkUnused(used)
	r.c.Listeners = []Listener{}
	at := map[string]int{}
	for i := range r.c.Sites {
		s := &r.c.Sites[i]
		for j := range s.Bindings {
			key := path{siteKey(s.Name) + ".bindings", ""}.index(j).key
			b := &s.Bindings[j]
			b.Listener = carrier(b.Address, used)
			if b.Listener != b.Address {
				b.Local, _ = specificIP(b.Address)
			}
			k, ok := at[b.Listener]
			if !ok {
				k = len(r.c.Listeners)
				at[b.Listener] = k
				r.c.Listeners = append(r.c.Listeners, r.newListener(b.Listener, options))
			}
			r.applyPermissions(key, b, &r.c.Listeners[k])
		}
	}
}

func (r *resolver) resolveListenerAddress(key string, l *Listener) {
	if o := r.origins[key]; o.Kind != FromFile {
		r.resolveUnix("", &l.Address)
		return
	}
	r.resolveUnix(key, &l.Address)
}

func (r *resolver) newListener(address string, options map[string]Listener) Listener {
	l, ok := options[address]
	if !ok {
		l = Listener{Address: address}
		r.defaults(path{"listeners." + quoteSegment(address), "listeners.*"}, valueOf(&l))
	}
	if !isUnix(address) {
		l.Mode = 0
	}
	return l
}

func isUnix(address string) bool { return strings.HasPrefix(address, "unix:") }

// carrier is the address whose socket takes connections for address.
func carrier(address string, used map[string]bool) string {
	ip, ok := specificIP(address)
	if !ok {
		return address
	}
	port := address[strings.LastIndexByte(address, ':'):]
	wildcards := []string{port, "0.0.0.0" + port}
	if ip.Is6() {
		wildcards[1] = netip.IPv6Unspecified().String()
		wildcards[1] = "[" + wildcards[1] + "]" + port
	}
	for _, w := range wildcards {
		if used[w] && port != ":0" {
			return w
		}
	}
	return address
}

// applyPermissions takes a binding's mode, owner and group over to its listener.
func (r *resolver) applyPermissions(key string, b *Binding, l *Listener) {
	if b.Mode == 0 && b.Owner == "" && b.Group == "" {
		return
	}
	if !isUnix(b.Address) {
		r.add(r.origins[key], key, b.Address+" is no Unix socket and has no mode, owner or group", "", "")
		return
	}
	listener := "listeners." + quoteSegment(l.Address)
	set := func(name, value, old string) bool {
		from, given := r.origins[listener+"."+name]
		if value == "" || value == "0000" {
			return false
		}
		if given && from.Kind != FromDefault && value != old {
			r.add(r.origins[key], key+"."+name,
				"is "+value+" here and "+old+" elsewhere for the same socket", "one of them", "")
			return false
		}
		r.origins[listener+"."+name] = r.origins[key]
		return true
	}
	if set("mode", b.Mode.String(), l.Mode.String()) {
		l.Mode = b.Mode
	}
	if set("owner", b.Owner, l.Owner) {
		l.Owner = b.Owner
	}
	if set("group", b.Group, l.Group) {
		l.Group = b.Group
	}
}
