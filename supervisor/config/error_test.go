package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// site puts apps behind a binding; its apps begin in line 4, column 7.
func site(apps string) string {
	return "sites:\n  s:\n    bindings: [':8080']\n    apps:\n      " + apps + "\n"
}

func pool(keys string) string {
	return "pools:\n  p:\n    command: [python3]\n    " + keys + "\n" + minimal
}

// far is a pool without workers; keys begin in line 3, column 5.
func far(keys string) string { return "pools:\n  p:\n    " + keys + "\n" + minimal }

func TestFileErrors(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ desc, yaml, want string }{
		{"empty", "", "conf/weir.yaml:1:1: nothing to serve, expected sites"},
		{"syntax", "a: [1", "conf/weir.yaml:2:1: did not find expected ',' or ']' " +
			"while parsing a flow sequence, expected YAML"},
		{"second document", minimal + "---\na: 1\n", "conf/weir.yaml:2:1: a second document begins, " +
			"expected one document"},
		{"no mapping", "- 1", "conf/weir.yaml:1:1: is a list, expected a mapping of loops, fronts, " +
			"runtime_dir, user, trusted_proxies, unmatched, server_header, trust, listeners, sites, " +
			"sidecars, pools, limits, timeouts, min_rate, spool, log, admin"},
		{"unknown key", "limts: {}\n" + minimal, `conf/weir.yaml:1:1: unknown key "limts", expected ` +
			"one of loops, fronts, runtime_dir, user, trusted_proxies, unmatched, server_header, trust, " +
			`listeners, sites, sidecars, pools, limits, timeouts, min_rate, spool, log, admin, did you mean "limits"?`},
		{"unknown nested key", pool("queue: {lenght: 5}"), `conf/weir.yaml:4:13: unknown key "lenght" ` +
			`in pools.p.queue, expected one of length, timeout, overload, policy, did you mean "length"?`},
		{"limit with min over max", pool("limit: {adaptive: on, min: 9, max: 8}"),
			"pools.p.limit.max: is below limit.min"},
		{"sendfile prefix alone", pool("sendfile: {prefix: /x/}"),
			"conf/weir.yaml:4:24: pools.p.sendfile.prefix: has no effect without sendfile.root"},
		{"sendfile prefix without slash", pool("sendfile: {root: ., prefix: x}"),
			`pools.p.sendfile.prefix: is no path, expected a path such as /protected/, did you mean /x/?`},
		{"sendfile root that is none", pool("sendfile: {root: none}"), "a directory"},
		{"protocol of a handler", "pools:\n  p: {protocol: fastcgi}\nsites: {s: {bindings: [':0'], apps: {/: {handler: shop-api, " +
			"pool: p}}}}\n", "conf/weir.yaml:2:17: pools.p.protocol: the workers of a pool without command speak http"},
		{"protocol over mux", pool("protocol: fastcgi\n    dispatch: mux"), "conf/weir.yaml:4:15: pools.p.protocol: " +
			"workers that speak fastcgi are dispatched to as those of http, expected dispatch: http"},
		{"FastCGI asked by GETs", pool("protocol: fastcgi\n    ready: {probe: {http: /up}}"),
			"pools.p.ready.probe: workers that speak fastcgi do not answer GETs, expected connect or notify"},
		{"uwsgi warmed up", pool("protocol: uwsgi\n    warmup: [/]"), "pools.p.warmup: workers that speak uwsgi do not"},
		{"uwsgi pinged", pool("protocol: uwsgi\n    ping: {http: /up}"), "pools.p.ping.http: workers that speak uwsgi"},
		{"scripts over http", pool("fastcgi: {root: .}"),
			"conf/weir.yaml:4:21: pools.p.fastcgi.root: has no effect without protocol: fastcgi"},
		{"scripts over uwsgi", pool("protocol: uwsgi\n    fastcgi: {root: .}"),
			"pools.p.fastcgi.root: has no effect with protocol: uwsgi"},
		{"scripts without root", pool("protocol: fastcgi\n    fastcgi: {fallback: /x.php}"),
			"conf/weir.yaml:5:25: pools.p.fastcgi.fallback: has no effect without fastcgi.root"},
		{"scripts in no directory", pool("protocol: fastcgi\n    fastcgi: {root: none}"), "a directory"},
		{"an index with a path", pool("protocol: fastcgi\n    fastcgi: {root: ., index: a/b}"), `"a/b" is no file name`},
		{"an extension without dot", pool("protocol: fastcgi\n    fastcgi: {root: ., extensions: [php]}"),
			`"php" is no extension, expected one such as .php, did you mean .php?`},
		{"a fallback without slash", pool("protocol: fastcgi\n    fastcgi: {root: ., fallback: index.php}"),
			`"index.php" is no path, expected a path such as /index.php, did you mean /index.php?`},
		{"upstreams that speak FastCGI", far("upstreams: ['http://a']\n    protocol: fastcgi"),
			"pools.p.protocol: concerns workers"},
		{"upstreams and command", pool("upstreams: [http://a:1]"),
			"conf/weir.yaml:3:14: pools.p.command: is given together with upstreams, expected one of them"},
		{"https upstream", far("upstreams: ['https://a']"), `conf/weir.yaml:3:16: pools.p.upstreams: ` +
			`"https://a": TLS to upstreams is not supported yet, expected http://HOST:PORT`},
		{"upstream without scheme", far("upstreams: [10.0.0.5:8080]"),
			`"10.0.0.5:8080" is no URL, expected http://HOST:PORT, did you mean http://10.0.0.5:8080?`},
		{"upstream with a path", far("upstreams: ['http://a:1/x']"),
			`"http://a:1/x" has a path: requests keep their own, expected http://HOST:PORT, did you mean http://a:1?`},
		{"upstream with a user", far("upstreams: ['http://u:p@a']"), "holds a user, which is not supported"},
		{"upstream with a bad port", far("upstreams: ['http://a:0']"), "the port is not in 1 to 65535"},
		{"upstream with a bad address", far("upstreams: ['http://10.0.0.256']"), "is neither a name nor an address"},
		{"upstream twice", far("upstreams: ['http://a', 'http://A:80/']"), `"http://A:80/" is there twice`},
		{"no upstream", far("upstreams: []"), "pools.p.upstreams: is empty"},
		{"upstreams with workers", far("upstreams: ['http://a']\n    workers: 3"),
			"conf/weir.yaml:4:14: pools.p.workers: concerns workers, and the servers of this pool are not ours"},
		{"check without upstreams", pool("check: {http: /x}"),
			"conf/weir.yaml:4:19: pools.p.check.http: has no effect without upstreams, expected upstreams beside it"},
		{"check of no path", far("upstreams: ['http://a']\n    check: {http: x}"), `pools.p.check.http: "x" is no path`},
		{"handler at upstreams", "pools:\n  p:\n    upstreams: ['http://a']\n" +
			site("/: {handler: shop-api, pool: p}"), "pool p has upstreams and cannot host a handler"},
		{"buffer without a pool", site("/: {respond: {body: x}, buffer: request}"),
			"sites.s.apps./.buffer: is about a worker's slot, and this app has no pool, expected it beside pool"},
		{"spool that is no directory", "spool: {dir: /none}\n" + pool("buffer: request"),
			"conf/weir.yaml:1:14: spool.dir: /none: no such file or directory, expected a directory"},
		{"priority without a pool", site("/: {respond: {body: x}, priority: high}"),
			"sites.s.apps./.priority: is a place in a pool's queue, and this app has no pool"},
		{"connect without an answerer", site("/: {respond: {body: x}, connect: true}"),
			"conf/weir.yaml:5:40: sites.s.apps./.connect: CONNECT needs somebody who answers it, expected it " +
				"beside pool or handler"},
		{"connect to FastCGI", "sites: {s: {bindings: [\":1\"], apps: {/: {pool: p, connect: true}}}}\n" +
			"pools: {p: {command: [/bin/sh], protocol: fastcgi}}\n",
			"sites.s.apps./.connect: workers that speak fastcgi have no tunnels, expected protocol: http"},
		{"connect below /", site("/x: {handler: shop-api, connect: true}"),
			"sites.s.apps./x.connect: CONNECT has no path, so only the app / gets it, expected it at /"},
		{"not built yet", pool("affinity: {cookie: x}"),
			`unknown key "affinity" in pools.p, expected one of`},
		{"duplicate", "loops: 1\nloops: 2\n" + minimal,
			`conf/weir.yaml:2:1: has the key "loops" twice (first in line 1)`},
		{"merge key", "log:\n  <<: {level: info}\n" + minimal,
			"conf/weir.yaml:2:3: log: merge keys (<<) " +
				"are not part of this schema, expected plain keys"},
		{"no unit", pool("queue: {timeout: 30}"),
			`conf/weir.yaml:4:22: pools.p.queue.timeout: "30" has ` +
				"no unit, expected a duration such as 30s, or off, did you mean 30s?"},
		{"size without unit", "limits: {head: 8192}\n" + minimal, `limits.head: "8192" has no unit, ` +
			"expected a size such as 64KiB, did you mean 8KiB?"},
		{"size with a newcomer's unit", "limits: {body: 64k}\n" + minimal, `limits.body: "64k" has an ` +
			"unknown unit, expected a size such as 64KiB, or off, did you mean 64KiB?"},
		{"rate without unit", "min_rate: {rate: 240}\n" + minimal, `min_rate.rate: "240" has no unit, ` +
			"expected a rate such as 240B/s, or off, did you mean 240B/s?"},
		{"lines without unit", pool("output: {lines: 100}"), `pools.p.output.lines: "100" has no unit, ` +
			"expected a rate such as 10000/s, or off, did you mean 100/s?"},
		{"a word for a unit", "timeouts: {header: 5 min}\n" + minimal,
			`timeouts.header: "5 min" is not a ` +
				"duration, expected a duration such as 30s, or off, did you mean 5m?"},
		{"0 is not off", "timeouts: {header: 0s}\n" + minimal, `timeouts.header: "0s" is no limit that ` +
			"could be kept, expected a duration such as 30s, or off, did you mean off?"},
		{"never off", "limits: {head: off}\n" + minimal,
			"limits.head: cannot be off, expected a size such as 64KiB"},
		{"never auto", pool("rapid_fail: {failures: auto}"),
			"pools.p.rapid_fail.failures: cannot be auto"},
		{"negative", "timeouts: {drain: -1s}\n" + minimal, `timeouts.drain: "-1s" is negative`},
		{"below", "limits: {head: 10B}\n" + minimal, `"10B" is below the minimum of 256B`},
		{"above", "fronts: 65\n" + minimal,
			`fronts: "65" is above the maximum of 64, expected a number ` +
				"from 1 to 64"},
		{"no number", "fronts: two\n" + minimal, `"two" is not a number`},
		{"zero workers", pool("workers: 0"),
			`pools.p.workers: "0" is below 1, expected a number from 1 ` +
				"to 4096, or {min: 1, max: 8, spare: 0}, or auto"},
		{"enum", pool("start: alway"), `conf/weir.yaml:4:12: pools.p.start: "alway" is not known, ` +
			`expected one of always, on-demand, manual, did you mean "always"?`},
		{"a dispatch that there is not", pool("dispatch: fcgi"),
			`pools.p.dispatch: "fcgi" is not known, expected one of http, mux, handoff, reuseport`},
		{"HTTP probe of messages", pool("dispatch: handoff\n    ready: {probe: {http: /}}"),
			"pools.p.dispatch: workers of handoff do not answer the GETs of ready.probe"},
		{"inherited socket for messages", pool("dispatch: handoff\n    socket: inherit"),
			"conf/weir.yaml:5:13: pools.p.socket: workers of handoff bind their socket, expected path"},
		{"sticky without answers", pool("dispatch: handoff\n    balance: sticky"),
			"pools.p.balance: sticky sets a cookie in answers, which handoff does not see"},
		{"latency without answers", pool("dispatch: handoff\n    limit: {adaptive: on}"),
			"pools.p.limit.adaptive: has no effect: workers of handoff answer clients themselves, expected " +
				"dispatch: http or mux"},
		{"hang rule without requests", pool("dispatch: handoff\n    hang: {after: 5s, action: orphan}"),
			"conf/weir.yaml:5:19: pools.p.hang.after: has no effect: workers of handoff answer clients " +
				"themselves, expected dispatch: http or mux"},
		{"retry of requests unseen", pool("dispatch: handoff\n    retry: {max: 1}"),
			"conf/weir.yaml:5:18: pools.p.retry.max: has no effect: workers of handoff answer clients " +
				"themselves, expected dispatch: http or mux"},
		{"middleware without answers", "pools: {p: {command: [python3], dispatch: handoff}}\n" +
			"sites: {s: {bindings: ['127.0.0.1:80'], middleware: [request-id], apps: {/: {pool: p}}}}",
			"the middleware of site s would not see what workers of pool p answer by handoff"},
		{"clock without answers", pool("dispatch: handoff\n    timeouts: {first_byte: 5s}"),
			"pools.p.timeouts.first_byte: has no effect: workers of handoff answer clients themselves"},
		{"bodies that others read", pool("dispatch: handoff\n    buffer: request"),
			"pools.p.buffer: has no effect: workers of handoff answer clients themselves"},
		{"files that others send", pool("dispatch: handoff\n    sendfile: {root: /}"),
			"pools.p.sendfile.root: has no effect: workers of handoff answer clients themselves"},
		{"clock of an app without answers", "pools: {p: {command: [python3], dispatch: handoff}}\n" +
			"sites: {s: {bindings: ['127.0.0.1:80'], apps: {/: {pool: p, timeouts: {total: 5s}}}}}",
			"timeouts.total: has no effect: workers of handoff answer clients themselves"},
		{"ping by GETs of messages", pool("dispatch: handoff\n    ping: {http: /}"),
			"pools.p.ping.http: workers of handoff answer the connections of clients only"},
		{"every head too large for a message", "limits: {head: 65KiB}\npools: {p: {command: [python3], " +
			"dispatch: handoff}}\nsites: {s: {bindings: ['127.0.0.1:80'], apps: {/: {pool: p}}}}",
			"limits.head: is too large to be handed off, expected at most 64KiB"},
		{"head too large for a message", "pools: {p: {command: [python3], dispatch: handoff}}\n" +
			"sites: {s: {bindings: ['127.0.0.1:80'], apps: {/: {pool: p, limits: {head: 65KiB}}}}}",
			"limits.head: is too large to be handed off, expected at most 64KiB"},
		{"bounds the wrong way round", pool("workers: {min: 3, max: 2}"),
			"conf/weir.yaml:4:14: pools.p.workers: min: 3 is above max: 2, expected min at most max"},
		{"spare above max", pool("workers: {min: 1, max: 2, spare: 3}"),
			"pools.p.workers: spare: 3 is above max: 2"},
		{"spare of a fixed number", pool("workers: {min: 2, max: 2, spare: 1}"),
			"pools.p.workers: spare has no effect on a fixed number of workers"},
		{"no maximum", pool("workers: {min: 0, max: 0}"), `pools.p.workers.max: "0" is below 1`},
		{"negative minimum", pool("workers: {min: -1}"), `pools.p.workers.min: "-1" is below the`},
		{"unknown bound", pool("workers: {mx: 3}"), `unknown key "mx" in pools.p.workers, expected one ` +
			"of min, max, spare"},
		{"list of workers", pool("workers: [1, 2]"), "pools.p.workers: is a list, expected a number"},
		{"idle without effect", pool("workers: 2\n    idle: {after: 5m}"),
			"conf/weir.yaml:5:19: pools.p.idle.after: has no effect: all 2 workers are always wanted"},
		{"pressure without idle", pool("idle: {pressure: on}"),
			"conf/weir.yaml:4:22: pools.p.idle.pressure: has no effect while idle.after is off"},
		{"busy without unit", pool("scale: {busy: 80}"), `pools.p.scale.busy: "80" has no unit, ` +
			"expected a share such as 10%, did you mean 80%?"},
		{"busy above the whole", pool("scale: {busy: 120%}"), `"120%" is above the maximum of 100%`},
		{"unknown probe", pool("ready: {probe: notfy}"), `pools.p.ready.probe: "notfy" is not known, ` +
			"expected connect, notify, or {http: /healthz, status: 200}, did you mean \"notify\"?"},
		{"probe without path", pool("ready: {probe: {status: 204}}"),
			"pools.p.ready.probe: has no http that begins with /"},
		{"status that is none", pool("ready: {probe: {http: /, status: 20}}"),
			`pools.p.ready.probe.status: "20" is below the minimum of 100`},
		{"warm-up without path", pool("warmup: [{host: x}]"),
			"pools.p.warmup[0]: has no path that begins with /, expected a list such as"},
		{"HTTP probe of frames", pool("dispatch: mux\n    ready: {probe: {http: /}}"),
			"conf/weir.yaml:4:15: pools.p.dispatch: workers of mux do not answer the GETs of ready.probe, " +
				"expected http"},
		{"warm-up of frames", pool("dispatch: mux\n    warmup: [/]"),
			"pools.p.warmup: has no effect: workers of mux are not asked by GETs, expected dispatch: http"},
		{"warm-up of a word", pool("warmup: [health]"),
			`pools.p.warmup[0]: "health" does not begin with /`},
		{"ping path", pool("ping: {http: healthz}"),
			`pools.p.ping.http: "healthz" is not a path, expected a path such as /healthz`},
		{"ping twice", pool("ping: {http: /healthz, watchdog: on}"),
			"pools.p.ping.http: has no effect while ping.watchdog is on"},
		{"hook", pool("hang: {hook: [no-such-program]}"),
			`pools.p.hang.hook: cannot run "no-such-program": executable file not found in $PATH`},
		{"switch", "server_header: yes\n" + minimal, `server_header: "yes" is neither on nor off, ` +
			"expected on or off, did you mean on?"},
		{"null", "limits:\n" + minimal, "limits: is empty, expected a mapping of connections"},
		{"scalar for a list", "pools: {p: {command: python3 app.py}}\n" + minimal,
			`pools.p.command: is ` +
				`"python3 app.py", expected a list such as [python3, app.py], did you mean [python3, app.py]?`},
		{"mode", "admin: {mode: 999}\n" + minimal, `admin.mode: "999" is not a file mode`},
		{"network", "trusted_proxies: [10.0.0.1/8]\n" + minimal, `trusted_proxies[0]: "10.0.0.1/8" has ` +
			"bits outside its mask, did you mean 10.0.0.0/8?"},
		{"admin over TCP", "admin: {listen: [':9000']}\n" + minimal,
			`conf/weir.yaml:1:17: admin.listen: ":9000" is not a Unix socket, expected unix:PATH`},
		{"request line over head", "limits: {request_line: 64KiB}\n" + minimal, "conf/weir.yaml:1:24: " +
			"limits.request_line: the request line (64KiB) may be larger than the head (32KiB), " +
			"expected limits.request_line up to limits.head"},
		{"alias bomb", bomb(), "aliases expand to too many or too deeply nested values"},
		{"alias cycle", "sites: &a {x: *a}\n", `unknown key "x" in sites.x`},
		{"no such user", "user: nobody-here\n" + minimal,
			`conf/weir.yaml:1:7: user: no user "nobody-here" on this machine`},
		{"unused listener", "listeners: {':8081': {backlog: 1}}\n" + minimal, `conf/weir.yaml:1:13: ` +
			`listeners.:8081: no binding uses this address, expected an address of a binding, ` +
			`did you mean ":8080"?`},
		{"listener twice", "listeners: {':8080': {}, ':08080': {}}\n" + minimal,
			`listeners: has ":8080" twice, written differently`},
		{"mode of TCP", "listeners: {':8080': {mode: '0600'}}\n" + minimal,
			"listeners.:8080.mode: :8080 is no Unix socket"},
		{"proxy protocol from nobody", "listeners: {':8080': {proxy_protocol: required}}\n" + minimal,
			"proxy_protocol: PROXY headers are taken from trusted_proxies only, and there are none"},
	} {
		wantError(t, tt.desc, m.file(tt.yaml), tt.want)
	}
}

func TestSiteErrors(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ desc, yaml, want string }{
		{"no bindings", "sites: {s: {apps: {/: {respond: {}}}}}", "conf/weir.yaml:1:9: sites.s: has no " +
			"bindings, expected a list of bindings such as http://shop.example.org:8080"},
		{"no apps", "sites: {s: {bindings: [':1']}}", "sites.s: has no apps"},
		{"bad name", "sites: {'a/b': {}}", `conf/weir.yaml:1:9: sites: "a/b" is not a name`},
		{"no content", site("/: {limits: {body: 1MB}}"), "conf/weir.yaml:5:7: sites.s.apps./: has no " +
			"content, expected exactly one of pool, static, respond, handler (or handler with pool)"},
		{"two contents", site("/: {static: {root: public}, respond: {}}"),
			"sites.s.apps./: has static and respond, expected exactly one of"},
		{"pool with static", site("/: {static: {root: public}, pool: x}"),
			"has pool and static, expected exactly one of"},
		{"no such pool", "pools: {shop: {command: [python3]}}\n" + site("/: {pool: shp}"),
			`conf/weir.yaml:6:17: sites.s.apps./.pool: no pool "shp", expected shop, did you mean "shop"?`},
		{"no pools", site("/: {pool: p}"), `no pool "p", expected it under pools`},
		{"no handler", site("/: {handler: x}"), `sites.s.apps./.handler: no handler "x" in this program`},
		{"empty pool", site("/: {pool: ''}"),
			"sites.s.apps./.pool: is empty, expected the name of a pool"},
		{"empty pool for a handler", site("/: {pool: '', handler: demo}"),
			"sites.s.apps./.pool: is empty"},
		{"no root", site("/: {static: {root: nowhere}}"), "sites.s.apps./.static.root: " + m.dir +
			"/conf/nowhere: no such file or directory, expected a directory"},
		{"static without root", site("/: {static: {}}"), "sites.s.apps./.static: has no root"},
		{"root is a file", site("/: {static: {root: tool}}"), "/conf/tool is not a directory"},
		{"body on 204", site("/: {respond: {status: 204, body: x}}"), "status 204 has no body"},
		{"1xx", site("/: {respond: {status: 100}}"), `"100" is below the minimum of 200`},
		{"media type", site("/: {respond: {content_type: ';'}}"),
			`";" is not a media type`},
		{"timeouts without pool", site("/: {respond: {}, timeouts: {idle: 1s}}"),
			"sites.s.apps./.timeouts" +
				".idle: limits an exchange with a worker, and this app has no pool, expected it beside pool"},
		{"prefix", site("shop: {respond: {}}"),
			`sites.s.apps: "shop" does not begin with /, expected a ` +
				`path prefix such as /shop, did you mean "/shop"?`},
		{"prefix twice", site("/a: {respond: {}}\n      /a/: {respond: {}}"), `has "/a" twice`},
		{"dot prefix", site("/a/../b: {respond: {}}"), "has an empty or dot segment"},
		{"app head", site("/: {respond: {}, limits: {head: 1KiB}}"), "sites.s.apps./.limits.head: the " +
			"request line (8KiB) may be larger than the head (1KiB)"},
		{"unknown middleware", "sites: {s: {middleware: [compres]}}", `conf/weir.yaml:1:26: sites.s.` +
			`middleware[0]: unknown middleware "compres", expected compress or request-id, ` +
			`did you mean "compress"?`},
		{"middleware without name", "sites: {s: {middleware: [{level: 1}]}}", "names no middleware"},
		{"middleware option", "sites: {s: {middleware: [{use: compress, levle: 1}]}}", `unknown key ` +
			`"levle" in sites.s.middleware[0], expected one of types, level, min_size, wait, vary, extra`},
		{"middleware option's unit", "sites: {s: {middleware: [{use: compress, wait: 1}]}}",
			`sites.s.middleware[0].wait: "1" has no unit, expected a duration such as 30s, ` +
				`did you mean 1s?`},
		{"middleware option's size", "sites: {s: {middleware: [{use: compress, min_size: 1}]}}",
			`min_size: "1": config: "1" has no unit`},
		{"middleware refuses", "sites: {s: {middleware: [{use: compress, level: 10}]}}",
			`middleware "compress": invalid argument`},
		{"no options", "sites: {s: {middleware: [{use: request-id, a: 1}]}}",
			`middleware "request-id" has no options`},
	} {
		wantError(t, tt.desc, m.file(tt.yaml), tt.want)
	}
}

func TestPoolErrors(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct{ desc, yaml, want string }{
		{"nothing to run", "pools: {p: {}}\n" + minimal,
			"conf/weir.yaml:1:9: pools.p: has nothing to run, " +
				"expected command, upstreams, or an app with handler and pool: p"},
		{"empty command", "pools: {p: {command: []}}\n" + minimal, "pools.p.command: is empty"},
		{"not found", "pools: {p: {command: [pyton3]}}\n" + minimal, "conf/weir.yaml:1:22: " +
			`pools.p.command: command "pyton3" not found in PATH, expected a program`},
		{"in the directory", "pools: {p: {command: [tool]}}\n" + minimal,
			`command "tool" not found in PATH, expected a program, did you mean "./tool"?`},
		{"path not found", "pools: {p: {command: [./no]}}\n" + minimal,
			"cannot run " + m.dir + "/conf/no: no such file or directory"},
		{"not executable", "pools: {p: {command: [./app.env]}}\n" + minimal, "permission denied"},
		{"two handlers", "pools: {p: {}}\n" +
			site("/: {handler: demo, pool: p}\n      /x: {handler: shop-api, pool: p}"),
			"sites.s.apps./x.handler: pool p already hosts demo, expected one handler per pool"},
		{"handler and command", "pools: {p: {command: [python3]}}\n" +
			site("/: {handler: demo, pool: p}"),
			"pool p runs python3 and cannot host a handler"},
		{"concurrency below fronts", "fronts: 2\n" + pool("concurrency: 1"), "pools.p.concurrency: 1 " +
			"slots cannot be divided among 2 fronts, expected at least as many as fronts"},
		{"queue below fronts", "fronts: 2\n" + pool("queue: {length: 1}"),
			"1 places cannot be divided among 2 fronts"},
		{"no directory", pool("dir: nowhere"), "pools.p.dir: " + m.dir + "/conf/nowhere: no such file"},
		{"keep without effect", pool("env: {keep: [A]}"), "has no effect while env.inherit is true"},
		{"reserved", pool("env: {set: {PORT: 1}}"), "PORT is set by Weir itself"},
		{"bad name", pool("env: {set: {'A=B': 1}}"), `"A=B" cannot be a variable`},
		{"null value", pool("env: {set: {A: }}"),
			`pools.p.env.set.A: is empty, expected text ("" for an`},
		{"env file", pool("env: {files: [no]}"), "/conf/no: no such file or directory"},
	} {
		wantError(t, tt.desc, m.file(tt.yaml), tt.want)
	}
}

func TestCommandLineErrors(t *testing.T) {
	m := newMachine(t)
	set := func(sets ...string) Sources { s := m.file(minimal); s.Set = sets; return s }
	with := func(s Sources, flags ...string) Sources { s.Flags = m.flags(flags...).Flags; return s }
	command := func(s Sources, argv ...string) Sources { s.Command = argv; return s }
	env := func(s Sources, kv string) Sources {
		s.Environ = append(slices.Clip(s.Environ),
			kv)
		return s
	}
	for _, tt := range []struct {
		desc string
		s    Sources
		want string
	}{
		{"port without colon", m.flags("listen", "8080", "respond", "x"), `--listen: "8080" is not an ` +
			`address, expected ADDRESS:PORT, :PORT or unix:PATH, did you mean ":8080"?`},
		{"environment", env(m.flags("respond", "x"), "WEIR_QUEUE_LENGTH=5"),
			"WEIR_QUEUE_LENGTH: describes a pool, and --respond has none"},
		{"environment's value", env(m.flags("respond", "x"), "WEIR_LOOPS=x"),
			`WEIR_LOOPS: "x" is not a number`},
		{"two contents", m.flags("respond", "x", "root", "."),
			"--respond and --root are given together, " +
				"expected exactly one of --config FILE, --respond TEXT, --root DIR, -- command"},
		{"content and command", command(m.flags("root", "."), "python3"),
			"--root and -- python3 are given together"},
		{"demo beyond loopback", m.flags("listen", ":80"),
			"nothing to serve on :80: give a command after " +
				"--, or --root, --respond or --config (the demo serves loopback only)"},
		{"demo by host", m.flags("listen", "http://a.example:80"), "nothing to serve on :80: give"},
		{"listen with a file", with(m.file(minimal), "config", "conf/weir.yaml", "listen", ":9"),
			"--listen: describes a site, and the file given by --config does that, " +
				`did you mean --set sites.SITE.bindings='[":9"]'?`},
		{"workers with a file", with(m.file(minimal), "config", "conf/weir.yaml", "workers", "2"),
			"--workers: describes a pool, and the file given by --config does that, " +
				"did you mean --set pools.POOL.workers=2?"},
		{"hosting with a file", with(m.file(minimal), "config", "conf/weir.yaml", "hosting", "x"),
			"did you mean --set sites.SITE.apps.PREFIX.pool=POOL?"},
		{"environment with a file", env(m.file(minimal), "WEIR_WORKERS=2"),
			"WEIR_WORKERS: describes a pool, and the file"},
		{"hosting a command in-process", command(m.flags("hosting", "in-process"), "python3"),
			"--hosting: python3 cannot run in-process"},
		{"hosting misspelt", command(m.flags("hosting", "inprocess"), "python3"),
			`--hosting: "inprocess" is not known, expected in-process or out-of-process, ` +
				`did you mean "in-process"?`},
		{"hosting the demo", m.flags("hosting", "in-process"),
			"--hosting: the demo runs both ways at once"},
		{"hosting a text", m.flags("hosting", "out-of-process", "respond", "x"),
			"--hosting: --respond is answered in-process"},
		{"dispatch", command(m.flags("dispatch", "handoff"), "python3"),
			`--dispatch: "handoff": python3 is not known to speak it, expected http; for a program of ` +
				"package worker name it in a file, as pools.*.dispatch"},
		{"dispatch of a stranger", command(m.flags("dispatch", "reuseport"), "python3"),
			`--dispatch: "reuseport": python3 cannot take a site over, expected http: only handlers of ` +
				"this program can"},
		{"command not found", command(m.flags(), "pyton3"),
			`-- pyton3: command "pyton3" not found in PATH`},
		{"no file", m.flags("config", "nowhere.yaml"),
			"--config: no such file or directory: nowhere.yaml"},
		{"flag twice", m.flags("respond", "x", "loops", "1", "loops", "2"), "--loops: is given twice"},
		{"set", set("timeouts.header=5"), `--set timeouts.header: "5" has no unit`},
		{"a flag that is not in the table", m.flags("respond", "x", "lisen", ":1"),
			`--lisen: is not a flag, did you mean "--listen"?`},
		{"set without =", set("timeouts.header"), `--set: "timeouts.header" has no =`},
		{"set nothing", set("=1"), `--set: "=1" has an empty segment`},
		{"set unknown", set("timeouts.heder=5s"),
			`--set: unknown key "heder" in timeouts, expected one ` +
				`of header, keepalive, drain_delay, drain, did you mean "header"?`},
		{"set a group", set("timeouts=5s"), `--set timeouts: is "5s", expected a mapping of`},
		{"set below a value", set("loops.x=5"), "--set loops: is a mapping"},
		{"set an unclosed quote", set(`listeners.":8080.backlog=5`), "has an unclosed quote"},
	} {
		wantError(t, tt.desc, tt.s, tt.want)
	}
}

func TestAllErrorsInOnePass(t *testing.T) {
	m := newMachine(t)
	s := m.file("loops: x\nfoo: 1\nlog: {level: loud}\n" + site("/: {pool: gone}"))
	s.Set = []string{"fronts=none"}
	_, err := Load(s, registry{})
	var es Errors
	if !errors.As(err, &es) {
		t.Fatalf("Load = %v; want Errors", err)
	}
	var lines []string
	for _, e := range es {
		lines = append(lines, fmt.Sprintf("%d:%s%s", e.Line, e.Key, e.Source))
	}
	want := "1:loops 2: 3:log.level 8:sites.s.apps./.pool 0:fronts--set fronts"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("errors at %s; want %s", got, want)
	}
}

// wantError loads s and wants one of its errors to contain want.
func wantError(t *testing.T, desc string, s Sources, want string) {
	t.Helper()
	_, err := Load(s, registry{})
	if err == nil {
		t.Errorf("%s: Load = nil; want %q", desc, want)
	} else if !strings.Contains(err.Error(), want) {
		t.Errorf("%s: Load =\n%v\nwant\n%s", desc, err, want)
	}
}

// bomb is small, and expands to 200 000 nodes.
func bomb() string {
	var b strings.Builder
	b.WriteString("pools:\n  p0: {env: &e {set: {")
	for i := range 1000 {
		fmt.Fprintf(&b, "V%d: x, ", i)
	}
	b.WriteString("}}}\n")
	for i := range 200 {
		fmt.Fprintf(&b, "  p%d: {env: *e}\n", i+1)
	}
	return b.String()
}
