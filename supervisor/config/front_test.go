package config

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// toldFronts is every field that a front is told, by its JSON name. What a worker is told that accepts
// for itself is part of it.
var toldFronts = strings.Fields(`
	trusted_proxies unmatched server_header trust.trace
	listeners.address listeners.proxy_protocol listeners.pool
	sites.name sites.bindings.address sites.bindings.host sites.bindings.kind sites.bindings.listener
	sites.bindings.local sites.middleware.use sites.middleware.options
	sites.apps.prefix sites.apps.pool sites.apps.static.root sites.apps.respond.status
	sites.apps.respond.body sites.apps.respond.content_type sites.apps.handler
	sites.apps.limits.request_line sites.apps.limits.head sites.apps.limits.fields sites.apps.limits.body
	sites.apps.timeouts.connect sites.apps.timeouts.first_byte sites.apps.timeouts.idle
	sites.apps.timeouts.total sites.apps.timeouts.tunnel sites.apps.priority sites.apps.buffer
	sites.apps.connect pools.protocol pools.fastcgi.root pools.fastcgi.index pools.fastcgi.extensions
	pools.fastcgi.fallback
	pools.name pools.upstreams pools.dispatch pools.workers.min pools.workers.max pools.workers.spare
	pools.balance.hash pools.balance.rule pools.retry.rate pools.retry.share pools.retry.max
	pools.circuit.failures pools.circuit.open pools.queue.length pools.queue.timeout
	pools.queue.overload pools.queue.policy pools.limit.adaptive pools.limit.min pools.limit.max
	pools.ready.timeout pools.hang.after pools.hang.action pools.rapid_fail.answer
	pools.timeouts.connect pools.timeouts.first_byte pools.timeouts.idle pools.timeouts.total
	pools.timeouts.tunnel pools.sendfile.root pools.sendfile.prefix pools.buffer
	limits.connections limits.request_line limits.head limits.fields limits.body limits.half_close
	limits.buffers limits.blocking timeouts.header timeouts.keepalive min_rate.rate min_rate.grace
	spool.dir spool.memory spool.disk log.level log.format log.access`)

// notToldSites is what only fronts are told.
var notToldSites = []string{"pools.", "spool."}

// fill sets every field below v to something.
func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.IPv6Unspecified()))
	case v.Type() == prefixType:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("::/0")))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"NAME": "value"}))
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	default:
		v.SetUint(1)
	}
}

// told lists the fields below v that are not zero.
func told(prefix string, v reflect.Value) (out []string) {
	switch {
	case v.IsZero():
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[netip.Addr]() && v.Type() != prefixType:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			out = append(out, told(prefix+"."+name, v.Field(i))...)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem() != prefixType:
		for i := range v.Len() {
			out = append(out, told(prefix, v.Index(i))...)
		}
	default:
		out = append(out, strings.TrimPrefix(prefix, "."))
	}
	return out
}

// A field of which nobody has said that a front needs it stays hidden.
func TestServingIsNamed(t *testing.T) {
	var c Config
	fill(valueOf(&c))
	c.Sites[0].Apps[0].Pool, c.Listeners[0].Pool = "x", "x"
	for name, own := range map[string]*Config{"ForFront": c.ForFront(), "ForSite": c.ForSite("x")} {
		want := slices.Clone(toldFronts)
		if name == "ForSite" {
			want = slices.DeleteFunc(want, func(f string) bool {
				return slices.ContainsFunc(notToldSites, func(p string) bool { return strings.HasPrefix(f, p) })
			})
		}
		got := told("", valueOf(own))
		for _, f := range got {
			if !slices.Contains(want, f) {
				t.Errorf("%s tells %s, which toldFronts does not name", name, f)
			}
		}
		for _, f := range want {
			if !slices.Contains(got, f) {
				t.Errorf("%s does not tell %s", name, f)
			}
		}
	}
}

// ForSite tells of one site and its address.
func TestForSite(t *testing.T) {
	secret := Env{Set: map[string]string{"TOKEN": "t0k3n"}}
	c := &Config{
		Pools:    []Pool{{Name: "shop"}, {Name: "other", Env: secret}},
		Sidecars: []Sidecar{{Name: "car", Env: secret}},
		Sites: []Site{
			{Name: "s", Apps: []App{{Prefix: "/", Pool: "shop"}}},
			{Name: "o", Apps: []App{{Prefix: "/", Pool: "other"}}},
		},
		Listeners: []Listener{{Address: ":1", Pool: "shop"}, {Address: ":2"}},
	}
	got := c.ForSite("shop")
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "t0k3n") || len(got.Sites) != 1 || got.Sites[0].Name != "s" ||
		len(got.Listeners) != 1 || got.Listeners[0].Address != ":1" {
		t.Errorf("ForSite = %s; want site s, its address, and nothing of others", b)
	}
}
