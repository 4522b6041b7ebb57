package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
)

// checkBindings refuses what two sites, or two sockets, cannot share.
func (r *resolver) checkBindings() {
	type claim struct {
		listener string
		kind     HostKind
		host     string
		local    netip.Addr
	}
	owner := map[claim]string{}
	for _, s := range r.c.Sites {
		for i, b := range s.Bindings {
			key := path{siteKey(s.Name) + ".bindings", ""}.index(i).key
			c := claim{b.Listener, b.Kind, b.Host, b.Local}
			if other, taken := owner[c]; taken {
				r.problem(key, fmt.Sprintf("host %s on %s already belongs to site %s",
					b.Host, b.Address, other), "each host and address once", "")
			}
			owner[c] = s.Name
			r.checkUnixPath(key, b.Address)
			if name, ok := strings.CutPrefix(b.Host, "*."); ok && !strings.Contains(name, ".") {
				e := r.origins[key].errorAt(key)
				e.Message = fmt.Sprintf("%s takes every host below a top-level domain", b.Host)
				r.warnings = append(r.warnings, e)
			}
		}
	}
	r.checkOverlap()
}

// checkOverlap refuses a dual-stack listener beside a wildcard of one family on the same port.
func (r *resolver) checkOverlap() {
	for _, l := range r.c.Listeners {
		a, err := netip.ParseAddrPort(l.Address)
		if err != nil || !a.Addr().IsUnspecified() || a.Port() == 0 {
			continue
		}
		dual := fmt.Sprintf(":%d", a.Port())
		if _, both := r.c.Listener(dual); both {
			r.problem(r.bindingOf(l.Address), l.Address+" overlaps "+dual+", which has both families",
				"one of them", "")
		}
	}
}

// bindingOf is the key of the first binding on a listener.
func (r *resolver) bindingOf(listener string) string {
	for _, s := range r.c.Sites {
		for i, b := range s.Bindings {
			if b.Listener == listener {
				return path{siteKey(s.Name) + ".bindings", ""}.index(i).key
			}
		}
	}
	return ""
}

// checkUnused refuses options of addresses that nothing listens on.
func (r *resolver) checkUnused(used map[string]bool) {
	var addresses []string
	for a := range used {
		addresses = append(addresses, a)
	}
	for _, l := range r.c.Listeners {
		key := "listeners." + quoteSegment(l.Address)
		r.resolveListenerAddress(key, &l)
		switch on := carrier(l.Address, used); {
		case !used[l.Address]:
			r.problem(key, "no binding uses this address", "an address of a binding",
				nearest(l.Address, addresses))
		case on != l.Address:
			r.problem(key, "shares the socket of "+on, "options there", "")
		}
	}
}

func (r *resolver) checkListener(l *Listener) {
	key := "listeners." + quoteSegment(l.Address)
	if !isUnix(l.Address) {
		for _, name := range []string{"mode", "owner", "group"} {
			if o := r.origins[key+"."+name]; o.Kind > FromDefault {
				r.add(o, key+"."+name, l.Address+" is no Unix socket", "it only for unix:PATH", "")
			}
		}
	}
	if l.Owner != "" && !userExists(l.Owner) {
		r.problem(key+".owner", fmt.Sprintf("no user %q on this machine", l.Owner), "a user", "")
	}
	if l.Group != "" && !groupExists(l.Group) {
		r.problem(key+".group", fmt.Sprintf("no group %q on this machine", l.Group), "a group", "")
	}
	if l.ProxyProtocol != ProxyOff && len(r.c.TrustedProxies) == 0 && !isUnix(l.Address) {
		r.problem(key+".proxy_protocol", "PROXY headers are taken from trusted_proxies only, and there"+
			" are none", "trusted_proxies", "")
	}
}

func valueOf[T any](p *T) reflect.Value { return reflect.ValueOf(p).Elem() }
