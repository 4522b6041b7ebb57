package config

import (
	"fmt"
	"slices"
	"strings"
)

// mode is one of the ways in which a pool's requests come to be answered: a dispatch to workers, or
// upstreams.
type mode uint8

const (
	modeHTTP mode = 1 << iota
	modeMux
	modeHandoff
	modeReuseport
	modeUpstreams

	modesMessages = modeHTTP | modeMux
	modesPassed   = modesMessages | modeHandoff   // a front brings requests to workers
	modesWorkers  = modesPassed | modeReuseport   // there are workers
	modesAnswers  = modesMessages | modeUpstreams // a front sees the answers
	modesRequests = modesAnswers | modeHandoff    // a front brings requests to somebody
	modesAll      = modesWorkers | modeUpstreams
)

// keyModes is in which modes a key of a pool, or all keys below one, has an effect; any other needs
// workers. An app's key of the same name follows its pool's.
var keyModes = []struct {
	key string
	in  mode
}{
	{"upstreams", modeUpstreams},
	{"resolve", modeUpstreams},
	{"proxy_protocol", modeUpstreams},
	{"check", modeUpstreams},
	{"socket", modesPassed},
	{"start", modesWorkers},
	{"idle", modesPassed},
	{"scale", modesPassed},
	{"warmup", modeHTTP},
	{"hang.after", modesMessages},
	{"concurrency", modesRequests},
	{"slow_start", modesRequests},
	{"balance", modesRequests},
	{"circuit", modesRequests},
	{"queue", modesRequests},
	{"priority", modesRequests}, // of an app
	{"timeouts.connect", modesRequests},
	{"timeouts", modesAnswers},
	{"retry", modesAnswers},
	{"limit", modesAnswers},
	{"buffer", modesAnswers},
	{"sendfile", modesAnswers},
	{"stop_timeout", modesAll},
}

// modesOf is where a key of a pool, without the pool's own, has an effect.
func modesOf(key string) mode {
	for _, k := range keyModes {
		if key == k.key || strings.HasPrefix(key, k.key+".") {
			return k.in
		}
	}
	return modesWorkers
}

// modeNames are in the order of the bits.
var modeNames = []string{
	string(DispatchHTTP), string(DispatchMux), string(DispatchHandoff), string(DispatchReuseport),
	"upstreams",
}

// String is "dispatch: http, mux or handoff" or "upstreams", or both.
func (m mode) String() string {
	var names []string
	for i, name := range modeNames[:len(modeNames)-1] {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	text := ""
	if last := len(names) - 1; last >= 0 {
		text = "dispatch: " + names[last]
		if last > 0 {
			text = "dispatch: " + strings.Join(names[:last], ", ") + " or " + names[last]
		}
	}
	switch {
	case m&modeUpstreams == 0:
		return text
	case text == "":
		return "upstreams"
	}
	return text + "; upstreams"
}

// with names the pools that a key is for, "" for all of them or all with workers.
func with(pattern string) string {
	rest, of := strings.CutPrefix(pattern, "pools.*.")
	if !of {
		rest, of = strings.CutPrefix(pattern, "sites.*.apps.*.")
		of = of && appFollowsPool(rest)
	}
	if m := modesOf(rest); of && m != modesWorkers && m != modesAll {
		return m.String()
	}
	return ""
}

// modeOf is p's, for which upstreams were given or not.
func modeOf(p *Pool, far bool) mode {
	if i := slices.Index(modeNames, string(p.Dispatch)); !far && i >= 0 {
		return 1 << i
	}
	return modeUpstreams
}

// checkModes refuses what is given for p, or for an app of p, and has no effect in p's mode.
func (r *resolver) checkModes(key string, p *Pool) {
	_, far := r.origins[key+".upstreams"]
	m := modeOf(p, far)
	for _, k := range r.givenBelow(key, "pools.*.") {
		if modesOf(k)&m == 0 {
			r.ineffective(key+"."+k, k, m)
		}
	}
	for i := range r.c.Sites {
		s := &r.c.Sites[i]
		for j := range s.Apps {
			at := appKey(s.Name, s.Apps[j].Prefix)
			if s.Apps[j].Pool != p.Name {
				continue
			}
			for _, k := range r.givenBelow(at, "sites.*.apps.*.") {
				if appFollowsPool(k) && modesOf(k)&m == 0 {
					r.ineffective(at+"."+k, k, m)
				}
			}
		}
	}
}

// appFollowsPool says whether a key of an app is one of dispatch, as its pool's key of that name.
func appFollowsPool(key string) bool {
	return key == "priority" || key == "buffer" || strings.HasPrefix(key, "timeouts.")
}

// ineffective refuses k, given as at, in m.
func (r *resolver) ineffective(at, k string, m mode) {
	in := modesOf(k)
	switch {
	case in == modeUpstreams:
		r.problem(at, "has no effect without upstreams", "upstreams beside it", "")
	case m == modeUpstreams && k == "command":
		r.problem(at, "is given together with upstreams", "one of them", "")
	case m == modeUpstreams:
		r.problem(at, "concerns workers, and the servers of this pool are not ours",
			"it in a pool with command", "")
	default:
		why := map[mode]string{
			modeMux:       "workers of mux are not asked by GETs",
			modeHandoff:   "workers of handoff answer clients themselves",
			modeReuseport: "with dispatch: reuseport no front is before the workers",
		}[m]
		r.problem(at, fmt.Sprintf("has no effect: %s", why), (in &^ modeUpstreams).String(), "")
	}
}

// givenBelow lists the keys below key, which is one of pattern, that somebody has given, without key
// itself, in the order of the schema.
func (r *resolver) givenBelow(key, pattern string) (out []string) {
	for _, k := range table().rows {
		rest, of := strings.CutPrefix(k.Path, pattern)
		if !of || strings.HasSuffix(rest, "]") || strings.Contains(rest, "[].") {
			continue
		}
		if o := r.origins[key+"."+rest]; o.Kind > FromInherited {
			out = append(out, rest)
		}
	}
	return out
}

// inMode reports whether a key of a pool, or of an app with a pool, has an effect in that pool's mode.
func (l *Loaded) inMode(p path) bool {
	rest, ofPool := strings.CutPrefix(p.pattern, "pools.*.")
	if ofPool {
		of := strings.TrimSuffix(p.key, "."+rest)
		i := slices.IndexFunc(l.Config.Pools, func(p Pool) bool { return poolKey(p.Name) == of })
		return modesOf(rest)&l.modeOf(&l.Config.Pools[i]) != 0
	}
	rest, ofApp := strings.CutPrefix(p.pattern, "sites.*.apps.*.")
	if !ofApp || !appFollowsPool(rest) {
		return true
	}
	of := strings.TrimSuffix(p.key, "."+rest)
	for i := range l.Config.Sites {
		s := &l.Config.Sites[i]
		for j := range s.Apps {
			if pool, ok := l.Config.Pool(s.Apps[j].Pool); ok && appKey(s.Name, s.Apps[j].Prefix) == of {
				return modesOf(rest)&l.modeOf(pool) != 0
			}
		}
	}
	return true
}

func (l *Loaded) modeOf(p *Pool) mode {
	_, far := l.origins[poolKey(p.Name)+".upstreams"]
	return modeOf(p, far)
}
