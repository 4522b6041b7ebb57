package config

import (
	"fmt"
	"mime"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// check holds the resolved configuration against itself and this machine.
func (r *resolver) check() {
	c := &r.c
	r.checkUser("user", c.User)
	if len(c.Sites) == 0 {
		r.add(Origin{Kind: FromFile, File: r.file, Line: 1, Column: 1}, "",
			"nothing to serve", "sites", "")
	}
	r.checkHead("limits", c.Limits.RequestLine, c.Limits.Head)
	for i, a := range c.Admin.Listen {
		r.checkAdmin(i, a)
	}
	if len(c.Admin.Listen) == 0 {
		r.add(r.origins["admin.listen"], "admin.listen", "is empty", row("admin.listen").Expected(), "")
	}
	for i := range c.Sites {
		r.checkSite(&c.Sites[i])
	}
	for i := range c.Pools {
		r.checkPool(&c.Pools[i])
	}
	r.checkSidecars()
	r.checkSpool()
	r.checkBindings()
	for i := range c.Listeners {
		r.checkListener(&c.Listeners[i])
	}
	if r.content == "the demo" {
		r.checkDemo()
	}
}

// problem reports at the place of key.
func (r *resolver) problem(key, message, expected, suggestion string) {
	r.add(r.origins[key], key, message, expected, suggestion)
}

func (r *resolver) checkUser(key, s string) {
	if s == "" {
		return
	}
	name, group, hasGroup := strings.Cut(s, ":")
	if !userExists(name) {
		r.problem(key, fmt.Sprintf("no user %q on this machine", name), row("user").Expected(), "")
	}
	if hasGroup && !groupExists(group) {
		r.problem(key, fmt.Sprintf("no group %q on this machine", group), row("user").Expected(), "")
	}
}

func userExists(s string) bool {
	if isNumber(s) {
		return true
	}
	_, err := user.Lookup(s)
	return err == nil
}

func groupExists(s string) bool {
	if isNumber(s) {
		return true
	}
	_, err := user.LookupGroup(s)
	return err == nil
}

func (r *resolver) checkHead(key string, line, head Size) {
	if line > head {
		at := key + ".request_line"
		if o := r.origins[at]; o.Kind == FromDefault || o.Kind == FromInherited {
			at = key + ".head"
		}
		r.problem(at, fmt.Sprintf("the request line (%v) may be larger than the head (%v)", line, head),
			"limits.request_line up to limits.head", "")
	}
}

func (r *resolver) checkAdmin(i int, a string) {
	p, ok := strings.CutPrefix(a, "unix:")
	if !ok || p == "" {
		r.problem("admin.listen", fmt.Sprintf("%q is not a Unix socket", a), "unix:PATH", "")
		return
	}
	if slices.Index(r.c.Admin.Listen, a) < i {
		r.problem("admin.listen", fmt.Sprintf("%q is there twice", a), "", "")
	}
	r.checkUnixPath("admin.listen", a)
}

func (r *resolver) checkUnixPath(key, address string) {
	p, ok := strings.CutPrefix(address, "unix:")
	if ok && len(p) > unixPathMax {
		r.problem(key, fmt.Sprintf("the socket path %s has %d bytes", p, len(p)),
			fmt.Sprintf("at most %d", unixPathMax), "")
	}
}

func (r *resolver) checkSite(s *Site) {
	key := siteKey(s.Name)
	if _, failed := r.failedBelow(key + ".bindings"); len(s.Bindings) == 0 && !failed {
		r.problem(key, "has no bindings", row("sites.*.bindings").Expected(), "")
	}
	if len(s.Apps) == 0 {
		if _, failed := r.failedBelow(key + ".apps"); !failed {
			r.problem(key, "has no apps", "apps: {/: …}", "")
		}
	}
	for i := range s.Apps {
		r.checkApp(s.Name, &s.Apps[i])
	}
}

// failedBelow finds an error already reported at or below key.
func (r *resolver) failedBelow(key string) (*Error, bool) {
	for _, e := range r.errs {
		if e.Key == key || strings.HasPrefix(e.Key, key+".") || strings.HasPrefix(e.Key, key+"[") {
			return e, true
		}
	}
	return nil, false
}

func (r *resolver) checkApp(site string, a *App) {
	key := appKey(site, a.Prefix)
	r.checkAnswer(key, a)
	r.checkHead(key+".limits", a.Limits.RequestLine, a.Limits.Head)
	switch kind := a.Kind(); {
	case !a.Connect:
	case a.Prefix != "/":
		r.problem(key+".connect", "CONNECT has no path, so only the app / gets it", "it at /", "")
	case kind != AppPool && kind != AppHandler:
		r.problem(key+".connect", "CONNECT needs somebody who answers it", "it beside pool or handler", "")
	default:
		if p, ok := r.c.Pool(a.Pool); ok && p.Protocol != ProtocolHTTP {
			r.problem(key+".connect", "workers that speak "+string(p.Protocol)+" have no tunnels",
				"protocol: http", "")
		}
	}
	if a.Pool != "" {
		return
	}
	if o := r.origins[key+".priority"]; a.Priority != PriorityNormal && a.Priority != "" {
		r.add(o, key+".priority", "is a place in a pool's queue, and this app has no pool",
			"it beside pool", "")
	}
	if o, given := r.origins[key+".buffer"]; given {
		r.add(o, key+".buffer", "is about a worker's slot, and this app has no pool", "it beside pool", "")
	}
	for _, t := range []string{"connect", "first_byte", "idle", "total", "tunnel"} {
		if o, given := r.origins[key+".timeouts."+t]; given {
			r.add(o, key+".timeouts."+t, "limits an exchange with a worker, and this app has no pool",
				"it beside pool", "")
		}
	}
}

// checkAnswer holds an app to exactly one of pool, static, respond and handler; pool and handler
// together are one.
func (r *resolver) checkAnswer(key string, a *App) {
	var has []string
	for _, k := range []string{"pool", "static", "respond", "handler"} {
		if _, ok := r.origins[key+"."+k]; ok {
			has = append(has, k)
		}
	}
	hosted := slices.Equal(has, []string{"pool", "handler"})
	if len(has) != 1 && !hosted {
		if _, failed := r.failedBelow(key); len(has) == 0 && failed {
			return
		}
		what := "has no content"
		if len(has) > 1 {
			what = "has " + strings.Join(has, " and ")
		}
		r.problem(key, what, "exactly one of pool, static, respond, handler (or handler with pool)", "")
		return
	}
	switch a.Kind() {
	case AppPool:
		r.checkPoolRef(key, a)
	case AppStatic:
		r.checkDir(key+".static.root", a.Static.Root)
	case AppRespond:
		r.checkRespond(key, a)
	case AppHandler:
		if has[0] != "handler" {
			r.checkEmpty(key, has[0])
			return
		}
	}
	if slices.Contains(has, "handler") && !r.reg.Handler(a.Handler) {
		r.problem(key+".handler", fmt.Sprintf("no handler %q in this program", a.Handler),
			row("sites.*.apps.*.handler").Expected(), "")
	}
}

// checkEmpty reports a pool or static files that were named with nothing.
func (r *resolver) checkEmpty(key, what string) {
	if _, failed := r.failedBelow(key); failed {
		return
	}
	if what == "static" {
		r.problem(key+".static", "has no root", "static: {root: DIRECTORY}", "")
		return
	}
	r.problem(key+"."+what, "is empty", row("sites.*.apps.*."+what).Expected(), "")
}

func (r *resolver) checkRespond(key string, a *App) {
	if _, _, err := mime.ParseMediaType(a.Respond.ContentType); err != nil {
		r.problem(key+".respond.content_type",
			fmt.Sprintf("%q is not a media type", a.Respond.ContentType), "text/plain or such", "")
	}
	if s := a.Respond.Status; (s == 204 || s == 304) && a.Respond.Body != "" {
		r.problem(key+".respond.body", "status "+strconv.Itoa(s)+" has no body", "", "")
	}
}

func (r *resolver) checkPoolRef(key string, a *App) {
	if _, ok := r.c.Pool(a.Pool); ok {
		return
	}
	var names []string
	for _, p := range r.c.Pools {
		names = append(names, p.Name)
	}
	expected := listed(names)
	if len(names) == 0 {
		expected = "it under pools"
	}
	r.problem(key+".pool", fmt.Sprintf("no pool %q", a.Pool), expected, nearest(a.Pool, names))
}

func (r *resolver) checkDir(key, dir string) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		r.problem(key, dir+": "+cause(err).Error(), "a directory", "")
	case !info.IsDir():
		r.problem(key, dir+" is not a directory", "a directory", "")
	}
}

// checkDemo keeps the demo, which anybody could crash, to this machine.
func (r *resolver) checkDemo() {
	for _, s := range r.c.Sites {
		for _, b := range s.Bindings {
			ip, specific := specificIP(b.Address)
			if isUnix(b.Address) || specific && ip.IsLoopback() {
				continue
			}
			r.errs = append(r.errs, &Error{Message: "nothing to serve on " + b.Address +
				": give a command after --, or --root, --respond or --config" +
				" (the demo serves loopback only)"})
		}
	}
}
