package config

import (
	"testing"
)

// Every form of balance, in a file and by --set; what explain prints reads back as itself.
func TestBalance(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ in, want string }{
		{"round-robin", "round-robin"},
		{"random-2", "random-2"},
		{"sticky", "sticky"},
		{"{hash: client}", "{hash: client}"},
		{"{hash: header X-Key}", "{hash: header X-Key}"},
		{"{hash: 'cookie   sid'}", "{hash: cookie sid}"},
	} {
		l := mustLoad(t, m.file(pool("balance: "+tt.in)))
		p, _ := l.Config.Pool("p")
		if p.Balance.String() != tt.want {
			t.Errorf("balance: %s is %q; want %q", tt.in, p.Balance, tt.want)
		}
		s := m.file(pool(""))
		s.Set = []string{"pools.p.balance=" + tt.in}
		p, _ = mustLoad(t, s).Config.Pool("p")
		if p.Balance.String() != tt.want {
			t.Errorf("--set balance=%s is %q; want %q", tt.in, p.Balance, tt.want)
		}
		again := mustLoad(t, m.file(string(ExplainYAML(l))))
		if p, _ = again.Config.Pool("p"); p.Balance.String() != tt.want {
			t.Errorf("explain of %s reads back as %q", tt.in, p.Balance)
		}
	}
	for in, want := range map[string]string{
		"roundrobin":           `"roundrobin" is not known, expected least-in-flight, round-robin`,
		"{hash: url}":          `cannot hash by "url", expected client, header NAME or cookie NAME`,
		"{hash: header}":       `cannot hash by "header"`,
		"{hash: 'header a b'}": `cannot hash by "header a b"`,
		"{hash: 'header a:b'}": `cannot hash by "header a:b"`,
		"{hash: client me}":    `cannot hash by "client me"`,
		"{hash: [client]}":     `pools.p.balance.hash: is a list`,
		"{hsh: client}":        `unknown key "hsh" in pools.p.balance`,
		"{}":                   `is an empty mapping`,
		"[sticky]":             `is a list`,
		"{hash: client, b: c}": `unknown key "b"`,
		`"{hash: client}"`:     `"{hash: client}" is not known`,
	} {
		wantError(t, "balance: "+in, m.file(pool("balance: "+in)), want)
	}
}
