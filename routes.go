package weir

import (
	"context"
	"fmt"
	"sync"

	"weir/netpoll"
	"weir/pipeline"
	"weir/pipeline/dispatch"
	"weir/pipeline/server"
	"weir/pipeline/static"
	"weir/supervisor"
	"weir/supervisor/config"
)

// routeSet is what a front has made of its configuration: handlers by name, static roots, pools. What
// a reload leaves as it was keeps its handler, its files in memory and its connections to workers.
type routeSet struct {
	app      *App
	loops    []*netpoll.Loop
	events   dispatch.Events
	secret   []byte // signs sticky cookies
	spool    *dispatch.Spool
	handlers map[string]pipeline.Handler
	statics  map[string]*static.Files

	mu      sync.Mutex
	pools   map[string]*dispatch.Pool
	accepts map[string]bool                    // pools whose workers accept for themselves
	told    map[string]supervisor.Availability // of pools, by the supervisor
}

// routing is a set of sites ready to be applied, and the pools it needs.
type routing struct {
	sites []server.Site
	pools map[string]*dispatch.Pool
	to    map[string]pipeline.Handler // the pools, for handlers that delegate
	apply []func()

	accepts map[string]bool
}

func newRouteSet(
	app *App, loops []*netpoll.Loop, ev dispatch.Events, secret []byte, spool *dispatch.Spool,
) *routeSet {
	return &routeSet{
		app: app, loops: loops, events: ev, secret: secret, spool: spool,
		handlers: map[string]pipeline.Handler{}, statics: map[string]*static.Files{},
		pools: map[string]*dispatch.Pool{}, told: map[string]supervisor.Availability{},
	}
}

// next builds the routes of c and changes nothing that serves.
func (r *routeSet) next(c *config.Config, fronts int) (*routing, error) {
	n := &routing{
		pools: map[string]*dispatch.Pool{}, to: map[string]pipeline.Handler{}, accepts: map[string]bool{},
	}
	for i := range c.Pools {
		p := &c.Pools[i]
		n.accepts[p.Name] = p.Dispatch == config.DispatchReuseport
		o := poolOptions(c, p, fronts)
		o.Secret, o.Spool = r.secret, r.spool
		var err error
		if o.Files, err = r.sendfile(p.Sendfile); err != nil {
			return nil, fmt.Errorf("weir: pool %s: sendfile: %w", p.Name, err)
		}
		if old := r.pool(p.Name); old != nil {
			n.pools[p.Name] = old
			n.apply = append(n.apply, func() { old.Update(o) })
			continue
		}
		n.pools[p.Name] = dispatch.NewPool(o, r.loops, r.events)
	}
	for name, p := range n.pools {
		n.to[name] = p.Handler()
	}
	for i := range c.Sites {
		s := &c.Sites[i]
		site := server.Site{Name: s.Name, Bindings: bindings(s)}
		for j := range s.Apps {
			a := &s.Apps[j]
			h, err := r.handler(n, a)
			if err != nil {
				return nil, fmt.Errorf("weir: site %s: app %s: %w", s.Name, a.Prefix, err)
			}
			if h, err = (registry{r.app}).chain(h, s); err != nil {
				return nil, err
			}
			site.Apps = append(site.Apps, server.App{
				Name: appName(a), Prefix: a.Prefix, Handler: h, Limits: serverLimits(a.Limits),
				Connect: a.Connect,
				Keeps:   a.Kind() == config.AppPool && len(s.Middleware) == 0,
			})
		}
		n.sites = append(n.sites, site)
	}
	return n, nil
}

// appName is what answers in a, for the log.
func appName(a *config.App) string {
	switch a.Kind() {
	case config.AppPool:
		return "pool " + a.Pool
	case config.AppStatic:
		return "static " + a.Static.Root
	case config.AppRespond:
		return "respond"
	}
	return a.Handler
}

func (r *routeSet) handler(n *routing, a *config.App) (pipeline.Handler, error) {
	switch a.Kind() {
	case config.AppPool:
		return routeTo(n.pools[a.Pool], a), nil
	case config.AppStatic:
		files, err := r.static(a.Static.Root)
		if err != nil {
			return nil, err
		}
		return files.Handle, nil
	case config.AppRespond:
		return respond(a.Respond)
	}
	if h := r.handlers[a.Handler]; h != nil {
		return h, nil
	}
	h, err := r.app.build(context.Background(), a.Handler)
	if err == nil {
		r.handlers[a.Handler] = h
	}
	return h, err
}

func (r *routeSet) static(root string) (*static.Files, error) {
	if files := r.statics[root]; files != nil {
		return files, nil
	}
	files, err := static.New(static.Options{Root: root})
	if err != nil {
		return nil, err
	}
	r.statics[root] = files
	return files, nil
}

// sendfile is what workers of a pool may have sent; nil for none.
func (r *routeSet) sendfile(s config.Sendfile) (*dispatch.Files, error) {
	if s.Root == "" {
		return nil, nil
	}
	files, err := r.static(s.Root)
	if err != nil {
		return nil, err
	}
	return &dispatch.Files{Root: s.Root, Prefix: s.Prefix, Send: files.Send}, nil
}

// prepare has pools dispatch that n gives to us from workers that accept for themselves: requests come
// as soon as n is applied. nil: nothing is applied after all.
func (r *routeSet) prepare(n *routing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, p := range r.pools {
		a := r.available(name)
		if n != nil && !n.accepts[name] {
			a = availabilities[r.told[name]]
		}
		if p.Available() != a {
			p.SetAvailable(a)
		}
	}
}

// settle makes n the routes in force.
func (r *routeSet) settle(n *routing) {
	for _, f := range n.apply {
		f()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pools, r.accepts = n.pools, n.accepts
	for name := range r.told {
		if n.pools[name] == nil {
			delete(r.told, name)
		}
	}
	for name, p := range n.pools {
		if a := r.available(name); p.Available() != a {
			p.SetAvailable(a)
		}
	}
}

// review looks once more at a pool of which a worker has left rotation.
func (r *routeSet) review(pool string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pools[pool]
	if p == nil {
		return
	}
	if a := r.available(pool); p.Available() != a {
		p.SetAvailable(a)
	}
}

// available is what becomes of requests for a pool. Workers that accept for themselves are none for us,
// so what comes here by a socket that was lent is refused, also when it comes late; what comes by a
// connection from before a reload goes to the workers of then while there are any. The caller holds mu.
func (r *routeSet) available(name string) dispatch.Availability {
	a := availabilities[r.told[name]]
	if r.accepts[name] && a == dispatch.Available && !r.pools[name].Serves() {
		a = dispatch.Stopped
	}
	return a
}

// close gives static roots back. No exchange may be under way.
func (r *routeSet) close() {
	for _, files := range r.statics {
		_ = files.Close() // opened for reading only
	}
}

func (r *routeSet) pool(name string) *dispatch.Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pools[name]
}

func (r *routeSet) all() []*dispatch.Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*dispatch.Pool
	for _, p := range r.pools {
		out = append(out, p)
	}
	return out
}
