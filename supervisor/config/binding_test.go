package config

import (
	"fmt"
	"strings"
	"testing"
)

// systems.md rows H10, H11, H13.
func TestBindingGrammar(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"http://shop.example.org:8080", ":8080 shop.example.org exact"},
		{"http://Shop.Example.org.:8080/", ":8080 shop.example.org exact"},
		{"http://+:8080", ":8080 + strong"},
		{"http://*:8080/", ":8080 * weak"},
		{"http://*.example.org:80", ":80 *.example.org suffix"},
		{"http://127.0.0.1:80", "127.0.0.1:80 * ip"},
		{"http://[::1]:80", "[::1]:80 * ip"},
		{":8080", ":8080 * weak"},
		{":0", ":0 * weak"},
		{"[::]:8080", "[::]:8080 * weak"},
		{"0.0.0.0:8080", "0.0.0.0:8080 * weak"},
		{"127.0.0.1:08080", "127.0.0.1:8080 * ip"},
		{"[0:0::1]:80", "[::1]:80 * ip"},
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80 * ip"},
		{"localhost:80", "127.0.0.1:80 * ip"},
		{"unix:/run/a.sock", "unix:/run/a.sock * weak"},
	} {
		b, err := parseBinding(tt.in)
		if err != nil {
			t.Errorf("parseBinding(%q) = %v; want %s", tt.in, err.what, tt.want)
			continue
		}
		if got := fmt.Sprint(b.Address, " ", b.Host, " ", hostKind(b.Address, b.Host)); got != tt.want {
			t.Errorf("parseBinding(%q) = %s; want %s", tt.in, got, tt.want)
		}
	}
}

func TestBindingErrors(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ in, want string }{
		{"https://a:443", `"https://a:443": https is not supported yet, expected http://HOST:PORT`},
		{"ftp://a:21", "has an unknown scheme"},
		{"8080", `"8080" is not an address, expected ADDRESS:PORT, :PORT or unix:PATH, ` +
			`did you mean ":8080"?`},
		{"127.0.0.1", `did you mean "127.0.0.1:8080"?`},
		{"::1", `did you mean "[::1]:8080"?`},
		{"localhost", `did you mean "localhost:8080"?`},
		{"*:80", `did you mean ":80"?`},
		{"shop.example:80", `has no IP address before its port, ` +
			`expected ADDRESS:PORT, :PORT or unix:PATH, ` +
			`did you mean "http://shop.example:80"?`},
		{"/run/a.sock", `"/run/a.sock" is a path, expected ADDRESS:PORT, :PORT or unix:PATH, ` +
			`did you mean "unix:/run/a.sock"?`},
		{":99999", `has the port "99999", expected a port from 0 to 65535`},
		{":http", `has the port "http"`},
		{"unix:", "names no socket"},
		{"http://shop.example",
			`has no port, expected http://HOST:PORT, did you mean "http://shop.example:80"?`},
		{"http://:80", `has no host, expected http://HOST:PORT, did you mean ":80"?`},
		{"http://a:80/x", `has a path, expected http://HOST:PORT (paths belong to apps), ` +
			`did you mean "http://a:80"?`},
		{"http://a.*.b:80", "has a wildcard that is not the whole left-most label"},
		{"http://a b:80", "is not a host name"},
		{"http://bücher.example:80", "other scripts in their xn-- form"},
		{"unix:/" + strings.Repeat("x", 107), "has 108 bytes, expected at most 107"},
	} {
		yaml := fmt.Sprintf("sites: {s: {bindings: [%q], apps: {/: {respond: {}}}}}\n", tt.in)
		wantError(t, tt.in, m.file(yaml), "conf/weir.yaml:1:24: sites.s.bindings[0]: ")
		wantError(t, tt.in, m.file(yaml), tt.want)
	}
}

func TestBindingsTogether(t *testing.T) {
	m := newMachine(t)
	two := func(a, b string) Sources {
		return m.file(fmt.Sprintf("sites:\n  a: {bindings: [%s], apps: {/: {respond: {}}}}\n"+
			"  b: {bindings: [%s], apps: {/: {respond: {}}}}\n", a, b))
	}
	for _, tt := range []struct{ desc, a, b, want string }{
		{"same address", `":80"`, `":80"`, "conf/weir.yaml:3:18: sites.b.bindings[0]: host * on :80 " +
			"already belongs to site a, expected each host and address once"},
		{"same host, other case", `"http://A.x:80"`, `"http://a.X:80"`,
			"host a.x on :80 already belongs"},
		{"dual-stack beside IPv6", `":80"`, `"[::]:80"`, "sites.b.bindings[0]: [::]:80 overlaps :80"},
		{"two modes", `{address: "unix:s", mode: "0600"}`, `{address: "unix:s", host: a, mode: "0660"}`,
			"sites.b.bindings[0].mode: is 0660 here and 0600 elsewhere for the same socket"},
		{"mode of TCP", `{address: ":80", mode: "0600"}`, `":81"`, "is no Unix socket and has no mode"},
		{"no address", `{host: a}`, `":81"`, "sites.a.bindings[0]: has no address"},
		{"bad host", `{address: ":80", host: "a:80"}`, `":81"`,
			`conf/weir.yaml:2:41: sites.a.bindings[0].host: "a:80" has a port`},
	} {
		wantError(t, tt.desc, two(tt.a, tt.b), tt.want)
	}
	c := mustLoad(t, two(`":80"`,
		`"127.0.0.1:80", "http://x:80", "[::]:81", "0.0.0.0:81", "[::1]:81"`)).Config
	if got := strings.Join(names(c.Listeners), " "); got != ":80 [::]:81 0.0.0.0:81" {
		t.Errorf("listeners = %s; want the wildcards to carry the addresses", got)
	}
	b := c.Sites[1].Bindings[0]
	if b.Listener != ":80" || b.Local.String() != "127.0.0.1" || b.Kind != HostIP {
		t.Errorf("binding = %+v; want it carried by :80, on 127.0.0.1", b)
	}
	wild := mustLoad(t, two(`"http://*.org:80"`, `":81"`))
	if len(wild.Warnings) != 1 || !strings.Contains(wild.Warnings.Error(), "conf/weir.yaml:2:18") {
		t.Errorf("warnings = %v; want one about *.org", wild.Warnings)
	}
}
