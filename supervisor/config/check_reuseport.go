package config

import "fmt"

// checkReuseport holds a pool whose workers accept for themselves to what can be done so: all of
// one site at one TCP address, by a handler of this program.
func (r *resolver) checkReuseport(key string, p *Pool) {
	if len(p.Command) > 0 {
		r.problem(key+".dispatch", fmt.Sprintf("reuseport: %s cannot take a site over", p.Command[0]),
			"http or mux: only handlers of this program can", "")
	}
	r.checkUnfronted(key, p)
	if site := r.siteOf(p); site != nil { // else nothing refers to the pool
		r.checkOwned(p, site)
	}
}

// checkUnfronted refuses values that only a front could give an effect; see also keyModes.
func (r *resolver) checkUnfronted(key string, p *Pool) {
	const unseen = "no front sees the requests of a pool with dispatch: reuseport"
	if p.Start == StartOnDemand {
		r.problem(key+".start", "on-demand: "+unseen, "always or manual", "")
	}
	if p.Workers.Min != int(p.Workers.Max) {
		r.problem(key+".workers", "cannot follow the load: "+unseen, "a number, or auto", "")
	}
	if p.Ready.Probe.Kind == KindHTTP {
		r.problem(key+".ready.probe", "a GET cannot be sent to one worker of dispatch: reuseport",
			"connect or notify", "")
	}
	if p.Ping.HTTP != "" {
		r.problem(key+".ping.http", "a GET cannot be sent to one worker of dispatch: reuseport",
			"pings of the control socket, which need no key", "")
	}
}

// siteOf is the one site of p; other uses of p are refused.
func (r *resolver) siteOf(p *Pool) (site *Site) {
	const whole = "a site with bindings of its own and one app, /"
	for i := range r.c.Sites {
		s := &r.c.Sites[i]
		for j := range s.Apps {
			a := &s.Apps[j]
			at := appKey(s.Name, a.Prefix)
			switch {
			case a.Pool != p.Name:
				continue
			case site != nil && site != s:
				r.problem(at+".pool", fmt.Sprintf("pool %s has dispatch: reuseport and serves site %s already",
					p.Name, site.Name), whole, "")
				continue
			case a.Prefix != "/":
				r.problem(at+".pool", fmt.Sprintf("pool %s has dispatch: reuseport and takes a whole site",
					p.Name), whole, "")
			case len(s.Apps) > 1:
				r.problem(at+".pool", fmt.Sprintf("pool %s has dispatch: reuseport, and site %s has other apps",
					p.Name, s.Name), whole, "")
			}
			site = s
		}
	}
	return site
}

// checkOwned gives the address of s to p, if nobody else has it.
func (r *resolver) checkOwned(p *Pool, s *Site) {
	var own string
	for i := range s.Bindings {
		b := &s.Bindings[i]
		at := path{siteKey(s.Name) + ".bindings", ""}.index(i).key
		switch {
		case isUnix(b.Address):
			r.problem(at, b.Address+" cannot be shared out among the workers of dispatch: reuseport",
				"a TCP address", "")
		case own != "" && b.Listener != own:
			r.problem(at, fmt.Sprintf("the workers of pool %s, which has dispatch: reuseport, accept on %s",
				p.Name, own), "one address", "")
		}
		own = b.Listener
	}
	for i := range r.c.Sites {
		other := &r.c.Sites[i]
		for j := range other.Bindings {
			if other != s && other.Bindings[j].Listener == own {
				r.problem(path{siteKey(other.Name) + ".bindings", ""}.index(j).key,
					fmt.Sprintf("on %s the workers of pool %s accept, which has dispatch: reuseport", own, p.Name),
					"another address", "")
			}
		}
	}
	if l, ok := r.c.Listener(own); ok {
		l.Pool = p.Name
	}
}
