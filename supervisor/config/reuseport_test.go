package config

import "testing"

// owned is a file whose pool p, from line 6 on, takes site s over; more is put behind the site's
// apps.
func owned(bindings, apps, pool, more string) string {
	return "sites:\n  s:\n    bindings: [" + bindings + "]\n    apps: {" + apps + "}\n" +
		"pools:\n  p: {dispatch: reuseport, " + pool + "}\n" + more
}

const wholeApp = "/: {handler: demo, pool: p}"

func TestReuseportErrors(t *testing.T) {
	m := newMachine(t)
	const unfronted = "has no effect: with dispatch: reuseport no front is before the workers, " +
		"expected dispatch: http"
	for _, tt := range []struct{ desc, yaml, want string }{
		{"foreign command", owned("':8080'", "/: {pool: p}", "command: [python3]", ""),
			"conf/weir.yaml:6:17: pools.p.dispatch: reuseport: python3 cannot take a site over, " +
				"expected http or mux: only handlers of this program can"},
		{"below a prefix", owned("':8080'", "/a: {handler: demo, pool: p}", "", ""),
			"conf/weir.yaml:4:38: sites.s.apps./a.pool: pool p has dispatch: reuseport and takes a whole " +
				"site, expected a site with bindings of its own and one app, /"},
		{"beside another app", owned("':8080'", wholeApp+", /b: {respond: {body: x}}", "", ""),
			"conf/weir.yaml:4:37: sites.s.apps./.pool: pool p has dispatch: reuseport, and site s has other apps"},
		{"of two sites", "sites:\n  r: {bindings: [':8081'], apps: {" + wholeApp + "}}\n" +
			owned("':8080'", wholeApp, "", "")[len("sites:\n"):],
			"sites.s.apps./.pool: pool p has dispatch: reuseport and serves site r already"},
		{"Unix socket", owned("'unix:/tmp/x'", wholeApp, "", ""),
			"conf/weir.yaml:3:16: sites.s.bindings[0]: unix:/tmp/x cannot be shared out among the workers " +
				"of dispatch: reuseport, expected a TCP address"},
		{"two addresses", owned("':8080', ':8081'", wholeApp, "", ""),
			"conf/weir.yaml:3:25: sites.s.bindings[1]: the workers of pool p, which has dispatch: " +
				"reuseport, accept on :8080, expected one address"},
		{"another site's address", "sites:\n  r: {bindings: ['http://r.example:8080'], apps: " +
			"{/: {respond: {body: x}}}}\n" + owned("':8080'", wholeApp, "", "")[len("sites:\n"):],
			"conf/weir.yaml:2:18: sites.r.bindings[0]: on :8080 the workers of pool p accept, which has " +
				"dispatch: reuseport, expected another address"},
		{"queue", owned("':8080'", wholeApp, "queue: {length: 5}", ""),
			"conf/weir.yaml:6:44: pools.p.queue.length: " + unfronted},
		{"slots", owned("':8080'", wholeApp, "concurrency: 5", ""), "pools.p.concurrency: " + unfronted},
		{"clocks", owned("':8080'", wholeApp, "timeouts: {total: 5s}", ""),
			"pools.p.timeouts.total: " + unfronted},
		{"clocks of the app", owned("':8080'", "/: {handler: demo, pool: p, timeouts: {total: 5s}}", "", ""),
			"sites.s.apps./.timeouts.total: " + unfronted},
		{"hang rule", owned("':8080'", wholeApp, "hang: {after: 5s}", ""), "pools.p.hang.after: " + unfronted},
		{"warm-up", owned("':8080'", wholeApp, "warmup: [/]", ""), "pools.p.warmup: " + unfronted},
		{"idle", owned("':8080'", wholeApp, "idle: {after: 5m}", ""), "pools.p.idle.after: " + unfronted},
		{"scaling", owned("':8080'", wholeApp, "workers: {min: 1, max: 3}", ""),
			"conf/weir.yaml:6:37: pools.p.workers: cannot follow the load: no front sees the requests"},
		{"on demand", owned("':8080'", wholeApp, "start: on-demand", ""),
			"pools.p.start: on-demand: no front sees the requests of a pool with dispatch: reuseport"},
		{"probe", owned("':8080'", wholeApp, "ready: {probe: {http: /}}", ""),
			"pools.p.ready.probe: a GET cannot be sent to one worker of dispatch: reuseport"},
		{"HTTP ping", owned("':8080'", wholeApp, "ping: {http: /}", ""),
			"pools.p.ping.http: a GET cannot be sent to one worker of dispatch: reuseport"},
	} {
		wantError(t, tt.desc, m.file(tt.yaml), tt.want)
	}
}

// A pool that takes a site over owns the site's address.
func TestReuseportOwnsAddress(t *testing.T) {
	l := mustLoad(t, newMachine(t).file(owned("':8080', 'http://a.example:8080'", wholeApp,
		"workers: 3, recycle: {requests: 5}, hang: {action: orphan}, rapid_fail: {answer: reset}", "")))
	if got := l.Config.Listeners; len(got) != 1 || got[0].Pool != "p" {
		t.Errorf("listeners %+v; want one, which is the pool's", got)
	}
	p, _ := l.Config.Pool("p")
	if p.Dispatch != DispatchReuseport || p.Handler != "demo" {
		t.Errorf("pool %+v; want reuseport with the handler", p)
	}
}
