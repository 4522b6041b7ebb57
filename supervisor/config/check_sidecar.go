package config

import (
	"fmt"
	"slices"
	"strings"
)

func sidecarKey(name string) string { return "sidecars." + quoteSegment(name) }

func (r *resolver) resolveSidecar(s *Sidecar) {
	key := sidecarKey(s.Name)
	r.resolvePath(key+".dir", &s.Dir)
	for i := range s.Env.Files {
		r.resolvePath(key+".env.files", &s.Env.Files[i])
	}
}

func (r *resolver) checkSidecars() {
	for i := range r.c.Sidecars {
		s := &r.c.Sidecars[i]
		key := sidecarKey(s.Name)
		r.checkDir(key+".dir", s.Dir)
		r.checkEnv(key+".env", &s.Env)
		r.checkUser(key+".user", s.User)
		r.checkAfter(key, s.After)
		r.checkSidecarCommand(key, s)
		if cycle := r.cycleOf(s.Name); cycle != nil && cycle[0] == slices.Min(cycle) { // once
			r.problem(key+".after", "sidecars wait for each other: "+
				strings.Join(append(cycle, cycle[0]), " after "), "an order", "")
		}
	}
	for i := range r.c.Pools {
		p := &r.c.Pools[i]
		r.checkAfter(poolKey(p.Name), p.After)
		if p.Name == "sidecar" && len(r.c.Sidecars) > 0 { // workers and sidecars have one form of name
			r.problem(poolKey(p.Name), "cannot be the name of a pool beside sidecars", "another name", "")
		}
	}
}

func (r *resolver) checkSidecarCommand(key string, s *Sidecar) {
	if _, failed := r.failedBelow(key + ".command"); failed {
		return
	}
	if len(s.Command) == 0 {
		if _, given := r.origins[key+".command"]; given {
			key += ".command"
		}
		r.problem(key, "has nothing to run", "command", "")
		return
	}
	p := Pool{Command: s.Command, Dir: s.Dir, Env: s.Env}
	r.checkCommand(key+".command", &p)
	s.Program = p.Program
}

// checkAfter wants the names in after to be sidecars.
func (r *resolver) checkAfter(key string, after []string) {
	var names []string
	for _, s := range r.c.Sidecars {
		names = append(names, s.Name)
	}
	expected := listed(names)
	if len(names) == 0 {
		expected = "it under sidecars"
	}
	for i, name := range after {
		at := path{key: key + ".after"}.index(i).key
		switch {
		case !slices.Contains(names, name):
			r.problem(at, fmt.Sprintf("no sidecar %q", name), expected, nearest(name, names))
		case slices.Index(after, name) < i:
			r.problem(at, fmt.Sprintf("%q is there twice", name), "", "")
		}
	}
}

// cycleOf is a way along after from a sidecar back to itself, nil if there is none.
func (r *resolver) cycleOf(name string) []string {
	seen := map[string]bool{}
	var walk func(at string) []string
	walk = func(at string) []string {
		s, ok := r.c.Sidecar(at)
		if !ok {
			return nil
		}
		for _, next := range s.After {
			if next == name {
				return []string{at}
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if way := walk(next); way != nil {
				return append([]string{at}, way...)
			}
		}
		return nil
	}
	return walk(name)
}
