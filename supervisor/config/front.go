package config

// What a process is told that serves requests is named here, field by field: what is not, such as how
// workers are run, sidecars and the admin API, no client can learn of a process that it has taken over.

// ForFront is what a front needs of c.
func (c *Config) ForFront() *Config {
	out := c.serving()
	out.Spool = c.Spool
	out.Listeners = make([]Listener, len(c.Listeners))
	for i := range c.Listeners {
		out.Listeners[i] = c.Listeners[i].serving()
	}
	out.Sites = make([]Site, len(c.Sites))
	for i := range c.Sites {
		out.Sites[i] = c.Sites[i].serving()
	}
	out.Pools = make([]Pool, len(c.Pools))
	for i := range c.Pools {
		out.Pools[i] = c.Pools[i].dispatching()
	}
	return out
}

// ForSite is what workers of pool need that accept for themselves: their site and address, and what
// holds for all.
func (c *Config) ForSite(pool string) *Config {
	out := c.serving()
	for i := range c.Sites {
		if s := &c.Sites[i]; len(s.Apps) == 1 && s.Apps[0].Pool == pool {
			out.Sites = append(out.Sites, s.serving())
		}
	}
	for i := range c.Listeners {
		if l := &c.Listeners[i]; l.Pool == pool {
			out.Listeners = append(out.Listeners, l.serving())
		}
	}
	return out
}

// serving is what holds for every process that has clients.
func (c *Config) serving() *Config {
	return &Config{
		TrustedProxies: c.TrustedProxies, Unmatched: c.Unmatched, ServerHeader: c.ServerHeader,
		Trust: Trust{Trace: c.Trust.Trace},
		Limits: Limits{
			Connections: c.Limits.Connections, RequestLine: c.Limits.RequestLine, Head: c.Limits.Head,
			Fields: c.Limits.Fields, Body: c.Limits.Body, HalfClose: c.Limits.HalfClose,
			Buffers: c.Limits.Buffers, Blocking: c.Limits.Blocking,
		},
		Timeouts: Timeouts{Header: c.Timeouts.Header, Keepalive: c.Timeouts.Keepalive},
		MinRate:  c.MinRate,
		Log:      c.Log,
	}
}

func (l *Listener) serving() Listener {
	return Listener{Address: l.Address, ProxyProtocol: l.ProxyProtocol, Pool: l.Pool}
}

func (s *Site) serving() Site {
	out := Site{Name: s.Name, Middleware: s.Middleware}
	for _, b := range s.Bindings {
		out.Bindings = append(out.Bindings, Binding{
			Address: b.Address, Host: b.Host, Kind: b.Kind, Listener: b.Listener, Local: b.Local,
		})
	}
	for _, a := range s.Apps {
		out.Apps = append(out.Apps, App{
			Prefix: a.Prefix, Pool: a.Pool, Static: a.Static, Respond: a.Respond, Handler: a.Handler,
			Limits: a.Limits, Timeouts: a.Timeouts, Priority: a.Priority, Buffer: a.Buffer,
			Connect: a.Connect,
		})
	}
	return out
}

// dispatching is what concerns requests for p, not its processes.
func (p *Pool) dispatching() Pool {
	return Pool{
		Name: p.Name, Upstreams: p.Upstreams, Dispatch: p.Dispatch, Workers: p.Workers,
		Balance: p.Balance, Retry: p.Retry, Circuit: p.Circuit, Queue: p.Queue, Limit: p.Limit,
		Ready:     Ready{Timeout: p.Ready.Timeout},
		Hang:      Hang{After: p.Hang.After, Action: p.Hang.Action},
		RapidFail: RapidFail{Answer: p.RapidFail.Answer},
		Timeouts:  p.Timeouts, Sendfile: p.Sendfile, Buffer: p.Buffer,
		Protocol: p.Protocol, FastCGI: p.FastCGI,
	}
}
