package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	m := newMachine(t)
	base := mustLoad(t, m.file(shop)).Config
	for _, tt := range []struct {
		desc string
		sets []string
		want string
	}{
		{"nothing", nil, ""},
		{"live key", []string{"timeouts.header=9s"}, "timeouts.header 30s>9s live"},
		{"restart", []string{"loops=2"}, "loops 4>2 restart"},
		{"auto that is the same", []string{"loops=auto", "pools.shop.workers=4"}, ""},
		{"listener option", []string{`listeners.":8080".backlog=64`}, "~:8080 backlog"},
		{"bindings", []string{"sites.shop.bindings=[':8080', ':8082']"},
			"+:8082 -127.0.0.1:8081 -unix:M/conf/shop.sock ~shop bindings"},
		{"app", []string{"sites.shop.apps./ping.respond.body=gnop"}, "~shop apps./ping.respond.body"},
		{"new app", []string{"sites.shop.apps./new.respond.body=x"}, "~shop apps./new.respond.status " +
			"apps./new.respond.body apps./new.respond.content_type apps./new.connect apps./new.limits.request_line " +
			"apps./new.limits.head apps./new.limits.fields apps./new.limits.body " +
			"apps./new.timeouts.connect apps./new.timeouts.first_byte apps./new.timeouts.idle " +
			"apps./new.timeouts.total apps./new.timeouts.tunnel apps./new.priority"},
		{"queue", []string{"pools.shop.queue.length=11"}, "~shop queue.length"},
		{"count of workers", []string{"pools.shop.workers=5"}, "~shop workers"},
		{"command", []string{"pools.shop.command=[python3, b.py]"}, "~shop! command"},
		{"environment", []string{"pools.shop.env.set.X=1"}, "~shop! env.set"},
		{"handler", []string{"sites.shop.apps./go2.handler=demo"},
			"~shop apps./go2.handler ~gows! handler"},
		{"pool and site", []string{"pools.new.command=[python3]",
			"sites.n={bindings: [':9'], apps: {/: {pool: new}}}"}, "+:9 +n +new"},
	} {
		s := m.file(shop)
		s.Set = tt.sets
		after := mustLoad(t, s).Config
		c := Diff(&base, &after)
		if got := strings.ReplaceAll(flatChanges(c), m.dir, "M"); got != tt.want {
			t.Errorf("%s: Diff = %s; want %s", tt.desc, got, tt.want)
		}
		if c.IsEmpty() != (tt.want == "") {
			t.Errorf("%s: IsEmpty = %v", tt.desc, c.IsEmpty())
		}
		back := Diff(&after, &base)
		if len(back.Pools.Removed) != len(c.Pools.Added) || len(back.Process) != len(c.Process) {
			t.Errorf("%s: the way back is %s", tt.desc, flatChanges(back))
		}
	}
	changed := base
	changed.User = "root"
	if got := Diff(&base, &changed).NeedRestart(); len(got) != 1 || got[0] != "user" {
		t.Errorf("NeedRestart = %v; want user", got)
	}
}

// flatChanges is "+added -removed ~changed key key", ! where workers are replaced.
func flatChanges(c Changes) string {
	var out []string
	for _, list := range []ThingChanges{c.Listeners, c.Sites, c.Sidecars, c.Pools} {
		for _, n := range list.Added {
			out = append(out, "+"+n)
		}
		for _, n := range list.Removed {
			out = append(out, "-"+n)
		}
		for _, ch := range list.Changed {
			mark := ""
			if ch.Workers {
				mark = "!"
			}
			out = append(out, "~"+ch.Name+mark)
			for _, k := range ch.Keys {
				_, key, _ := strings.Cut(k.Key, "."+quoteSegment(ch.Name)+".")
				out = append(out, key)
			}
		}
	}
	for _, k := range c.Process {
		out = append(out, fmt.Sprintf("%s %s>%s %v", k.Key, k.Old, k.New, k.Reload))
	}
	return strings.Join(out, " ")
}
