package server

import (
	"net/netip"
	"strings"
	"testing"

	"weir/pipeline"
)

func none(*pipeline.Context) {}

// site binds hosts of one listener, written "host" or "host@local", to the given prefixes.
func site(name, hosts string, prefixes ...string) Site {
	s := Site{Name: name}
	for h := range strings.FieldsSeq(hosts) {
		host, local, _ := strings.Cut(h, "@")
		b := Binding{Address: testAddress, Host: strings.TrimPrefix(host, "=")}
		if local != "" {
			b.Local = netip.MustParseAddr(local)
		}
		s.Bindings = append(s.Bindings, b)
	}
	for _, p := range prefixes {
		s.Apps = append(s.Apps, App{Prefix: p, Handler: none})
	}
	return s
}

// TestRoute: rows H10 to H13: the category decides before the path, a category that has the host
// does not fall through, and within it the longest prefix of whole segments wins. "=" is the
// empty host, the address itself.
func TestRoute(t *testing.T) {
	all := []Site{
		site("exact", "shop.example", "/", "/a", "/a/b"), site("label", "*.example", "/"),
		site("deep", "*.eu.example", "/only"), site("bound", "=", "/"), site("weak", "*", "/"),
	}
	for _, tc := range []struct {
		desc, host, path string
		sites            []Site
		local            string
		want             string // site and prefix; "" when no app, "none" when no site
	}{
		{"exact", "shop.example", "/x", all, "", "exact "},
		{"upper case, port and final dot", "SHOP.example.:8080", "/x", all, "", "exact "},
		{"longest prefix", "shop.example", "/a/b/c", all, "", "exact /a/b"},
		{"a prefix itself", "shop.example", "/a", all, "", "exact /a"},
		{"whole segments", "shop.example", "/ab", all, "", "exact "},
		{"whole segments, longer", "shop.example", "/a/bc", all, "", "exact /a"},
		{"label", "other.example", "/", all, "", "label "},
		{"one label only", "a.b.example", "/", all, "", "bound "},
		{"no label", "example", "/", all, "", "bound "},
		{"category does not fall through", "x.eu.example", "/else", all, "", ""},
		{"its prefix", "x.eu.example", "/only/y", all, "", "deep /only"},
		{"the address itself before the weak wildcard", "nobody.test", "/", all, "", "bound "},
		{"an IP literal as host", "[::1]:80", "/", all, "", "bound "},
		{"too long a host", strings.Repeat("a", 300) + ".example", "/", all, "", "bound "},
		{"strong before all", "shop.example", "/a",
			append([]Site{site("strong", "+", "/")}, all...), "", "strong "},
		{"weak", "nobody.test", "/", []Site{site("weak", "*", "/"), site("exact", "h", "/")}, "",
			"weak "},
		{"nothing", "nobody.test", "/", []Site{site("exact", "h", "/")}, "", "none"},
		{"own address", "h", "/", []Site{site("one", "=@127.0.0.1", "/"), site("weak", "*", "/")},
			"127.0.0.1", "one "},
		{"other address", "h", "/", []Site{site("one", "=@127.0.0.1", "/"), site("weak", "*", "/")},
			"127.0.0.2", "weak "},
		{"own address falls back on names", "h", "/", []Site{site("one", "=@127.0.0.1", "/"),
			site("exact", "h", "/")}, "127.0.0.1", "exact "},
	} {
		r, err := newRoutes(tc.sites, &Options{})
		if err != nil {
			t.Errorf("%s: %v", tc.desc, err)
			continue
		}
		tab := r.tables[testAddress]
		if tc.local != "" {
			if own := tab.local[netip.MustParseAddr(tc.local)]; own != nil {
				tab = own
			}
		}
		got := "none"
		if set := tab.lookup([]byte(tc.host)); set != nil {
			got = ""
			if a := set.find(tc.path); a != nil {
				got = a.site + " " + a.prefix
			}
		}
		if got != tc.want {
			t.Errorf("%s: %s%s goes to %q; want %q", tc.desc, tc.host, tc.path, got, tc.want)
		}
	}
	_, err := newRoutes([]Site{site("a", "h", "/x/"), site("b", "H.", "/x")}, &Options{})
	if err == nil || !strings.Contains(err.Error(), "sites a and b") {
		t.Errorf("two sites with one binding: %v; want an error that names both", err)
	}
}

// TestListenerRemoved: a connection outlives its listener; what it asks then is answered by the
// routes of now, which do not have the address, and the connection is closed.
func TestListenerRemoved(t *testing.T) {
	ts := startServer(t, 2, Options{}, hello)
	c := ts.dial()
	c.get("/").want("before", 200, "Hello, World!")
	if err := ts.Apply(Options{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if resp := c.get("/").want("after", 421, ""); !resp.Close {
		t.Error("421 without Connection: close")
	}
	c.wantEnd("after")
}

// TestApplyFails: an error leaves everything as it was: routes, and every descriptor with the
// caller.
func TestApplyFails(t *testing.T) {
	ts := startServer(t, 2, Options{}, hello)
	fd, addr := listenFD(t)
	other := []Site{{Name: "other", Bindings: []Binding{{Address: testAddress, Host: "*"}},
		Apps: []App{{Prefix: "/", Handler: func(c *pipeline.Context) { c.Text(200, "other") }}}}}
	err := ts.Apply(Options{}, []Listener{{Address: testAddress}, {Address: "good", FDs: []int{fd}},
		{Address: "bad", FDs: []int{1 << 20}}}, other)
	if err == nil {
		t.Fatal("Apply with a bad descriptor: no error")
	}
	ts.dial().get("/").want("as before", 200, "Hello, World!")
	first := ts.addr
	ts.addr = addr
	waiting := ts.dial().get("/") // in the kernel's backlog: nobody accepts
	good := []Listener{{Address: testAddress}, {Address: "good", FDs: []int{fd}}}
	sites := []Site{{Name: "good", Bindings: []Binding{{Address: "good", Host: "*"}},
		Apps: []App{{Prefix: "/", Handler: hello}}}}
	if err := ts.Apply(Options{}, good, sites); err != nil {
		t.Fatalf("the descriptor is not the caller's any more: %v", err)
	}
	waiting.want("the good one, later", 200, "Hello, World!")
	ts.addr = first
	ts.dial().get("/").want("its routes", 421, "")
}
